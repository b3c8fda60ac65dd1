"""`train_all(jobs, store)` trains several jobs on this machine, in worker processes."""

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

ATTEMPTS = 2  # per training, if its worker dies
_events = None  # in a worker: the queue to the process that controls the screen


def train_all(jobs: list[Job], store: Path) -> list[Run]:
    """Returns the runs of `jobs`, in their order, and trains those that are not finished in `store`.

    Each worker trains one network in one framework: imports and traced graphs are needed only once, and the peak memory
    of a run includes no other network. Without a GPU, two workers always use half of the processors each, so that the
    number of threads, and with it the last bits of a result, does not depend on the other jobs. The workers end with
    this process.

    A training whose worker dies is tried once more in a new worker. If trainings fail, raises TrainingsFailed after
    all others have finished; the message names the first failure.
    """
    missing = unfinished(jobs, store)
    if missing:
        _train_in_workers(missing, Path(store))
    return [Run(Path(store) / job.id) for job in jobs]


@dataclass
class _Worker:
    """A process that trains one network, and its current job."""

    network: tuple[str, str]
    process: ProcessPoolExecutor
    job: Job | None = None


@dataclass
class _Queue:
    """The waiting jobs, the running jobs and the failures."""

    waiting: list[Job]
    running: dict[Future, _Worker] = field(default_factory=dict)
    deaths: Counter = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)  # reasons by job id

    def take(self, network: tuple[str, str] | None) -> Job | None:
        """Removes and returns the next job whose initial weights are available, or None.

        Lower seeds come first. Within a seed, jobs of `network` come first, because its worker can continue; then jobs
        of a network that no other worker trains.
        """
        others = {worker.network for worker in self.running.values()}
        unfinished = {job.id for job in [*self.waiting, *(worker.job for worker in self.running.values())]}
        ready = [job for job in self.waiting if job.config.initialisation.source not in unfinished]
        ready.sort(key=lambda job: (job.config.seed, job.network != network, job.network in others))
        if ready:
            self.waiting.remove(ready[0])
        return ready[0] if ready else None

    def fail(self, job: Job, reason: str) -> None:
        """Records the failure of a job and of all jobs that wait for its weights."""
        self.failed[job.id] = reason
        for dependent in [each for each in self.waiting if each.config.initialisation.source == job.id]:
            self.waiting.remove(dependent)
            self.fail(dependent, f"its initial weights come from {job.id}, which failed")


def _train_in_workers(jobs: list[Job], store: Path) -> None:
    at_once, threads = shares()
    context = get_context("spawn")
    events = context.Queue()
    display = Display()  # created here: a thread does not know its notebook cell
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
    """Gives a free worker its next job; a new worker replaces one that died or trained another network."""
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
            queue.fail(job, f"its process was killed twice, most likely because memory ran out: {remedy}")
    except StudyError as error:
        queue.fail(job, str(error))


def shares() -> tuple[int, int]:
    """Returns the number of parallel processes (one on a GPU, otherwise two) and the number of threads of each."""
    processors = torch.get_num_threads()
    at_once = 1 if torch.accelerator.is_available() else min(2, processors)
    return at_once, processors // at_once


def in_own_process(function: Callable, *arguments, backend: str | None = None):
    """Returns the result of `function`, computed in a new process with its own memory; see `own_process`."""
    with own_process(backend) as process:
        return process.submit(function, *arguments).result()


def own_process(backend: str | None = None) -> ProcessPoolExecutor:
    """Returns a new process that executes one call after another and ends with this process.

    `backend` is the Keras backend of the new process; a process cannot change it later.
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
    """Limits the threads of both frameworks in this process. Call it before TensorFlow is imported."""
    torch.set_num_threads(threads)
    set_thread_variables(threads)
