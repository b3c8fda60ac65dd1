"""The stream of batches that trains both frameworks: a standard DataLoader over the array of pixels."""

import copy
import math

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

AREA, RATIO, TURN = (0.6, 1.0), (3 / 4, 4 / 3), math.radians(8)  # of a random crop; TURN is the largest rotation


def augment(
    photos: Float[Tensor, "batch 3 height width"], draws: Float[Tensor, "batch 6"]
) -> Float[Tensor, "batch 3 height width"]:
    """Mirrors, rotates and crops each image at random, and resizes the crop to the size of the image.

    An image is mirrored with probability 0.5. The rotation is at most 8 degrees. The crop has 0.6 to 1 of the image's
    area and an aspect ratio of 3:4 to 4:3, and is inside the image before the rotation (the random resized crop of
    Szegedy et al., https://arxiv.org/abs/1409.4842, section 6, with a larger minimum area, because dogs fill their
    photos). Four of five rotated crops have corners outside the image, which are filled by reflection. Each image has
    one affine map, so that the whole batch is resampled once, on its own device. `draws` are six uniform random numbers
    in 0 to 1 per image. They are drawn on the CPU, so that they do not depend on the device.
    """
    chance = draws.T
    mirror, turn = torch.where(chance[0] < 0.5, -1.0, 1.0), TURN * (2 * chance[1] - 1)
    area = AREA[0] + (AREA[1] - AREA[0]) * chance[2]
    ratio = (math.log(RATIO[0]) + (math.log(RATIO[1]) - math.log(RATIO[0])) * chance[3]).exp()
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    across, down = (2 * chance[4] - 1) * (1 - width), (2 * chance[5] - 1) * (1 - height)
    matrix = torch.stack([
        torch.stack([mirror * width * turn.cos(), -height * turn.sin(), across], dim=1),
        torch.stack([mirror * width * turn.sin(), height * turn.cos(), down], dim=1),
    ], dim=1)  # fmt: skip
    grid = F.affine_grid(matrix.to(photos.device, non_blocking=photos.is_cuda), list(photos.shape), align_corners=False)
    return F.grid_sample(photos, grid, padding_mode="reflection", align_corners=False)


class Batches(Dataset):
    """One epoch of batches: item i is the i-th batch, a pair of images (float32) and labels (int64).

    With a `seed`, the batches are for training: the photos are shuffled again in every `epoch`, `augmentation` may be
    applied, and the last incomplete batch is dropped. Without a `seed`, the batches contain all photos in order. Each
    batch depends only on (seed, epoch, i), so a stream can be read again from any position and by any number of
    workers. `preprocessing` is the mean and the standard deviation of each colour for a network, for colours in 0 to 1.
    The pixels are copied to `device` as bytes, and all arithmetic is done there on the whole batch. If several
    processes share each batch, `part` is the index of this process and the number of processes.
    """

    def __init__(
        self,
        pixels: UInt8[np.ndarray, "photos height width 3"],
        labels: np.ndarray,
        rows: np.ndarray,
        batch_size: int,
        preprocessing: tuple,
        seed: int | None = None,
        augmentation: bool = False,
        channels_last: bool = False,
        device: str = "cpu",
        part: tuple[int, int] = (0, 1),
    ):
        self.pixels, self.labels, self.rows, self.batch_size = pixels, labels, rows, batch_size
        self.mean, self.deviation = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in preprocessing)
        self.device, self.part, self._resident = device, part, None
        self.seed, self.augmentation, self.channels_last, self.epoch = seed, augmentation, channels_last, 0

    def __len__(self) -> int:
        whole = len(self.rows) / self.batch_size
        return math.ceil(whole) if self.seed is None else math.floor(whole)

    def positions(self, index: int) -> np.ndarray:
        """Returns the positions in `rows` that the batch contains."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        positions = np.arange(len(self.rows))
        if self.seed is not None:
            positions = np.random.default_rng([self.seed, self.epoch]).permutation(positions)
        return positions[index * self.batch_size : (index + 1) * self.batch_size][self.part[0] :: self.part[1]]

    def _pixels_on_device(self, positions: np.ndarray) -> UInt8[Tensor, "batch height width 3"]:
        """Returns the pixels on the device. A GPU keeps all photos if they need at most half of its free memory."""
        on_gpu = torch.device(self.device).type == "cuda"
        if on_gpu and self._resident is None:
            needed, free = self.pixels[0].nbytes * len(self.rows), torch.cuda.mem_get_info(self.device)[0]
            self._resident = torch.from_numpy(self.pixels[self.rows]).to(self.device) if needed <= free / 2 else False
        if torch.is_tensor(self._resident):
            return self._resident[self.on_device(positions)]
        return self.on_device(self.pixels[self.rows[positions]])

    def on_device(self, array: np.ndarray) -> Tensor:
        """Copies an array to the device. A GPU copies it from pinned memory while it computes."""
        tensor = torch.from_numpy(array)
        on_gpu = torch.device(self.device).type == "cuda"
        return tensor.pin_memory().to(self.device, non_blocking=True) if on_gpu else tensor.to(self.device)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        positions = self.positions(index)
        pixels = self._pixels_on_device(positions)
        # Make the bytes contiguous first and compute in place: arithmetic on strided copies is much slower.
        images = pixels.permute(0, 3, 1, 2).contiguous().float().div_(255)
        if self.augmentation:
            state = np.random.SeedSequence([self.seed, self.epoch, index]).generate_state(1)
            draws = torch.rand(self.batch_size, 6, generator=torch.Generator().manual_seed(int(state[0])))
            images = augment(images, draws[self.part[0] :: self.part[1]])
        images.sub_(self.mean).div_(self.deviation)
        if self.channels_last:
            images = images.permute(0, 2, 3, 1)
        return images.contiguous(), self.on_device(self.labels[self.rows[positions]])

    def in_order(self, batch_size: int) -> "Batches":
        """Returns a stream of the same photos, each once and without augmentation, in the order of `rows`."""
        other = copy.copy(self)
        other.batch_size, other.seed, other.augmentation, other.part = batch_size, None, False, (0, 1)
        return other

    def mixed(self, batch_size: int) -> "Batches":
        """Returns a stream like `in_order`, but in a fixed random order, so that breeds are mixed."""
        other = self.in_order(batch_size)
        other.rows, other._resident = np.random.default_rng(0).permutation(self.rows), None
        return other

    def loader(self, workers: int = 0) -> DataLoader:
        """Returns the batches as a DataLoader, which both the `fit` of Keras and the Trainer of Lightning accept."""
        return DataLoader(self, batch_size=None, num_workers=workers)


class Wrapped(Dataset):
    """A stream around another one: the same photos in the same order, with inputs of its own (`__getitem__`)."""

    def __init__(self, stream: Batches):
        self.stream, self.batch_size = stream, stream.batch_size

    def __len__(self) -> int:
        return len(self.stream)

    @property
    def epoch(self) -> int:
        return self.stream.epoch

    @epoch.setter
    def epoch(self, number: int) -> None:
        self.stream.epoch = number

    loader = Batches.loader


class FeatureBatches(Wrapped):
    """The batches of a stream with precomputed features of a frozen backbone in place of the images."""

    def __init__(self, stream: Batches, features: Float[np.ndarray, "photos 2048"]):
        super().__init__(stream)
        self.features, self.labels = features, stream.labels[stream.rows]

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        positions = self.stream.positions(index)
        return self.stream.on_device(self.features[positions]), self.stream.on_device(self.labels[positions])


Stream = Batches | Wrapped
