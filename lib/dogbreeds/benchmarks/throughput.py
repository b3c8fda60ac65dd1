"""`dogbreeds bench speed`: training throughput of this library and of reference pipelines.

The pipelines take turns on the same photos. The results are ratios to a compute-only upper bound, because the photos/s
depend on the machine.
"""

import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from importlib import import_module
from itertools import product
from pathlib import Path

import pandas as pd
import torch

from dogbreeds import models
from dogbreeds.benchmarks import pipelines
from dogbreeds.data import pixel_cache
from dogbreeds.data.datasets import Dataset
from dogbreeds.models import complexity
from dogbreeds.processes import spawn
from dogbreeds.study import Study
from dogbreeds.training import backends, runs

# Dense bfloat16 operations per second of the tensor cores, from NVIDIA's data sheets. The first matching name counts.
PEAKS = {"H100 PCIe": 756e12, "H100 NVL": 835e12, "H100": 989e12, "H200": 989e12}
PEAKS |= {"A100": 312e12, "L4": 121e12, "T4": 65e12}
# What the training of this library measures besides its steps: see `pipelines.this_library`.
MEASURED = ["seconds_to_first_step", "photos_per_second_of_run"]
OWN = ("compute_only", "this_library")  # pipelines
COLUMNS = ["network", "framework", "device", "pipeline"]
COLUMNS += ["photos_per_second", "share_of_upper_bound", "seconds_to_read", *MEASURED]


def linked(dataset: Dataset, folder: Path) -> Path:
    """Returns `folder`, filled with one sub-folder per breed of links to the training photos of `dataset`."""
    for path, breed in dataset.photos.iloc[dataset.rows("train")][["path", "breed"]].itertuples(index=False):
        (folder / breed).mkdir(parents=True, exist_ok=True)
        (folder / breed / path.name).symlink_to(path.resolve())
    return folder


def measure(
    study: Study,
    rounds: int,
    workers: int,
    architectures: Sequence[str] = models.ARCHITECTURES,
    frameworks: Sequence[str] = ("pytorch", "keras"),  # first what starts faster
    references: bool = True,
) -> Iterator[pd.DataFrame]:
    """Yields the table of all results so far each time a network has been measured in one framework.

    The table has one row per network, framework and pipeline; without `references`, only those of this library and of
    the upper bound. `rounds` is the number of timed epochs per pipeline after the warm-up epoch, `workers` the number
    of processes that read photos in the reference pipelines.
    """
    rows = []
    pixel_cache.load(study.dataset, study.image_size, study.crop)
    with tempfile.TemporaryDirectory() as folder:
        photos = linked(study.dataset, Path(folder, "photos"))
        for framework, architecture in product(frameworks, architectures):
            config = study.config(architecture, framework, seed=0)
            rows += _measure(config, study.dataset, photos, rounds, workers, references)
            print(f"{models.TITLES[architecture]}, {models.TITLES[framework]}: measured", file=sys.stderr, flush=True)
            yield pd.DataFrame(rows)


def _measure(
    config: runs.RunConfig, dataset: Dataset, folder: Path, rounds: int, workers: int, references: bool = True
) -> list[dict]:
    """Times the pipelines in turn, one epoch each, so that other load on the machine affects all of them.

    Each pipeline has its own process, which waits while the others work: in one process they would slow each other
    down.
    """
    work = pipelines.Work(config, dataset, folder, workers)
    with ExitStack() as stack:
        names = [name for name in _pipelines(config.framework) if references or name in OWN]
        processes = {pipeline: stack.enter_context(spawn(1)) for pipeline in names}

        def in_turn(function) -> dict:
            return {pipeline: process.submit(function).result() for pipeline, process in processes.items()}

        for started in [process.submit(_start, work, pipeline) for pipeline, process in processes.items()]:
            started.result()
        speeds = pd.DataFrame([in_turn(_time_epoch) for _ in range(rounds + 1)]).drop(0)  # without the warm-up
        facts = in_turn(_facts)
    # Each epoch is compared with the upper bound of its own round, because the load changes between rounds.
    shares = speeds.div(speeds["compute_only"], axis=0)
    network = {"network": models.TITLES[config.architecture], "framework": models.TITLES[config.framework]}
    settings = {"photos": len(dataset.rows("train")), "rounds": rounds, "image_size": config.image_size}
    settings |= {"batch_size": config.recipe.batch_size}
    rows = []
    for pipeline in speeds:
        speed, share = speeds[pipeline].median(), shares[pipeline]
        precision = "float32" if pipeline == "tutorial" else config.recipe.precision
        comparable = (config.framework, precision) == ("pytorch", "bfloat16")
        row = network | {"pipeline": pipeline, "photos_per_second": speed, "share_of_upper_bound": share.median()}
        row |= {"lowest_share": share.min(), "highest_share": share.max()} | facts[pipeline]
        row |= {"share_of_peak": _share_of_peak(config, speed) if comparable else None}
        rows.append(row | settings | {"precision": precision})
    return rows


def _pipelines(framework: str) -> dict:
    return import_module(f"dogbreeds.benchmarks.{framework}_pipelines").PIPELINES


_pipeline = None  # in the process of a pipeline: its work, its loader and its iterator over timed epochs


def _start(work: pipelines.Work, pipeline: str) -> None:
    global _pipeline
    # Off for all other pipelines, as in the study: autotuning times all kernels of cuDNN, in each process and shape.
    torch.backends.cudnn.benchmark = pipeline == "this_library_autotuned"
    train, loader = _pipelines(work.config.framework)[pipeline]
    _pipeline = work, loader, train(work)


def _time_epoch() -> float:
    """The photos/s of the next epoch.

    If less than a quarter of the GPU memory is free, PyTorch's cached memory is released for the other processes.
    """
    speed = next(_pipeline[2])
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        if free < total / 4:
            torch.cuda.empty_cache()
    return speed


def _facts() -> dict:
    """The device, threads, peak GPU memory of PyTorch and seconds to read one epoch, in the process of a pipeline.

    Also returns what the pipeline itself measured.
    """
    work, loader, _ = _pipeline
    gpu = torch.cuda.max_memory_allocated() // 10**6 if torch.cuda.is_available() else None
    read = _seconds_to_read(loader(work)) if loader else 0.0
    facts = {"device": _device(work.config.framework), "gpu_memory_mb": gpu, "threads": torch.get_num_threads()}
    return facts | {"seconds_to_read": read} | dict.fromkeys(MEASURED) | work.measured


def _seconds_to_read(loader) -> float:
    """Seconds to read the batches of one epoch without training.

    The second of two passes counts: by then the workers have started and the operating system has cached the files.
    """
    for _ in range(2):
        start = pipelines.synchronised()
        for _ in loader:
            pass
    return pipelines.synchronised() - start


def _device(framework: str) -> str:
    keras_device = "" if framework == "pytorch" else f", {backends.framework_module('keras').device(None)}"
    on_gpu = torch.cuda.is_available() and "cpu" not in keras_device
    return f"{torch.cuda.get_device_name() if on_gpu else 'cpu'}{keras_device}"


def _share_of_peak(config: runs.RunConfig, photos_per_second: float) -> float:
    """The share of the GPU's peak operations per second; NaN if the peak is unknown.

    A multiply-add counts as two operations, and the backward pass as twice the forward pass.
    """
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    peak = next((value for part, value in PEAKS.items() if re.search(rf"\b{part}\b", name)), float("nan"))
    operations = 6 * complexity.multiply_adds(config.architecture, config.image_size, len(config.breeds))
    return operations * photos_per_second / peak
