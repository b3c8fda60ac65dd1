"""Executes notebooks with papermill, several at a time.

Every process that executes one imports this module, so it imports neither PyTorch nor the rest of the library.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import active_children, get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import papermill
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from dogbreeds import paths
from dogbreeds.errors import StudyError
from dogbreeds.processes import end_with_parent, set_thread_variables

LONGEST_FIRST = ("04", "06")  # so that two at a time end together


def execute(notebook: Path, output: Path, parameters: dict) -> Path:
    """`notebook` executed with `parameters`, as `output`, which appears when the last cell has run.

    Raises StudyError that names the cell and the error; the notebook that broke off stays as `<name>.failed.ipynb`.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished = output.with_suffix(".failed.ipynb")
    arguments = {"kernel_name": "python3", "cwd": str(paths.NOTEBOOKS), "progress_bar": False}
    with TemporaryDirectory() as folder:
        # Each kernel gets sockets of its own: kernels that start at the same time can choose the same network port.
        connection = {"transport": "ipc", "connection_file": f"{folder}/kernel.json"}
        arguments["config"] = Config({"ConnectionFileMixin": connection})
        try:
            papermill.execute_notebook(notebook, unfinished, parameters, **arguments)
        except PapermillExecutionError as error:
            what = f"{error.ename}: {str(error.evalue).splitlines()[0] if error.evalue else ''}"
            message = f"{notebook.name} broke off in cell {error.exec_count} ({what}); see {unfinished}"
            raise StudyError(message) from error
    return unfinished.replace(output)


def execute_all(
    notebooks: list[Path], folder: Path, parameters: dict, at_once: int, threads: int
) -> Iterator[tuple[Path, float]]:
    """Executes the notebooks into `folder`, `at_once` at a time; yields each output and its seconds as it ends.

    Each kernel computes with so many `threads`. Raises the StudyError of the first notebook that fails, once those
    that had started have ended; the others are not started.
    """
    ordered = sorted(notebooks, key=lambda notebook: (not notebook.stem.startswith(LONGEST_FIRST), notebook.stem))
    with ProcessPoolExecutor(at_once, get_context("spawn"), _start, (threads,)) as processes:
        started = [processes.submit(_timed, notebook, folder / notebook.name, parameters) for notebook in ordered]
        try:
            for ended in as_completed(started):
                yield ended.result()
        except KeyboardInterrupt:
            for process in active_children():
                process.terminate()
            raise
        except StudyError:
            processes.shutdown(cancel_futures=True)
            raise


def _start(threads: int) -> None:
    end_with_parent()  # and so does the kernel of the notebook
    set_thread_variables(threads)


def _timed(notebook: Path, output: Path, parameters: dict) -> tuple[Path, float]:
    start = time.perf_counter()
    return execute(notebook, output, parameters), time.perf_counter() - start
