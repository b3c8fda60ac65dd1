"""Starts worker processes that end with this process, and sets their number of threads."""

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import connection, get_context, parent_process


def spawn(count: int, initialise: Callable | None = None, *arguments) -> ProcessPoolExecutor:
    """Returns `count` new processes, each of which first calls `initialise(*arguments)`.

    They end with this process, even if it is killed; Ctrl-C ends them without a traceback.
    """
    return ProcessPoolExecutor(count, get_context("spawn"), _start, (initialise, *arguments))


def _start(initialise: Callable | None, *arguments) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if initialise:
        initialise(*arguments)


def _end_with_parent() -> None:
    connection.wait([parent_process().sentinel])
    os._exit(1)


def set_thread_variables(threads: int) -> None:
    """Sets the number of threads for PyTorch and TensorFlow if they are imported later, here or in child processes."""
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    os.environ |= dict.fromkeys(names, str(threads))
