"""How long trainings will take, estimated from a few measured steps of one of them."""

import tempfile
import time
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

from dogbreeds.data import pixel_cache
from dogbreeds.data.splits import SPLITS
from dogbreeds.errors import StudyError
from dogbreeds.models import complexity
from dogbreeds.training import parallel, photo_streams, trainer
from dogbreeds.training.capacity import shares
from dogbreeds.training.jobs import Job
from dogbreeds.training.recipe import Phase, Recipe
from dogbreeds.training.runs import Initialisation
from dogbreeds.training.training_state import TrainingState

MEASURED = 3.0  # seconds of steps after the first, which also starts the framework
_multiply_adds = cache(complexity.multiply_adds)  # of many trainings of few networks


def seconds(jobs: list[Job], store: Path, at_once: int = 0) -> float:
    """Returns the estimated seconds to train `jobs` on this machine, `at_once` at a time, if none stops early.

    By default `capacity.shares` decides how many train at once. A new process measures steps of the job with the most
    work. The time of another job is proportional to its work.
    Raises StudyError if the process is killed, or if a batch does not fit into memory or into the training split.
    """
    longest, (at_once, threads) = max(jobs, key=_work), shares([job.config for job in jobs], at_once)
    pixel_cache.load(longest.dataset, longest.config.image_size, longest.config.crop)  # with its progress bar
    try:
        speed = parallel.in_own_process(_measure, longest, store, threads)
    except BrokenProcessPool as error:
        remedy = "free some memory, or lower batch_size or image_size"
        raise StudyError(f"the first steps were killed, most likely because memory ran out: {remedy}") from error
    return max(_work(longest), sum(map(_work, jobs)) / at_once) * speed


def passes(recipe: Recipe, photos: dict[str, float]) -> float:
    """Returns the work of a training, as the number of photos in forward passes, given the photos of each split.

    A step has a forward pass and a backward pass, which takes twice as long. A phase that trains only the head computes
    the features of each photo once.
    """
    total = photos["validation"] + photos["test"]
    for phase, epochs in recipe.phases().items():
        step = photos["train"] + photos["validation"]
        total += step if phase == "head" else epochs * (step + 2 * photos["train"])
    return total


def _work(job: Job) -> float:
    """The multiply-adds of a training."""
    config, photos = job.config, {split: len(job.dataset.rows(split)) for split in SPLITS}
    return passes(config.recipe, photos) * _multiply_adds(config.architecture, config.image_size, len(config.breeds))


def _measure(job: Job, store: Path, threads: int) -> float:
    """Trains for a few steps and returns the seconds per multiply-add."""
    parallel.limit_threads(threads)
    # Random weights: the time is the same, and published weights need not be downloaded yet.
    config, stopwatch = replace(job.config, initialisation=Initialisation()), _Stopwatch()
    with trainer.user_errors(job.config, store), tempfile.TemporaryDirectory() as folder:
        state = TrainingState(config.recipe, Path(folder), trainer.initial_weights(config, store), writes=False)
        streams, phase = photo_streams.batches(config, job.dataset), Phase("all", 0, config.recipe.epochs)
        with suppress(_Measured):
            trainer.run_phase(phase, config, streams, state, stopwatch)
    multiply_adds = _multiply_adds(config.architecture, config.image_size, len(config.breeds))
    return stopwatch.seconds_per_photo / (3 * multiply_adds)


class _Measured(Exception):
    """Ends a training from within."""


class _Stopwatch:
    """Observes a training and ends it after enough steps, or after its first epoch."""

    start, seconds_per_photo = None, None

    def step(self, epoch, photos, measures):
        measures()  # waits for a GPU
        now = time.perf_counter()
        if self.start is None:
            self.start, self.photos = now, photos
            return
        self.seconds_per_photo = (now - self.start) / (photos - self.photos)
        if now - self.start > MEASURED:
            raise _Measured

    def epoch(self, row):
        self.seconds_per_photo = self.seconds_per_photo or 1 / row["photos_per_second"]  # of a single step
        return True
