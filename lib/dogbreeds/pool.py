"""`train_all(configs, dataset, store)`: several trainings, each in a process of its own."""

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import repeat
from multiprocessing import active_children, connection, get_context, parent_process
from pathlib import Path

import torch

from dogbreeds import pixels, training
from dogbreeds.datasets import Dataset
from dogbreeds.errors import StudyError
from dogbreeds.progress import Display
from dogbreeds.runs import Run, RunConfig

_events = None  # in a process that trains: the queue to the one that has the screen


def train_all(configs: list[RunConfig], dataset: Dataset, store: Path) -> list[Run]:
    """The runs of `configs` in their order; each that is not finished is trained in a process of its own.

    In one process the threads of one framework halve the speed of the other's, and memory stays taken. Without a
    GPU two trainings share the processors, half each, always, so that the number of threads, and with it the last
    bits of a result, does not depend on what else there is to train. The processes end with this one.
    Raises StudyError when a process is killed; the other trainings under way are finished and kept.
    """
    missing = [config for config in configs if not (Path(store) / config.id / "run.json").exists()]
    if missing:
        for size, crop in {(config.image_size, config.crop) for config in missing}:
            pixels.load(dataset, size, crop)  # decoded here, once, before the processes read it
        _train_in_processes(missing, dataset, store)
    return [Run(Path(store) / config.id) for config in configs]


def _train_in_processes(configs: list[RunConfig], dataset: Dataset, store: Path) -> None:
    processors = torch.get_num_threads()
    at_once = 1 if torch.accelerator.is_available() else min(2, processors)
    context = get_context("spawn")
    events = context.Queue()
    display = Display()  # here, for a thread cannot tell which cell of a notebook it belongs to
    screen = threading.Thread(target=_show, args=(events, display), daemon=True)
    screen.start()
    arguments = (at_once, context, _start_process, (processors // at_once, events))
    try:
        with ProcessPoolExecutor(*arguments, max_tasks_per_child=1) as pool:
            try:
                list(pool.map(_train, configs, repeat(dataset), repeat(store)))
            except KeyboardInterrupt:
                for process in active_children():
                    process.terminate()
                raise
    except BrokenProcessPool as error:
        remedy = "free some memory or lower batch_size, then start again: finished epochs are kept"
        raise StudyError(f"a training process was killed, most likely for want of memory: {remedy}") from error
    finally:
        events.put(None)
        screen.join()


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
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if backend:
        os.environ["KERAS_BACKEND"] = backend


def _show(events, display: Display) -> None:
    for event in iter(events.get, None):
        display(event)


def _train(config: RunConfig, dataset: Dataset, store: Path) -> None:
    training.train(config, dataset, store, _events.put)


def _start_process(threads: int, events) -> None:
    global _events
    _events = events
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    threading.Thread(target=_end_with_parent, daemon=True).start()
    limit_threads(threads)


def limit_threads(threads: int) -> None:
    """Of both frameworks in this process; TensorFlow is not to be imported yet."""
    torch.set_num_threads(threads)
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)


def _end_with_parent() -> None:
    """However the parent ends, killed or not: no training goes on that nobody waits for."""
    connection.wait([parent_process().sentinel])
    os._exit(1)
