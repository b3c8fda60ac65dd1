"""How closely a training can be reproduced: its losses, step by step, with and without last-bit perturbations."""

import tempfile
import time
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from dogbreeds.data.batches import Batches
from dogbreeds.data.datasets import Dataset
from dogbreeds.training import photo_streams, trainer
from dogbreeds.training.devices import peak_memory
from dogbreeds.training.parallel import in_own_process
from dogbreeds.training.runs import RunConfig
from dogbreeds.training.training_state import TrainingState
from dogbreeds.translation import N_

STEPS = 20  # over which backends are compared
KERAS_BACKENDS = {N_("Keras on TensorFlow"): "tensorflow", N_("Keras on PyTorch"): "torch"}


def perturbed(stream: Batches, perturbation: int) -> Batches:
    """Returns a stream whose pixel values are each moved to a neighbouring float32, up or down at random.

    Perturbations 2n and 2n + 1 are each other's opposite, and each is the same for both frameworks.
    """

    def move(images: Tensor, index: int) -> None:
        planes = images.permute(0, 3, 1, 2) if stream.channels_last else images  # PyTorch's order of axes
        generator = torch.Generator().manual_seed(1000 * (perturbation // 2) + index)
        up = (torch.rand(planes.shape, generator=generator) < 0.5) ^ bool(perturbation % 2)
        planes.copy_(torch.nextafter(planes, torch.where(up, torch.inf, -torch.inf).to(planes.device)))

    return replace(stream, change=move)


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
        streams["train"] = perturbed(streams["train"], perturbation)
    initial = trainer.initial_weights(config, store)
    # By default cuDNN chooses its kernels by their speed, so that a GPU would not reproduce its own losses.
    exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
    with tempfile.TemporaryDirectory() as folder, exact:
        training_state = TrainingState(config.recipe, Path(folder), initial, writes=False)
        trainer.run_phase(training_state.next_phase(), config, streams, training_state, steps)
    # Frameworks report the mean loss of the epoch so far.
    losses = np.diff(np.array(steps.means) * np.arange(1, len(steps.means) + 1), prepend=0.0)
    return FirstEpoch(losses, np.diff(steps.ends), peak_memory(config.backend) // 10**6)


def measure(config: RunConfig, dataset: Dataset, store: Path) -> dict[str, np.ndarray]:
    """The first steps of a PyTorch training and of its counterparts in Keras, as arrays that `measured` reads.

    "band" has the losses of the unperturbed PyTorch training in the first row, and of perturbed ones in the others. The
    other arrays are those of the `FirstEpoch` in each backend that is installed, measured in its own process: Keras
    loads one backend per process, and the process uses the memory of one backend alone.
    """
    band = [first_epoch(config, dataset, store, perturbation, STEPS).losses for perturbation in (None, 0, 1, 2, 3)]
    arrays, configs = {"band": np.stack(band)}, {"PyTorch": config}
    for name, backend in KERAS_BACKENDS.items():
        if find_spec(backend):
            configs[name] = replace(config, framework="keras", backend=backend)
    for name, each in configs.items():
        epoch = in_own_process(first_epoch, each, dataset, store, None, STEPS, backend=each.backend)
        arrays |= {f"{name}, {measure}": np.array(value) for measure, value in asdict(epoch).items()}
    return arrays


def measured(arrays: dict[str, np.ndarray]) -> tuple[Float[np.ndarray, "runs steps"], dict[str, FirstEpoch]]:
    """The noise band, and the first epoch in each backend by its name."""
    names = [name.removesuffix(", losses") for name in arrays if name.endswith(", losses")]
    epochs = {
        name: FirstEpoch(arrays[f"{name}, losses"], arrays[f"{name}, seconds"], int(arrays[f"{name}, memory_mb"]))
        for name in names
    }
    return arrays["band"], epochs


def table(epochs: dict[str, FirstEpoch], band: Float[np.ndarray, "runs steps"]) -> pd.DataFrame:
    """One row per backend: distance from PyTorch, seconds per step, and peak memory of its process in MB.

    The distance is the mean absolute difference of the losses from PyTorch's, in nats and in widths of the noise band.
    The width is the mean over the steps of the largest gap between any two of its curves.
    """
    rows, width = {}, np.ptp(band, axis=0).mean()
    for name, epoch in epochs.items():
        distance = abs(epoch.losses - band[0]).mean()
        row = {"distance": distance, N_("in widths of the noise band"): distance / width}
        rows[name] = row | {N_("seconds per step"): epoch.seconds_per_step, N_("memory MB"): epoch.memory_mb}
    return pd.DataFrame(rows).T.rename_axis("backend")
