"""What `bench` times: training on one folder of photos, this study's own, and as others do it.

A pipeline is given a `Work` and yields photos a second, turn by turn: one epoch each, the first of which warms up.
Each has a loader that can be read without training. Those of others are in `pipelines_pytorch` and `pipelines_keras`.
"""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
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
from dogbreeds.training.training_state import Course


@dataclass(frozen=True)
class Work:
    """One network in one framework on the training photos of `dataset`, which `folder` holds and nothing else.

    The folder around it takes what a training writes.
    """

    config: RunConfig
    dataset: Dataset
    folder: Path
    workers: int

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


def ours_loader(work: Work) -> DataLoader:
    return photo_streams.batches(work.config, work.dataset)["train"].loader()


class _Turns(Progress):
    """Progress of a training that stands still after every epoch until it is told to go on."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.ended, self.go_on = Queue(), Semaphore(0)

    def epoch(self, row):
        super().epoch(row)
        self.ended.put(row["photos_per_second"])
        self.go_on.acquire()

    def turn(self) -> float:
        """The speed of the epoch that ends next; raises what ended the training."""
        speed = self.ended.get()
        if isinstance(speed, BaseException):
            raise speed
        return speed


def ours(work: Work) -> Iterator[float]:
    """The training of the study, by the speed it writes into its history: of its steps, without validation.

    One training in a thread of its own: its epochs are the turns.
    """
    recipe, folder = replace(work.config.recipe, epochs=1000), Path(tempfile.mkdtemp(dir=work.folder.parent))
    config, streams = replace(work.config, recipe=recipe), photo_streams.batches(work.config, work.dataset)
    course = Course(recipe, folder, trainer.starting_weights(config, folder))
    told = _Turns(config.id, [], work.steps * work.batch_size, recipe.epochs, folder / "log", lambda event: None)

    def train():
        try:
            trainer.train_phase(config, streams, course, told)
        except BaseException as error:
            told.ended.put(error)

    Thread(target=train, daemon=True).start()
    while True:
        yield told.turn()
        told.go_on.release()


def synchronised() -> float:
    """The time, when all that is queued on a GPU is done."""
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()
    return time.perf_counter()


def turns(epoch) -> Iterator[float]:
    """The speed of one `epoch` after the other, which returns the number of its photos."""
    while True:
        start = synchronised()
        photos = epoch()
        yield photos / (synchronised() - start)
