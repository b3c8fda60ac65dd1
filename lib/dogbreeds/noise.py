"""How closely one training can be retraced at all: its losses step by step, again after a nudge of the last bits."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from dogbreeds import training
from dogbreeds.batches import Batches
from dogbreeds.checkpoints import Course
from dogbreeds.datasets import Dataset
from dogbreeds.models import porting
from dogbreeds.progress import Progress
from dogbreeds.runs import RunConfig


class Nudged(Batches):
    """A stream with every number of its photos moved to a neighbour in float32, up or down by a coin."""

    def __init__(self, stream: Batches, nudge: int):
        vars(self).update(vars(stream))
        self.nudge = nudge

    def __getitem__(self, index: int):
        photos, labels = super().__getitem__(index)
        # Odd numbers nudge the other way. Coins fall in PyTorch's order of axes, the same for both frameworks.
        planes = photos.permute(0, 3, 1, 2) if self.channels_last else photos
        generator = torch.Generator().manual_seed(1000 * (self.nudge // 2) + index)
        up = (torch.rand(planes.shape, generator=generator) < 0.5) ^ bool(self.nudge % 2)
        planes.copy_(torch.nextafter(planes, torch.where(up, torch.inf, -torch.inf).to(planes.device)))
        return photos, labels


class _Steps(Progress):
    """Keeps the loss of every step, and tells nobody."""

    def __init__(self):
        self.means = []

    def step(self, epoch, photos, measures):
        self.means.append(measures()[0])

    def epoch(self, row):
        pass

    def losses(self) -> Float[np.ndarray, " steps"]:
        """Frameworks tell the mean so far; this is what each step added to it."""
        sums = np.array(self.means) * np.arange(1, len(self.means) + 1)
        return np.diff(sums, prepend=0.0)


class _OneEpoch(Course):
    """A course that ends after an epoch and leaves nothing behind."""

    def end_epoch(self, row, state, optimizer) -> bool:
        return True


def losses(
    config: RunConfig, dataset: Dataset, start: porting.State, nudge: int | None = None
) -> Float[np.ndarray, " steps"]:
    """The training loss of each step of the first epoch of `config`, from the weights `start`. Nothing is kept.

    With a `nudge` (any whole number; others are other nudges) every number of every photo is moved by its last bit.
    """
    streams, steps = training.batches(config, dataset), _Steps()
    if nudge is not None:
        streams["train"] = Nudged(streams["train"], nudge)
    with tempfile.TemporaryDirectory() as folder:
        training.train_phase(config, streams, _OneEpoch(config.recipe, Path(folder), start), steps)
    return steps.losses()


def floor(
    config: RunConfig, dataset: Dataset, start: porting.State, nudges: int = 4
) -> Float[np.ndarray, "runs steps"]:
    """The losses of the training as it is, then of as many nudged ones."""
    return np.stack([losses(config, dataset, start, nudge) for nudge in (None, *range(nudges))])


def spread(curves: Float[np.ndarray, "runs steps"]) -> Float[np.ndarray, " steps"]:
    """The largest gap between any two curves, step by step."""
    return curves.max(axis=0) - curves.min(axis=0)
