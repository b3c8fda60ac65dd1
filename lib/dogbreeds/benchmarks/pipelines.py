"""What the pipelines of `dogbreeds bench speed` share, and the pipeline of this library.

A pipeline is a function that takes a `Work`, trains on one folder of photos and yields the photos/s of one timed epoch
after another. The first epoch is a warm-up. Each pipeline except the compute-only upper bound has a loader, which can
be read without training. The upper bound and the reference pipelines are in `pytorch_pipelines` and `keras_pipelines`.
"""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Queue
from threading import Semaphore, Thread

import torch
from torch.utils.data import DataLoader

from dogbreeds import models
from dogbreeds.data.datasets import Dataset
from dogbreeds.training import photo_streams, trainer
from dogbreeds.training.devices import ONE
from dogbreeds.training.progress import Progress
from dogbreeds.training.runs import RunConfig
from dogbreeds.training.training_state import TrainingState


@dataclass(frozen=True)
class Work:
    """One network in one framework and the photos it trains on.

    `folder` contains the training photos of `dataset` and nothing else. Files that a training writes go to the parent
    folder. `workers` is the number of processes that read photos in the reference pipelines. `measured` collects what a
    pipeline measures besides the photos/s of its epochs.
    """

    config: RunConfig
    dataset: Dataset
    folder: Path
    workers: int
    measured: dict[str, float] = field(default_factory=dict)

    @property
    def batch_size(self) -> int:
        return self.config.recipe.batch_size

    @property
    def steps(self) -> int:
        return len(self.dataset.rows("train")) // self.batch_size

    @property
    def device(self) -> torch.device:
        return torch.device(ONE.of_this_process())

    @property
    def classes(self) -> int:
        return len(self.config.breeds)

    @property
    def normalisation(self) -> tuple[tuple, tuple]:
        return models.preprocessing(self.config.architecture)


def this_library_loader(work: Work) -> DataLoader:
    return photo_streams.batches(work.config, work.dataset)["train"].loader()


class _Pausing:
    """Observes a training, passes everything on to its progress, and pauses it after every epoch until released.

    It measures the seconds to the end of the first step, in a process that has imported the framework, and the photos/s
    of the whole run up to the last epoch: with the start, the validation and the checkpoints, without the pauses.
    """

    def __init__(self, progress: Progress, photos: int, measured: dict[str, float]):
        self.progress, self.photos, self.measured = progress, photos, measured
        self.speeds, self.resume = Queue(), Semaphore(0)
        self.start, self.paused, self.epochs = time.perf_counter(), 0.0, 0

    def step(self, epoch, photos, measures):
        if "seconds_to_first_step" not in self.measured:
            measures()  # waits for the step, on every backend
            self.measured["seconds_to_first_step"] = time.perf_counter() - self.start
        self.progress.step(epoch, photos, measures)

    def epoch(self, row):
        self.progress.epoch(row)
        now, self.epochs = time.perf_counter(), self.epochs + 1
        self.measured["photos_per_second_of_run"] = self.epochs * self.photos / (now - self.start - self.paused)
        self.speeds.put(row["photos_per_second"])
        self.resume.acquire()
        self.paused += time.perf_counter() - now


def this_library(work: Work) -> Iterator[float]:
    """The training of the study, with the speed that it records in its history (training steps without validation).

    A separate thread runs one training, which pauses after every epoch until the next one is requested.
    """
    photos = work.steps * work.batch_size
    recipe = replace(work.config.recipe, epochs=1000)
    config = replace(work.config, recipe=recipe)
    folder, log = (Path(tempfile.mkdtemp(dir=work.folder.parent)) for _ in range(2))
    progress = Progress(config.id, [], photos, recipe.epochs, log, lambda event: None)
    observer = _Pausing(progress, photos, work.measured)

    def train():
        try:
            streams = photo_streams.batches(config, work.dataset)
            training_state = TrainingState(recipe, folder, trainer.initial_weights(config, folder))
            trainer.run_phase(training_state.next_phase(), config, streams, training_state, observer)
        except BaseException as error:
            observer.speeds.put(error)

    Thread(target=train, daemon=True).start()
    while True:
        speed = observer.speeds.get()
        if isinstance(speed, BaseException):
            raise speed
        yield speed
        observer.resume.release()


def synchronised() -> float:
    """Waits until a GPU has finished its queued work and returns the time in seconds."""
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()
    return time.perf_counter()


def timed_epochs(epoch) -> Iterator[float]:
    """Calls `epoch`, which returns its number of photos, again and again and yields the photos/s of each call."""
    while True:
        start = synchronised()
        photos = epoch()
        yield photos / (synchronised() - start)
