"""What every process that works for another needs: to end when that one does."""

import os
import signal
import threading
from multiprocessing import connection, parent_process


def end_with_parent() -> None:
    """Makes this process end when the one that started it does, killed or not: nothing goes on that nobody waits for.

    And quietly when Ctrl-C reaches both.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    connection.wait([parent_process().sentinel])
    os._exit(1)
