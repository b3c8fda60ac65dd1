"""How closely a training can be reproduced: its losses, step by step, with and without last-bit perturbations."""

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
from dogbreeds.training import photo_streams, trainer
from dogbreeds.training.backends import on_pytorch
from dogbreeds.training.devices import peak_memory
from dogbreeds.training.parallel import in_own_process
from dogbreeds.training.runs import RunConfig
from dogbreeds.training.training_state import TrainingState
from dogbreeds.translation import N_

STEPS = 20  # over which backends are compared


class Perturbed(Batches):
    """A stream whose pixel values are each moved to a neighbouring float32, up or down at random."""

    def __init__(self, stream: Batches, perturbation: int):
        vars(self).update(vars(stream))
        self.perturbation = perturbation

    def __getitem__(self, index: int):
        photos, labels = super().__getitem__(index)
        # Perturbations 2n and 2n + 1 are each other's opposite. The draws follow PyTorch's order of axes, so that they
        # are the same for both frameworks.
        planes = photos.permute(0, 3, 1, 2) if self.channels_last else photos
        generator = torch.Generator().manual_seed(1000 * (self.perturbation // 2) + index)
        up = (torch.rand(planes.shape, generator=generator) < 0.5) ^ bool(self.perturbation % 2)
        planes.copy_(torch.nextafter(planes, torch.where(up, torch.inf, -torch.inf).to(planes.device)))
        return photos, labels


@dataclass(frozen=True)
class FirstEpoch:
    """What was measured in the first epoch of a training; its weights are not kept."""

    losses: Float[np.ndarray, " steps"]
    seconds: Float[np.ndarray, " steps-1"]  # from the end of one step to the end of the next, without the first step
    memory_mb: int  # the peak of the process so far

    @property
    def seconds_per_step(self) -> float:
        """The median, which the slow steps of warm-up do not move."""
        return float(np.median(self.seconds))


class _Steps:
    """Observes a training: records the loss and the end of every step."""

    def __init__(self):
        self.means, self.ends = [], []

    def step(self, epoch, photos, measures):
        self.means.append(measures()[0])
        self.ends.append(time.perf_counter())

    def epoch(self, row):
        return True  # the first epoch is the last

    def losses(self) -> Float[np.ndarray, " steps"]:
        """The loss of each step; frameworks report the mean of the epoch so far."""
        sums = np.array(self.means) * np.arange(1, len(self.means) + 1)
        return np.diff(sums, prepend=0.0)


def first_epoch(
    config: RunConfig, dataset: Dataset, store: Path, perturbation: int | None = None, most: int | None = None
) -> FirstEpoch:
    """The first epoch of the training of `config`, from its initial weights, in this process.

    It takes at most `most` steps, on a subset of the photos where the training has more. With a `perturbation` (any
    integer; each gives a different one) every pixel value is moved by its last bit.
    """
    streams, steps = photo_streams.batches(config, dataset), _Steps()
    rows = streams["train"].rows
    if most and most * config.recipe.batch_size < len(rows):
        streams["train"].rows = rows[np.linspace(0, len(rows) - 1, most * config.recipe.batch_size).astype(int)]
    if perturbation is not None:
        streams["train"] = Perturbed(streams["train"], perturbation)
    initial = trainer.initial_weights(config, store)
    # By default cuDNN chooses its kernels by their speed, so that a GPU would not reproduce its own losses.
    exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
    with tempfile.TemporaryDirectory() as folder, exact:
        training_state = TrainingState(config.recipe, Path(folder), initial, writes=False)
        trainer.run_phase(training_state.next_phase(), config, streams, training_state, steps)
    return FirstEpoch(steps.losses(), np.diff(steps.ends), peak_memory(on_pytorch(config.framework)) // 10**6)


def noise_floor(
    config: RunConfig, dataset: Dataset, store: Path, perturbations: int = 4
) -> Float[np.ndarray, "runs steps"]:
    """The losses of the unperturbed training in the first row, and of perturbed ones in the others."""
    numbers = (None, *range(perturbations))
    return np.stack([first_epoch(config, dataset, store, number, STEPS).losses for number in numbers])


def measure(config: RunConfig, dataset: Dataset, store: Path) -> dict[str, np.ndarray]:
    """`noise_floor` and `by_backend` as arrays that can be stored; `measured` reads them."""
    arrays = {"band": noise_floor(config, dataset, store)}
    for name, epoch in by_backend(config, dataset, store).items():
        arrays |= {f"{name}, {measure}": np.array(value) for measure, value in asdict(epoch).items()}
    return arrays


def measured(arrays: Mapping[str, np.ndarray]) -> tuple[Float[np.ndarray, "runs steps"], dict[str, FirstEpoch]]:
    """The noise band, and the first epoch in each backend by its name."""
    names = [name.removesuffix(", losses") for name in arrays if name.endswith(", losses")]
    epochs = {
        name: FirstEpoch(arrays[f"{name}, losses"], arrays[f"{name}, seconds"], int(arrays[f"{name}, memory_mb"]))
        for name in names
    }
    return arrays["band"], epochs


def spread(curves: Float[np.ndarray, "runs steps"]) -> Float[np.ndarray, " steps"]:
    """The largest gap between any two curves, step by step: the width of the noise band."""
    return curves.max(axis=0) - curves.min(axis=0)


def by_backend(config: RunConfig, dataset: Dataset, store: Path) -> dict[str, FirstEpoch]:
    """The first epoch in PyTorch, in Keras on TensorFlow and in Keras on PyTorch, each in its own process.

    Keras loads one backend per process, and a process of its own measures the memory of one backend alone. `config`
    may be of either framework. A backend that is not installed is left out.
    """
    backends = {"PyTorch": ("pytorch", None), N_("Keras on TensorFlow"): ("keras", "tensorflow")}
    backends[N_("Keras on PyTorch")] = ("keras", "torch")
    found = {}
    for name, (framework, backend) in backends.items():
        if backend is None or find_spec(backend):
            arguments = (replace(config, framework=framework, backend=backend or ""), dataset, store, None, STEPS)
            found[name] = in_own_process(first_epoch, *arguments, backend=backend)
    return found


def table(epochs: dict[str, FirstEpoch], band: Float[np.ndarray, "runs steps"], steps: int = STEPS) -> pd.DataFrame:
    """One row per backend: distance from PyTorch, seconds per step, and peak memory of its process in MB.

    The distance is the mean absolute difference of the first losses from PyTorch's, in nats and in widths of the noise
    band.
    """
    width = spread(band)[:steps].mean()
    distances = {name: abs(epoch.losses - band[0])[:steps].mean() for name, epoch in epochs.items()}
    rows = {
        name: {
            "distance": distances[name],
            N_("in widths of the noise band"): distances[name] / width,
            N_("seconds per step"): epoch.seconds_per_step,
            N_("memory MB"): epoch.memory_mb,
        }
        for name, epoch in epochs.items()
    }
    return pd.DataFrame(rows).T.rename_axis("backend")
