"""Jobs spread by Ray over a cluster or over this machine, as `dogbreeds sweep` does.

The run store and the data lie on a file system that all machines share.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

os.environ.setdefault("RAY_DEDUP_LOGS", "0")  # which Ray reads when it is imported: every epoch has its line
import ray
from ray.exceptions import RayError, RayTaskError

from dogbreeds import paths
from dogbreeds.data.datasets import Dataset
from dogbreeds.errors import StudyError
from dogbreeds.models import keras_backend
from dogbreeds.training import trainer
from dogbreeds.training.jobs import Job, report_failures, unfinished
from dogbreeds.training.parallel import limit_threads
from dogbreeds.training.runs import Run, RunConfig

RETRIES = 5  # of a training whose machine or process died; one that fails by itself is not tried again


def train_all(jobs: list[Job], store: Path, address: str | None = None) -> list[Run]:
    """The runs of `jobs`, in their order; what is missing is trained, each in a process of its own.

    `address` is a Ray cluster's; without it this machine is all there is. A training whose machine died goes on
    elsewhere, after its last whole epoch. The trainings that others start from come first. Raises StudyError for a
    cluster that does not answer, and, when all others are finished, for trainings that failed.
    """
    missing = unfinished(jobs, store)
    if missing:
        with _cluster(address):
            _train_all(missing, Path(store).resolve())
    return [Run(Path(store) / job.id) for job in jobs]


@contextmanager
def _cluster(address: str | None) -> Iterator[None]:
    folders = {"DOGBREEDS_DATA": paths.data(), "DOGBREEDS_OUTPUTS": paths.outputs()}
    environment = {name: str(folder.resolve()) for name, folder in folders.items()}
    environment["KERAS_BACKEND"] = keras_backend.chosen()  # on all machines, whatever each would choose
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    processors = max(torch.get_num_threads() // 2 * 2, 1)
    here = {"num_cpus": processors, "include_dashboard": False, "object_store_memory": 100 * 2**20}
    options = {"runtime_env": {"env_vars": environment}, "logging_level": "ERROR"}
    try:
        if address and address != "auto":
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=10).close()  # Ray would try for minutes
        ray.init(address or "local", **options, **({} if address else here))
    except (OSError, RayError, RuntimeError, ValueError) as error:
        what = f"no Ray cluster answers at {address}" if address else "Ray does not start here"
        raise StudyError(f"{what} ({_first_line(error)}): see the README on `ray start`") from error
    try:
        yield
    finally:
        ray.shutdown()


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _share() -> dict[str, int]:
    """What a training claims: a GPU and its part of the processors where the cluster has any, else half of a machine's.

    Of the smallest machine, so that the number of threads is the same on all.
    """
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    with_gpu = [machine for machine in machines if machine.get("GPU")]
    cpus = min(int(machine["CPU"] // machine.get("GPU", 2)) for machine in with_gpu or machines if machine.get("CPU"))
    return {"num_cpus": max(cpus, 1), "num_gpus": int(bool(with_gpu))}


def _train_all(jobs: list[Job], store: Path) -> None:
    share, placed, started = _share(), {}, {}
    train = ray.remote(max_calls=1, max_retries=RETRIES, **share)(_train)
    for job in jobs:  # Ray starts a training when the one that its initial weights come from has ended
        if job.dataset.fingerprint not in placed:
            placed[job.dataset.fingerprint] = ray.put(job.dataset)
        arguments = (job.config, placed[job.dataset.fingerprint], store, Path.cwd(), share["num_cpus"])
        started[job.id] = train.remote(*arguments, started.get(job.config.start))
    waiting, failed = {training: name for name, training in started.items()}, {}
    while waiting:
        (ended,), _ = ray.wait(list(waiting))
        name = waiting.pop(ended)
        try:
            ray.get(ended)
            print(f"{name}: finished, {len(waiting)} to go", flush=True)
        except RayError as error:
            failed[name] = _first_line(error.cause if isinstance(error, RayTaskError) else error)
    report_failures(failed, len(jobs))


def _train(config: RunConfig, dataset: Dataset, store: Path, folder: Path, threads: int, source: str | None) -> str:
    if folder.is_dir():
        os.chdir(folder)  # a file of weights may be named from there
    limit_threads(threads)
    return trainer.train(config, dataset, store).id
