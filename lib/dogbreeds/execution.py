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

AT_ONCE = 2
ALONE = "04_keras_vs_pytorch"  # it times steps


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


def execute_all(notebooks: list[Path], folder: Path, parameters: dict) -> Iterator[tuple[Path, float]]:
    """Each as `execute` leaves it in `folder`, with the seconds it took, as they end: two at once, with half of the
    processors each, then the one that must be alone.

    Raises StudyError of the first that broke off, when those that had started have ended.
    """
    together = [notebook for notebook in notebooks if notebook.stem != ALONE]
    threads = max(1, (os.cpu_count() or 1) // AT_ONCE)
    with ProcessPoolExecutor(AT_ONCE, get_context("spawn"), _start, (threads,)) as processes:
        started = [processes.submit(_timed, notebook, folder / notebook.name, parameters) for notebook in together]
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
    for notebook in notebooks:
        if notebook.stem == ALONE:
            yield _timed(notebook, folder / notebook.name, parameters)


def _start(threads: int) -> None:
    end_with_parent()  # and so does the kernel of the notebook
    os.environ |= {"OMP_NUM_THREADS": str(threads), "TF_NUM_INTRAOP_THREADS": str(threads)}


def _timed(notebook: Path, output: Path, parameters: dict) -> tuple[Path, float]:
    start = time.perf_counter()
    return execute(notebook, output, parameters), time.perf_counter() - start
