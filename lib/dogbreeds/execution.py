"""Executes notebooks with papermill, several at a time.

Every process that executes a notebook imports this module, so it imports neither PyTorch nor the rest of the library.
"""

import time
from collections.abc import Iterator
from concurrent.futures import as_completed
from multiprocessing import active_children
from pathlib import Path
from tempfile import TemporaryDirectory

import papermill
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from dogbreeds import paths
from dogbreeds.errors import StudyError
from dogbreeds.processes import set_thread_variables, spawn

LONGEST_FIRST = ("04", "06")  # first, so that two processes finish at about the same time


def execute(notebook: Path, output: Path, parameters: dict) -> Path:
    """Executes `notebook` with `parameters` and returns `output`, which appears after the last cell has run.

    Raises StudyError with the cell and its error if a cell fails; that notebook stays as `<name>.failed.ipynb`.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished = output.with_suffix(".failed.ipynb")
    options = {"kernel_name": "python3", "cwd": str(paths.NOTEBOOKS), "progress_bar": False}
    with TemporaryDirectory() as folder:
        # Each kernel gets its own sockets: kernels that start at the same time can choose the same network port.
        sockets = Config(ConnectionFileMixin={"transport": "ipc", "connection_file": f"{folder}/kernel.json"})
        try:
            papermill.execute_notebook(notebook, unfinished, parameters, config=sockets, **options)
        except PapermillExecutionError as error:
            what = f"{error.ename}: {str(error.evalue).splitlines()[0] if error.evalue else ''}"
            message = f"{notebook.name} failed in cell {error.exec_count} ({what}); see {unfinished}"
            raise StudyError(message) from error
    return unfinished.replace(output)


def execute_all(
    notebooks: list[Path], folder: Path, parameters: dict, at_once: int, threads: int
) -> Iterator[tuple[Path, float]]:
    """Executes the notebooks into `folder`, `at_once` at a time; yields each output and its duration in seconds.

    Each kernel uses `threads` threads. If a notebook fails, no further notebook starts; the first StudyError is raised
    after the running notebooks have ended.
    """
    ordered = sorted(notebooks, key=lambda notebook: (not notebook.stem.startswith(LONGEST_FIRST), notebook.stem))
    with spawn(at_once, set_thread_variables, threads) as processes:  # their kernels end with them
        started = [processes.submit(_time, notebook, folder / notebook.name, parameters) for notebook in ordered]
        try:
            for finished in as_completed(started):
                yield finished.result()
        except KeyboardInterrupt:
            for process in active_children():
                process.terminate()
            raise
        except StudyError:
            processes.shutdown(cancel_futures=True)
            raise


def _time(notebook: Path, output: Path, parameters: dict) -> tuple[Path, float]:
    start = time.perf_counter()
    return execute(notebook, output, parameters), time.perf_counter() - start
