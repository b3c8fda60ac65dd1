"""The epochs of one phase of a training, the same in both frameworks."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dogbreeds.data.batches import Batches
from dogbreeds.models import weight_conversion
from dogbreeds.training.progress import Observer
from dogbreeds.training.recipe import Phase
from dogbreeds.training.training_state import TrainingState


@dataclass
class Epochs:
    """Counts and times the epochs of a phase, stores them in the training state, and reports them to the observer.

    The callbacks of each framework call the methods in the order in which they are defined.
    """

    phase: Phase
    stream: Batches  # of the training batches
    training_state: TrainingState
    observer: Observer | None

    def begin(self) -> None:
        self.number = self.stream.epoch = len(self.training_state.history) + 1
        self.start = time.perf_counter()

    def step(self, index: int, measures: Callable[[], tuple[float, float]]) -> None:
        """Reports the end of a step with its index in the epoch; `measures` returns loss and accuracy."""
        if self.observer:
            self.observer.step(self.number, (index + 1) * self.stream.batch_size, measures)

    def begin_validation(self) -> None:
        self.seconds = time.perf_counter() - self.start

    def end(self, model, measures: dict[str, float], optimizer: dict[str, Tensor]) -> bool:
        """Stores the epoch; returns whether the phase ends with it. Photos/s exclude the time for validation."""
        photos = len(self.stream) * self.stream.batch_size
        row = {"epoch": self.number, "phase": self.phase.name} | measures
        row |= {"seconds": self.seconds, "photos_per_second": photos / self.seconds}
        trained = weight_conversion.read(model).items()  # may share memory with the model
        state = {key: value.clone(memory_format=torch.contiguous_format) for key, value in trained}
        ends = self.training_state.end_epoch(row, state, optimizer)
        return bool(self.observer and self.observer.epoch(row)) or ends
