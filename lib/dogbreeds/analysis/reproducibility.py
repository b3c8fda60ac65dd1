"""How closely one training can be retraced at all: its losses step by step, again after a nudge of the last bits."""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from dogbreeds.data.batches import Batches
from dogbreeds.data.datasets import Dataset
from dogbreeds.training import backends, photo_streams, trainer
from dogbreeds.training.devices import peak_memory
from dogbreeds.training.parallel import in_own_process
from dogbreeds.training.progress import Progress
from dogbreeds.training.runs import RunConfig
from dogbreeds.training.training_state import Course

STEPS = 20  # over which engines are compared


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


@dataclass(frozen=True)
class FirstEpoch:
    """What the first epoch of a training was like; nothing else of it is kept."""

    losses: Float[np.ndarray, " steps"]
    seconds: Float[np.ndarray, " steps-1"]  # from the end of one step to the end of the next, without the first step
    memory_mb: int  # the peak of the process so far

    @property
    def seconds_a_step(self) -> float:
        """The median, without the steps of warm-up."""
        return float(np.median(self.seconds))


class _Steps(Progress):
    """Keeps the loss and the end of every step, and tells nobody."""

    def __init__(self):
        self.means, self.ends = [], []

    def step(self, epoch, photos, measures):
        self.means.append(measures()[0])
        self.ends.append(time.perf_counter())

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


def first_epoch(
    config: RunConfig, dataset: Dataset, store: Path, nudge: int | None = None, most: int | None = None
) -> FirstEpoch:
    """The first epoch of the training of `config`, from where it would start, in this process.

    It takes `most` steps, on so many of the photos, where the training has more. With a `nudge` (any whole number;
    others are other nudges) every number of every photo is moved by its last bit.
    """
    streams, steps = photo_streams.batches(config, dataset), _Steps()
    rows = streams["train"].rows
    if most and most * config.recipe.batch_size < len(rows):
        streams["train"].rows = rows[np.linspace(0, len(rows) - 1, most * config.recipe.batch_size).astype(int)]
    if nudge is not None:
        streams["train"] = Nudged(streams["train"], nudge)
    start = trainer.starting_weights(config, store)
    # Or a GPU would choose its kernels by their speed, and differ from itself.
    exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
    with tempfile.TemporaryDirectory() as folder, exact:
        trainer.train_phase(config, streams, _OneEpoch(config.recipe, Path(folder), start), steps)
    return FirstEpoch(steps.losses(), np.diff(steps.ends), peak_memory(backends.on_pytorch(config.framework)) // 10**6)


def floor(config: RunConfig, dataset: Dataset, store: Path, nudges: int = 4) -> Float[np.ndarray, "runs steps"]:
    """The losses of the training as it is, then of as many nudged ones."""
    return np.stack([first_epoch(config, dataset, store, nudge, STEPS).losses for nudge in (None, *range(nudges))])


def measure(config: RunConfig, dataset: Dataset, store: Path) -> dict[str, np.ndarray]:
    """`floor` and `by_engine` as arrays that can be kept; `measured` reads them."""
    arrays = {"band": floor(config, dataset, store)}
    for name, epoch in by_engine(config, dataset, store).items():
        arrays |= {f"{name}, {measure}": np.array(value) for measure, value in asdict(epoch).items()}
    return arrays


def measured(arrays: Mapping[str, np.ndarray]) -> tuple[Float[np.ndarray, "runs steps"], dict[str, FirstEpoch]]:
    """The floor, and the first epoch of each engine by its name."""
    names = [name.removesuffix(", losses") for name in arrays if name.endswith(", losses")]
    engines = {
        name: FirstEpoch(arrays[f"{name}, losses"], arrays[f"{name}, seconds"], int(arrays[f"{name}, memory_mb"]))
        for name in names
    }
    return arrays["band"], engines


def spread(curves: Float[np.ndarray, "runs steps"]) -> Float[np.ndarray, " steps"]:
    """The largest gap between any two curves, step by step."""
    return curves.max(axis=0) - curves.min(axis=0)


def by_engine(config: RunConfig, dataset: Dataset, store: Path) -> dict[str, FirstEpoch]:
    """The first epoch in PyTorch, in Keras on TensorFlow and in Keras on PyTorch, each in a process of its own.

    Keras chooses its backend once a process; and only so does each have its memory to itself. `config` is of either
    framework. A backend that is not installed is left out.
    """
    engines = {"PyTorch": ("pytorch", None), "Keras on TensorFlow": ("keras", "tensorflow")}
    engines["Keras on PyTorch"] = ("keras", "torch")
    found = {}
    for name, (framework, backend) in engines.items():
        if backend is None or find_spec(backend):
            arguments = (replace(config, framework=framework, backend=backend or ""), dataset, store, None, STEPS)
            found[name] = in_own_process(first_epoch, *arguments, backend=backend)
    return found


def table(engines: dict[str, FirstEpoch], band: Float[np.ndarray, "runs steps"], steps: int = STEPS) -> pd.DataFrame:
    """A row an engine: mean distance of its first losses from PyTorch's, that distance in widths of the band of last
    bits, seconds a step, and the peak memory of its process.
    """
    width = spread(band)[:steps].mean()
    distances = {name: abs(epoch.losses - band[0])[:steps].mean() for name, epoch in engines.items()}
    rows = {
        name: {
            "distance": distances[name],
            "in widths of the band": distances[name] / width,
            "seconds a step": epoch.seconds_a_step,
            "memory MB": epoch.memory_mb,
        }
        for name, epoch in engines.items()
    }
    return pd.DataFrame(rows).T.rename_axis("engine")
