"""The one stream of batches both frameworks are trained on: a standard DataLoader over the array of pixels."""

import copy
import math

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

AREA, RATIO, TURN = (0.6, 1.0), (3 / 4, 4 / 3), math.radians(8)  # of a random crop


def augment(
    photos: Float[Tensor, "batch 3 height width"], draws: Float[Tensor, "batch 6"]
) -> Float[Tensor, "batch 3 height width"]:
    """Each photo mirrored or not, turned by up to 8 degrees, and a random part of it resized to the whole.

    The part has 0.6 to 1 of the area and sides in a ratio of 3:4 to 4:3, within the photo before it is turned (the
    random resized crop of Szegedy et al., https://arxiv.org/abs/1409.4842, section 6, with a larger least area: dogs
    fill their photos). Four of five turned parts have corners outside the photo, which its reflection fills. One
    affine map a photo, so that a whole batch is resampled once, on the device it lies on. `draws` are six uniform
    numbers in 0 to 1 a photo, drawn on the processor: the same whatever the device.
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
    """One epoch of batches: item i is the i-th batch, (photos float32, labels int64).

    With a `seed` they are a training's: shuffled anew for every `epoch`, augmented, without the last incomplete
    batch. Without, in order and complete. Every batch depends on (seed, epoch, i) alone, so a stream can be read
    again from any place, by any number of workers. `preprocessing` is a network's mean and deviation of colours in 0 to
    1. Bytes go to `device` as they are; all arithmetic is done there, on the whole batch. Of several processes that
    share each batch this one takes the `part` (which, of how many).
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

    def _places(self, index: int) -> np.ndarray:
        """Which of `rows` the batch holds."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        places = np.arange(len(self.rows))
        if self.seed is not None:
            places = np.random.default_rng([self.seed, self.epoch]).permutation(places)
        return places[index * self.batch_size : (index + 1) * self.batch_size][self.part[0] :: self.part[1]]

    def _bytes(self, places: np.ndarray) -> UInt8[Tensor, "batch height width 3"]:
        """The photos on the device. A GPU keeps all of them where they take no more than half of its free memory."""
        on_gpu = torch.device(self.device).type == "cuda"
        if on_gpu and self._resident is None:
            needed, free = self.pixels[0].nbytes * len(self.rows), torch.cuda.mem_get_info(self.device)[0]
            self._resident = torch.from_numpy(self.pixels[self.rows]).to(self.device) if needed <= free / 2 else False
        if torch.is_tensor(self._resident):
            return self._resident[self._on_device(places)]
        return self._on_device(self.pixels[self.rows[places]])

    def _on_device(self, array: np.ndarray) -> Tensor:
        """Without waiting for it: from pinned memory a GPU fetches it beside its work."""
        tensor = torch.from_numpy(array)
        on_gpu = torch.device(self.device).type == "cuda"
        return tensor.pin_memory().to(self.device, non_blocking=True) if on_gpu else tensor.to(self.device)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        places = self._places(index)
        bytes_of_photos = self._bytes(places)
        # Put in order while they are bytes, then changed in place: arithmetic on strided copies is far slower.
        photos = bytes_of_photos.permute(0, 3, 1, 2).contiguous().float().div_(255)
        if self.augmentation:
            state = np.random.SeedSequence([self.seed, self.epoch, index]).generate_state(1)
            draws = torch.rand(self.batch_size, 6, generator=torch.Generator().manual_seed(int(state[0])))
            photos = augment(photos, draws[self.part[0] :: self.part[1]])
        photos.sub_(self.mean).div_(self.deviation)
        if self.channels_last:
            photos = photos.permute(0, 2, 3, 1)
        return photos.contiguous(), self._on_device(self.labels[self.rows[places]])

    def in_order(self, batch_size: int) -> "Batches":
        """The same photos once each, as they are, in the order of `rows`."""
        other = copy.copy(self)
        other.batch_size, other.seed, other.augmentation, other.part = batch_size, None, False, (0, 1)
        return other

    def mixed(self, batch_size: int) -> "Batches":
        """The same photos once each, as they are, in an order that is always the same but not sorted by breed."""
        other = self.in_order(batch_size)
        other.rows, other._resident = np.random.default_rng(0).permutation(self.rows), None
        return other

    def loader(self, workers: int = 0) -> DataLoader:
        """The batches as a DataLoader, which Keras' `fit` and Lightning's Trainer both take."""
        return DataLoader(self, batch_size=None, num_workers=workers)


class FeatureBatches(Batches):
    """The batches of a stream with what a frozen backbone makes of its photos, computed once, in their place."""

    def __init__(self, stream: Batches, features: Float[np.ndarray, "photos 2048"]):
        vars(self).update(vars(stream))
        self.features, self.labels, self.rows = features, stream.labels[stream.rows], np.arange(len(stream.rows))

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rows = self.rows[self._places(index)]
        return self._on_device(self.features[rows]), self._on_device(self.labels[rows])
