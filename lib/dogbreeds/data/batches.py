"""The stream of batches that trains both frameworks: a standard DataLoader over the array of pixels."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

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
    """Mirrors (with probability 0.5), rotates and crops each image, and resizes the crop to the size of the image.

    The crop is inside the image before the rotation (the random resized crop of Szegedy et al.,
    https://arxiv.org/abs/1409.4842, section 6, with a larger minimum area, because dogs fill their photos). Four of
    five rotated crops have corners outside the image, which are filled by reflection. `draws` are six uniform random
    numbers in 0 to 1 per image, drawn on the CPU, so that they do not depend on the device.
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
    grid = F.affine_grid(matrix.to(photos.device, non_blocking=photos.is_cuda), photos.shape, align_corners=False)
    return F.grid_sample(photos, grid, padding_mode="reflection", align_corners=False)


@dataclass(eq=False)
class Batches(Dataset):
    """One epoch of batches: item i is the i-th batch, a pair of images (float32) and labels (int64).

    With a `seed`, the batches are for training: the photos are shuffled again in every `epoch`, `augmentation` may be
    applied, and the last incomplete batch is dropped. Without a `seed`, the batches contain all photos in order. Each
    batch depends only on (seed, epoch, i). The pixels are copied to `device` as bytes, and all arithmetic is done there
    on the whole batch.
    """

    pixels: UInt8[np.ndarray, "photos height width 3"]
    labels: np.ndarray  # of all photos
    rows: np.ndarray  # the photos of this stream
    batch_size: int
    preprocessing: tuple  # mean and standard deviation of each colour, see models.preprocessing
    seed: int | None = None
    augmentation: bool = False
    channels_last: bool = False
    device: str = "cpu"
    part: tuple[int, int] = (0, 1)  # if several processes share each batch: the index of this one, and their number
    features: Float[np.ndarray, "rows 2048"] | None = None  # of a frozen backbone: they replace the images
    change: Callable[[Tensor, int], None] | None = None  # called with the images of each batch and its index
    epoch: int = 0
    _resident: Tensor | bool | None = None  # all pixels on a GPU, or False if they need too much of its memory

    def __post_init__(self):
        self._mean, self._deviation = (
            torch.tensor(values, device=self.device).view(1, 3, 1, 1) for values in self.preprocessing
        )
        self._on_gpu = torch.device(self.device).type == "cuda"

    def __len__(self) -> int:
        whole = len(self.rows) / self.batch_size
        return math.ceil(whole) if self.seed is None else math.floor(whole)

    def _positions(self, index: int) -> np.ndarray:
        """Returns the positions in `rows` that the batch contains."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        positions = np.arange(len(self.rows))
        if self.seed is not None:
            positions = np.random.default_rng([self.seed, self.epoch]).permutation(positions)
        return positions[index * self.batch_size : (index + 1) * self.batch_size][self.part[0] :: self.part[1]]

    def _pixels_on_device(self, positions: np.ndarray) -> UInt8[Tensor, "batch height width 3"]:
        """Returns the pixels on the device. A GPU keeps all photos if they need at most half of its free memory."""
        if self._on_gpu and self._resident is None:
            needed, free = self.pixels[0].nbytes * len(self.rows), torch.cuda.mem_get_info(self.device)[0]
            self._resident = torch.from_numpy(self.pixels[self.rows]).to(self.device) if needed <= free / 2 else False
        if torch.is_tensor(self._resident):
            return self._resident[self._copied(positions)]
        return self._copied(self.pixels[self.rows[positions]])

    def _copied(self, array: np.ndarray) -> Tensor:
        """Copies an array to the device. A GPU copies it from pinned memory while it computes."""
        tensor = torch.from_numpy(array)
        return tensor.pin_memory().to(self.device, non_blocking=True) if self._on_gpu else tensor.to(self.device)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        positions = self._positions(index)
        labels = self._copied(self.labels[self.rows[positions]])
        if self.features is not None:
            return self._copied(self.features[positions]), labels
        pixels = self._pixels_on_device(positions)
        # Make the bytes contiguous first and compute in place: arithmetic on strided copies is much slower.
        images = pixels.permute(0, 3, 1, 2).contiguous().float().div_(255)
        if self.augmentation:
            state = np.random.SeedSequence([self.seed, self.epoch, index]).generate_state(1)
            draws = torch.rand(self.batch_size, 6, generator=torch.Generator().manual_seed(int(state[0])))
            images = augment(images, draws[self.part[0] :: self.part[1]])
        images.sub_(self._mean).div_(self._deviation)
        if self.channels_last:
            images = images.permute(0, 2, 3, 1)
        images = images.contiguous()
        if self.change:
            self.change(images, index)
        return images, labels

    def in_order(self, batch_size: int) -> "Batches":
        """Returns a stream of the same photos, each once and without augmentation, in the order of `rows`."""
        return replace(self, batch_size=batch_size, seed=None, augmentation=False, part=(0, 1))

    def loader(self) -> DataLoader:
        """Returns the batches as a DataLoader, which both the `fit` of Keras and the Trainer of Lightning accept."""
        return DataLoader(self, batch_size=None)
