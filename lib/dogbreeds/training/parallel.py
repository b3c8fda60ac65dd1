"""`train_all(jobs, store)` trains several jobs on this machine, in worker processes."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import active_children, get_context
from pathlib import Path

import torch

from dogbreeds.data.datasets import Dataset
from dogbreeds.errors import StudyError
from dogbreeds.processes import set_thread_variables, spawn
from dogbreeds.training import trainer
from dogbreeds.training.jobs import Job, train_missing
from dogbreeds.training.progress import Display
from dogbreeds.training.runs import Run, RunConfig

_events = None  # in a worker: the queue to the process that controls the screen


def train_all(jobs: list[Job], store: Path) -> list[Run]:
    """Returns the runs of `jobs`, in their order, and trains those that are not finished in `store`.

    Each worker trains one network in one framework: imports and traced graphs are needed only once, and the peak memory
    of a run includes no other network. Without a GPU, two workers always use half of the processors each, so that the
    number of threads, and with it the last bits of a result, does not depend on the other jobs. A training whose worker
    dies is tried once more in a new worker. If trainings fail, raises TrainingsFailed after all others have finished.
    """
    return train_missing(jobs, store, _train_in_workers)


@dataclass
class _Worker:
    """A process that trains one network, and its current job."""

    threads: int
    events: object  # the queue to this process
    network: tuple[str, str] | None = None
    process: ProcessPoolExecutor | None = None
    job: Job | None = None

    def start(self, job: Job, store: Path) -> Future:
        """Starts a job, in a new process if the old one died or trained another network."""
        if job.network != self.network or self.process._broken:
            if self.process:
                self.process.shutdown(wait=False)
            self.network, self.process = job.network, spawn(1, _start_worker, self.threads, self.events)
        self.job = job
        return self.process.submit(_train, job.config, job.dataset, store)


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
        of a network that no other worker trains.
        """
        others = {worker.network for worker in self.running.values()}
        unfinished = {job.id for job in [*self.waiting, *(worker.job for worker in self.running.values())]}
        ready = [job for job in self.waiting if job.config.initialisation.source not in unfinished]
        if not ready:
            return None
        job = min(ready, key=lambda job: (job.config.seed, job.network != network, job.network in others))
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


def _train_in_workers(jobs: list[Job], store: Path) -> dict[str, str]:
    at_once, threads = shares()
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


def shares() -> tuple[int, int]:
    """Returns the number of parallel processes (one on a GPU, otherwise two) and the number of threads of each."""
    processors = torch.get_num_threads()
    at_once = 1 if torch.accelerator.is_available() else min(2, processors)
    return at_once, processors // at_once


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
