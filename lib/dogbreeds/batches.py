"""The one stream of batches both frameworks are trained on: a standard DataLoader over the array of pixels."""

import math

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset


def augment(
    photos: Float[Tensor, "batch 3 height width"], generator: torch.Generator
) -> Float[Tensor, "batch 3 height width"]:
    """Each photo mirrored or not, turned by up to 8 degrees, scaled by 0.85 to 1.15 and shifted by up to 6 %."""

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(len(photos), generator=generator)

    mirror = torch.where(uniform(0.0, 1.0) < 0.5, -1.0, 1.0)
    turn, scale = uniform(-math.pi / 22, math.pi / 22), uniform(0.85, 1.15)
    across, down = uniform(-0.12, 0.12), uniform(-0.12, 0.12)  # of half the width
    matrix = torch.stack([
        torch.stack([scale * mirror * turn.cos(), -scale * turn.sin(), across], dim=1),
        torch.stack([scale * mirror * turn.sin(), scale * turn.cos(), down], dim=1),
    ], dim=1)  # fmt: skip
    grid = F.affine_grid(matrix, list(photos.shape), align_corners=False)
    return F.grid_sample(photos, grid, padding_mode="reflection", align_corners=False)


class Batches(Dataset):
    """One epoch of batches: item i is the i-th batch, (photos float32, labels int64).

    With a `seed` they are a training's: shuffled anew for every `epoch`, augmented, without the last incomplete
    batch. Without, in order and complete. Every batch depends on (seed, epoch, i) alone, so a stream can be read
    again from any place. `mean` and `deviation` are a network's preprocessing of colours in 0 to 1.
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
    ):
        self.pixels, self.labels, self.rows, self.batch_size = pixels, labels, rows, batch_size
        self.mean, self.deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in preprocessing)
        self.seed, self.augmentation, self.channels_last, self.epoch = seed, augmentation, channels_last, 0

    def __len__(self) -> int:
        whole = len(self.rows) / self.batch_size
        return math.ceil(whole) if self.seed is None else math.floor(whole)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        rows = self.rows
        if self.seed is not None:
            rows = np.random.default_rng([self.seed, self.epoch]).permutation(rows)
        rows = rows[index * self.batch_size : (index + 1) * self.batch_size]
        photos = torch.from_numpy(self.pixels[rows]).permute(0, 3, 1, 2).float() / 255
        if self.augmentation:
            state = np.random.SeedSequence([self.seed, self.epoch, index]).generate_state(1)
            photos = augment(photos, torch.Generator().manual_seed(int(state[0])))
        photos = (photos - self.mean) / self.deviation
        if self.channels_last:
            photos = photos.permute(0, 2, 3, 1)
        return photos.contiguous(), torch.from_numpy(self.labels[rows])

    def loader(self) -> DataLoader:
        """The batches as a DataLoader, which Keras' `fit` and Lightning's Trainer both take."""
        return DataLoader(self, batch_size=None)
