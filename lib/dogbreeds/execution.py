"""Executes notebooks with papermill. Little is imported here, for each of the processes that do it starts from here."""

import os
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
from dogbreeds.processes import end_with_parent

LONGEST_FIRST = ("04", "06")  # so that two at a time end together


def execute(notebook: Path, output: Path, parameters: dict) -> Path:
    """`notebook` executed with `parameters`, as `output`, which appears when the last cell has run.

    Raises StudyError that names the cell and the error; the notebook that broke off stays as `<name>.failed.ipynb`.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished = output.with_suffix(".failed.ipynb")
    arguments = {"kernel_name": "python3", "cwd": str(paths.NOTEBOOKS), "progress_bar": False}
    with TemporaryDirectory() as folder:
        # Through files of its own, not through network ports, a kernel is spoken to: two at once would share a port.
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
    """Each as `execute` leaves it in `folder`, with its seconds, as they end: `at_once`, of so many threads each.

    Raises StudyError of the first that broke off, when those that had started have ended.
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
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    os.environ |= dict.fromkeys(names, str(threads))


def _timed(notebook: Path, output: Path, parameters: dict) -> tuple[Path, float]:
    start = time.perf_counter()
    return execute(notebook, output, parameters), time.perf_counter() - start
