"""Trains jobs with Ray, on a cluster or on this machine, for `dogbreeds sweep`.

The run store and the data must be on a file system that all machines share.
"""

import os
import socket
from pathlib import Path

import torch

os.environ.setdefault("RAY_DEDUP_LOGS", "0")  # read when Ray is imported: prints the line of every epoch
import ray
from ray.exceptions import RayError, RayTaskError

from dogbreeds import paths
from dogbreeds.data.datasets import Dataset
from dogbreeds.errors import StudyError
from dogbreeds.models import keras_runtime
from dogbreeds.training import trainer
from dogbreeds.training.jobs import Job, train_missing
from dogbreeds.training.parallel import limit_threads
from dogbreeds.training.runs import Run, RunConfig

RETRIES = 5  # per training, if its machine or process dies; a training that raises an error is not retried


def train_all(jobs: list[Job], store: Path, address: str | None = None) -> list[Run]:
    """Returns the runs of `jobs`, in their order, and trains the missing ones, each in its own process.

    `address` is the address of a Ray cluster; without it, only this machine is used. A training whose machine dies
    resumes on another one after its last complete epoch. Raises StudyError if the cluster does not answer, and
    TrainingsFailed for failed trainings after all others have finished.
    """

    def train(missing: list[Job], store: Path) -> dict[str, str]:
        with _connect(address):
            return _train_on_cluster(missing, store.resolve())

    return train_missing(jobs, store, train)


def _connect(address: str | None):
    """Connects this process to the cluster, or starts Ray on this machine; the returned context ends it."""
    folders = {"DOGBREEDS_DATA": paths.data(), "DOGBREEDS_OUTPUTS": paths.outputs()}
    environment = {name: str(folder.resolve()) for name, folder in folders.items()}
    environment["KERAS_BACKEND"] = keras_runtime.backend()  # the same on all machines
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options = {"runtime_env": {"env_vars": environment}, "logging_level": "ERROR"}
    if not address:
        processors = max(torch.get_num_threads() // 2 * 2, 1)
        options |= {"num_cpus": processors, "include_dashboard": False, "object_store_memory": 100 * 2**20}
    try:
        if address and address != "auto":
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=10).close()  # Ray itself would wait for minutes
        return ray.init(address or "local", **options)
    except (OSError, RayError, RuntimeError, ValueError) as error:
        what = f"no Ray cluster answers at {address}" if address else "Ray does not start on this machine"
        raise StudyError(f"{what} ({_first_line(error)}): see the README on `ray start`") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _share() -> dict[str, int]:
    """The resources per training: a GPU and its part of the CPUs if the cluster has GPUs, else half the CPUs.

    The smallest machine decides, so that the number of threads is the same on all machines.
    """
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    with_gpu = [machine for machine in machines if machine.get("GPU")]
    cpus = min(int(machine["CPU"] // machine.get("GPU", 2)) for machine in with_gpu or machines if machine.get("CPU"))
    return {"num_cpus": max(cpus, 1), "num_gpus": int(bool(with_gpu))}


def _train_on_cluster(jobs: list[Job], store: Path) -> dict[str, str]:
    share, placed, started = _share(), {}, {}
    train = ray.remote(max_calls=1, max_retries=RETRIES, **share)(_train)
    for job in jobs:  # Ray starts a training after the one that provides its initial weights
        if job.dataset.fingerprint not in placed:
            placed[job.dataset.fingerprint] = ray.put(job.dataset)
        arguments = (job.config, placed[job.dataset.fingerprint], store, Path.cwd(), share["num_cpus"])
        started[job.id] = train.remote(*arguments, started.get(job.config.initialisation.source))
    waiting, failed = {training: name for name, training in started.items()}, {}
    while waiting:
        (ended,), _ = ray.wait(list(waiting))
        name = waiting.pop(ended)
        try:
            ray.get(ended)
            print(f"{name}: finished, {len(waiting)} to go", flush=True)
        except RayError as error:
            failed[name] = _first_line(error.cause if isinstance(error, RayTaskError) else error)
    return failed


def _train(config: RunConfig, dataset: Dataset, store: Path, folder: Path, threads: int, source: str | None) -> str:
    if folder.is_dir():
        os.chdir(folder)  # the path of a weights file may be relative to it
    limit_threads(threads)
    return trainer.train(config, dataset, store).id
