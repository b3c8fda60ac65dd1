"""`train_all(jobs, store)` trains several jobs on this machine, in worker processes."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import active_children, get_context
from pathlib import Path

import torch

from dogbreeds.data.datasets import Dataset
from dogbreeds.errors import StudyError
from dogbreeds.processes import set_thread_variables, spawn
from dogbreeds.training import trainer
from dogbreeds.training.capacity import shares
from dogbreeds.training.jobs import Job, train_missing
from dogbreeds.training.progress import Display
from dogbreeds.training.runs import Run, RunConfig

_events = None  # in a worker: the queue to the process that controls the screen


def train_all(jobs: list[Job], store: Path, at_once: int = 0) -> list[Run]:
    """Returns the runs of `jobs`, in their order, and trains those that are not finished in `store`.

    `at_once` is the number of workers, by default that of `capacity.shares`. Without a GPU, each worker trains one
    network in one framework: imports and traced graphs are needed only once, and the peak memory of a run includes no
    other network. Two workers always use half of the processors each, so that the number of threads, and with it the
    last bits of a result, does not depend on the other jobs. With a GPU, a worker trains all networks in one framework,
    because starting a process can take longer than a training. A training whose worker dies is tried once more in a new
    worker. If trainings fail, raises TrainingsFailed after all others have finished.
    """
    return train_missing(jobs, store, partial(_train_in_workers, at_once=at_once))


@dataclass
class _Worker:
    """A process that trains one network, or on a GPU all networks in one framework, and its current job."""

    threads: int
    events: object  # the queue to this process
    network: tuple[str, str] | None = None
    process: ProcessPoolExecutor | None = None
    job: Job | None = None

    def start(self, job: Job, store: Path) -> Future:
        """Starts a job, in a new process if the old one died or cannot continue with it."""
        continues = _same_process(job.network, self.network) and not self.process._broken
        if not continues:
            if self.process:
                self.process.shutdown(wait=False)
            self.process = spawn(1, _start_worker, self.threads, self.events)
        self.network, self.job = job.network, job
        return self.process.submit(_train, job.config, job.dataset, store)


def _same_process(network: tuple[str, str], before: tuple[str, str] | None) -> bool:
    """Returns whether the process that has trained `before` continues with `network` (architecture and framework)."""
    if before is None or not torch.accelerator.is_available():
        return network == before
    return network[1] == before[1]


@dataclass
class _Queue:
    """The waiting jobs, the running jobs and the failures."""

    waiting: list[Job]
    running: dict[Future, _Worker] = field(default_factory=dict)
    killed: set[str] = field(default_factory=set)  # ids of jobs whose worker has died
    failed: dict[str, str] = field(default_factory=dict)  # reasons by job id

    def take(self, network: tuple[str, str] | None) -> Job | None:
        """Removes and returns the next job whose initial weights are available, or None.

        Lower seeds come first. Within a seed, jobs of `network` come first, because its worker can continue; then jobs
        that the same process can train, and jobs of a network that no other worker trains.
        """
        others = {worker.network for worker in self.running.values()}
        unfinished = {job.id for job in [*self.waiting, *(worker.job for worker in self.running.values())]}
        ready = [job for job in self.waiting if job.config.initialisation.source not in unfinished]
        if not ready:
            return None
        job = min(ready, key=lambda job: (job.config.seed, *_changes(job.network, network), job.network in others))
        self.waiting.remove(job)
        return job

    def fail(self, job: Job, reason: str) -> None:
        """Records the failure of a job and of all jobs that wait for its weights."""
        self.failed[job.id] = reason
        for dependent in [each for each in self.waiting if each.config.initialisation.source == job.id]:
            self.waiting.remove(dependent)
            self.fail(dependent, f"its initial weights come from {job.id}, which failed")

    def finish(self, training: Future) -> None:
        """Frees the worker of an ended training; queues its job again after the first death of a worker."""
        worker = self.running.pop(training)
        job, worker.job = worker.job, None
        try:
            training.result()
        except BrokenProcessPool:
            if job.id in self.killed:
                remedy = "free some memory or lower batch_size, then start again: finished epochs are kept"
                self.fail(job, f"its process was killed twice, most likely because memory ran out: {remedy}")
            else:
                self.killed.add(job.id)
                self.waiting.insert(0, job)
        except StudyError as error:
            self.fail(job, str(error))


def _changes(network: tuple[str, str], before: tuple[str, str] | None) -> tuple[bool, bool]:
    """Returns whether a worker changes the network, and whether it needs a new process."""
    return network != before, not _same_process(network, before)


def _train_in_workers(jobs: list[Job], store: Path, at_once: int) -> dict[str, str]:
    at_once, threads = shares([job.config for job in jobs], at_once)
    events, display = get_context("spawn").Queue(), Display()  # a thread would not know the notebook cell to write to
    screen = threading.Thread(target=_show, args=(events, display), daemon=True)
    screen.start()
    queue, workers = _Queue(list(jobs)), [_Worker(threads, events) for _ in range(at_once)]
    try:
        while queue.waiting or queue.running:
            for worker in workers:
                if not worker.job and (job := queue.take(worker.network)):
                    queue.running[worker.start(job, store)] = worker
            for training in wait(queue.running, return_when=FIRST_COMPLETED).done:
                queue.finish(training)
    except KeyboardInterrupt:
        for process in active_children():
            process.terminate()
        raise
    finally:
        for worker in workers:
            if worker.process:
                worker.process.shutdown()
        events.put(None)
        screen.join()
    return queue.failed


def _show(events, display: Display) -> None:
    for event in iter(events.get, None):
        display(event)


def _start_worker(threads: int, events) -> None:
    global _events
    _events = events
    limit_threads(threads)


def _train(config: RunConfig, dataset: Dataset, store: Path) -> None:
    trainer.train(config, dataset, store, _events.put)


def limit_threads(threads: int) -> None:
    """Limits the threads of both frameworks in this process. Call it before TensorFlow is imported."""
    torch.set_num_threads(threads)
    set_thread_variables(threads)


def in_own_process(function: Callable, *arguments, backend: str | None = None):
    """Returns the result of `function`, computed in a new process with its own memory.

    `backend` is the Keras backend of the new process; a process cannot change it later.
    """
    with spawn(1, _set_backend, backend) as process:
        return process.submit(function, *arguments).result()


def _set_backend(backend: str | None) -> None:
    if backend:
        os.environ["KERAS_BACKEND"] = backend
