"""`train_all(jobs, store)`: several trainings on this machine, in worker processes that train one job after another."""

import os
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import active_children, get_context
from pathlib import Path

import torch

from dogbreeds.data.datasets import Dataset
from dogbreeds.errors import StudyError
from dogbreeds.processes import end_with_parent, set_thread_variables
from dogbreeds.training import trainer
from dogbreeds.training.jobs import Job, report_failures, unfinished
from dogbreeds.training.progress import Display
from dogbreeds.training.runs import Run, RunConfig

ATTEMPTS = 2  # at a training whose worker dies
_events = None  # in a worker: the queue to the process that has the screen


def train_all(jobs: list[Job], store: Path) -> list[Run]:
    """The runs of `jobs`, in their order; those that are not finished in `store` are trained now.

    Each worker trains one network in one framework, so that imports and traced graphs are paid for once; what another
    network left in memory would count as this one's. Without a GPU two workers share the processors, half each, always,
    so that the number of threads, and with it the last bits of a result, does not depend on what else there is to
    train. The workers end with this process.

    A training whose worker dies is tried once more, in a new worker. Raises TrainingsFailed when all others have
    finished, and names the first that failed.
    """
    missing = unfinished(jobs, store)
    if missing:
        _train_in_workers(missing, Path(store))
    return [Run(Path(store) / job.id) for job in jobs]


@dataclass
class _Worker:
    """A process that trains one network, and the job that it has."""

    network: tuple[str, str]
    process: ProcessPoolExecutor
    job: Job | None = None


@dataclass
class _Queue:
    """Jobs that wait, and what became of the others."""

    waiting: list[Job]
    running: dict[Future, _Worker] = field(default_factory=dict)
    deaths: Counter = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)  # the reason by id

    def take(self, network: tuple[str, str] | None) -> Job | None:
        """The next job whose initial weights are there.

        Those of the first seed come first. Among them one of `network`, so that its worker lives on; then one of a
        network that no other worker has.
        """
        others = {worker.network for worker in self.running.values()}
        unfinished = {job.id for job in [*self.waiting, *(worker.job for worker in self.running.values())]}
        ready = [job for job in self.waiting if job.config.start not in unfinished]
        ready.sort(key=lambda job: (job.config.seed, job.network != network, job.network in others))
        if ready:
            self.waiting.remove(ready[0])
        return ready[0] if ready else None

    def fail(self, job: Job, reason: str) -> None:
        """Records a failure, and that of all jobs that wait for this one's weights."""
        self.failed[job.id] = reason
        for dependent in [each for each in self.waiting if each.config.start == job.id]:
            self.waiting.remove(dependent)
            self.fail(dependent, f"its initial weights are those of {job.id}, which failed")


def _train_in_workers(jobs: list[Job], store: Path) -> None:
    at_once, threads = shares()
    context = get_context("spawn")
    events = context.Queue()
    display = Display()  # here, for a thread cannot tell which cell of a notebook it belongs to
    screen = threading.Thread(target=_show, args=(events, display), daemon=True)
    screen.start()

    def start(network: tuple[str, str]) -> _Worker:
        return _Worker(network, ProcessPoolExecutor(1, context, _start_worker, (threads, events)))

    queue, workers = _Queue(list(jobs)), [None] * at_once
    try:
        while queue.waiting or queue.running:
            workers = [_give_work(worker, queue, store, start) for worker in workers]
            for ended in wait(queue.running, return_when=FIRST_COMPLETED).done:
                _finish(ended, queue)
    except KeyboardInterrupt:
        for process in active_children():
            process.terminate()
        raise
    finally:
        for worker in filter(None, workers):
            worker.process.shutdown()
        events.put(None)
        screen.join()
    report_failures(queue.failed, len(jobs))


def _give_work(worker: _Worker | None, queue: _Queue, store: Path, start: Callable) -> _Worker | None:
    """The worker with its next job, or one that takes its place: for another network, or for one that has died."""
    if worker and worker.job:
        return worker
    job = queue.take(worker and worker.network)
    if job is None:
        return worker
    if worker is None or worker.network != job.network or worker.process._broken:
        if worker:
            worker.process.shutdown(wait=False)
        worker = start(job.network)
    worker.job = job
    queue.running[worker.process.submit(_train, job.config, job.dataset, store)] = worker
    return worker


def _finish(ended: Future, queue: _Queue) -> None:
    worker = queue.running.pop(ended)
    job, worker.job = worker.job, None
    try:
        ended.result()
    except BrokenProcessPool:
        queue.deaths[job.id] += 1
        if queue.deaths[job.id] < ATTEMPTS:
            queue.waiting.insert(0, job)
        else:
            remedy = "free some memory or lower batch_size, then start again: finished epochs are kept"
            queue.fail(job, f"its process was killed twice, most likely for want of memory: {remedy}")
    except StudyError as error:
        queue.fail(job, str(error))


def shares() -> tuple[int, int]:
    """The number of processes that run at the same time (one on a GPU, otherwise two), and the threads of each."""
    processors = torch.get_num_threads()
    at_once = 1 if torch.accelerator.is_available() else min(2, processors)
    return at_once, processors // at_once


def in_own_process(function: Callable, *arguments, backend: str | None = None):
    """What `function` returns, from a process that has its memory to itself; see `own_process`."""
    with own_process(backend) as process:
        return process.submit(function, *arguments).result()


def own_process(backend: str | None = None) -> ProcessPoolExecutor:
    """A fresh process for one call after the other, which ends with this one.

    `backend` is what Keras computes with there, which it chooses once a process.
    """
    return ProcessPoolExecutor(1, get_context("spawn"), _start_alone, (backend,))


def _start_alone(backend: str | None) -> None:
    end_with_parent()
    if backend:
        os.environ["KERAS_BACKEND"] = backend


def _show(events, display: Display) -> None:
    for event in iter(events.get, None):
        display(event)


def _train(config: RunConfig, dataset: Dataset, store: Path) -> None:
    trainer.train(config, dataset, store, _events.put)


def _start_worker(threads: int, events) -> None:
    global _events
    _events = events
    end_with_parent()
    limit_threads(threads)


def limit_threads(threads: int) -> None:
    """Of both frameworks in this process; TensorFlow is not to be imported yet."""
    torch.set_num_threads(threads)
    set_thread_variables(threads)
