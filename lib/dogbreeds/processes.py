"""What a process that works for another does first: it takes its share of the threads, and ends with its parent."""

import os
import signal
import threading
from multiprocessing import connection, parent_process


def end_with_parent() -> None:
    """Makes this process end when its parent does, even when the parent is killed; on Ctrl-C without a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    connection.wait([parent_process().sentinel])
    os._exit(1)


def set_thread_variables(threads: int) -> None:
    """Sets how many threads PyTorch and TensorFlow take where they are imported later: here and in child processes."""
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    os.environ |= dict.fromkeys(names, str(threads))
