"""`dogbreeds bench`: how fast each network trains here, ours and as others do it, beside what the device could do.

On the same photos, in one run, in turns: the ratios are the result, for the speed itself belongs to the machine.
"""

import re
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import import_module
from itertools import product
from pathlib import Path

import pandas as pd
import seaborn as sns
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dogbreeds import models
from dogbreeds.benchmarks import pipelines
from dogbreeds.data import pixel_cache
from dogbreeds.data.datasets import Dataset
from dogbreeds.figures.style import make_figure
from dogbreeds.models import complexity
from dogbreeds.study import Study
from dogbreeds.training import backends, runs
from dogbreeds.training.parallel import own_process

# Dense bfloat16 operations a second of the tensor cores, from NVIDIA's data sheets; the first name that fits counts.
PEAKS = {"H100 PCIe": 756e12, "H100 NVL": 835e12, "H100": 989e12, "H200": 989e12}
PEAKS |= {"A100": 312e12, "L4": 121e12, "T4": 65e12}
COLUMNS = ["network", "framework", "device", "pipeline", "photos_per_second", "share_of_limit", "seconds_to_read"]


def linked(dataset: Dataset, folder: Path) -> Path:
    """`folder` with a sub-folder a breed that holds links to the training photos of `dataset`."""
    for path, breed in dataset.photos.iloc[dataset.rows("train")][["path", "breed"]].itertuples(index=False):
        (folder / breed).mkdir(parents=True, exist_ok=True)
        (folder / breed / path.name).symlink_to(path.resolve())
    return folder


def measure(study: Study, rounds: int, workers: int) -> Iterator[pd.DataFrame]:
    """A row a network, framework and pipeline; the table so far, each time one of the networks is measured."""
    rows = []
    pixel_cache.load(study.dataset, study.image_size, study.crop)
    with tempfile.TemporaryDirectory() as folder:
        photos = linked(study.dataset, Path(folder, "photos"))
        for architecture, framework in product(models.ARCHITECTURES, models.FRAMEWORKS):
            config = study.config(architecture, framework, seed=0)
            rows += _measure(config, study.dataset, photos, rounds, workers)
            print(f"{models.TITLES[architecture]}, {models.TITLES[framework]}: measured", file=sys.stderr, flush=True)
            yield pd.DataFrame(rows)


def _measure(config: runs.RunConfig, dataset: Dataset, folder: Path, rounds: int, workers: int) -> list[dict]:
    """Each pipeline in turn, so that what else the machine does falls on all alike; the first turn warms up.

    Each has a process of its own that waits while the others work: in one process they slow each other down.
    """
    ways, work = _pipelines(config.framework), pipelines.Work(config, dataset, folder, workers)
    speeds = {pipeline: [] for pipeline in ways}
    with ExitStack() as stack:
        processes = {pipeline: stack.enter_context(own_process()) for pipeline in ways}
        for begun in [process.submit(_begin, work, pipeline) for pipeline, process in processes.items()]:
            begun.result()
        for _ in range(rounds + 1):
            for pipeline, process in processes.items():
                speeds[pipeline].append(process.submit(_turn).result())
        facts = {pipeline: process.submit(_facts).result() for pipeline, process in processes.items()}
    limits, rows = speeds["compute_only"][1:], []
    for pipeline in ways:
        counted = speeds[pipeline][1:]
        reached = statistics.median(counted)
        # Turn by turn, for what else the machine does changes from turn to turn.
        shares = [speed / limit for speed, limit in zip(counted, limits, strict=True)]
        precision = "float32" if pipeline == "tutorial" else config.recipe.precision
        comparable = (config.framework, precision) == ("pytorch", "bfloat16")
        rows.append(
            {
                "network": models.TITLES[config.architecture],
                "framework": models.TITLES[config.framework],
                "pipeline": pipeline,
                "photos_per_second": reached,
                "share_of_limit": statistics.median(shares),
                "lowest_share": min(shares),
                "highest_share": max(shares),
                **facts[pipeline],
                "share_of_peak": _share_of_peak(config, reached) if comparable else None,
                "photos": len(dataset.rows("train")),
                "rounds": rounds,
                "image_size": config.image_size,
                "batch_size": config.recipe.batch_size,
                "precision": precision,
            }
        )
    return rows


def _pipelines(framework: str) -> dict:
    return import_module(f"dogbreeds.benchmarks.{framework}_pipelines").PIPELINES


_begun = None  # in the process of a pipeline: its work, its loader and its turns


def _begin(work: pipelines.Work, pipeline: str) -> None:
    global _begun
    torch.backends.cudnn.benchmark = True  # for all alike
    train, loader = _pipelines(work.config.framework)[pipeline]
    _begun = work, loader, train(work)


def _turn() -> float:
    """Photos a second; where a GPU's memory runs short, what PyTorch keeps for its next step is left to the others."""
    speed = next(_begun[2])
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        if free < total / 4:
            torch.cuda.empty_cache()
    return speed


def _facts() -> dict:
    """Of the process of a pipeline, after its turns: its device, threads, seconds to read, and PyTorch's GPU memory."""
    work, loader, _ = _begun
    gpu = torch.cuda.max_memory_allocated() // 10**6 if torch.cuda.is_available() else None
    return {
        "device": _device(work.config.framework),
        "gpu_memory_mb": gpu,
        "threads": torch.get_num_threads(),
        "seconds_to_read": _seconds_to_read(loader(work)) if loader else 0.0,
    }


def _seconds_to_read(loader) -> float:
    """One epoch of batches without training, the second time: workers have started and files are in the cache."""
    for _ in range(2):
        start = pipelines.synchronised()
        for _ in loader:
            pass
    return pipelines.synchronised() - start


def _device(framework: str) -> str:
    told = "" if framework == "pytorch" else f", {backends.framework_module('keras').device(None)}"
    return f"{torch.cuda.get_device_name() if torch.cuda.is_available() and 'cpu' not in told else 'cpu'}{told}"


def _share_of_peak(config: runs.RunConfig, photos_per_second: float) -> float | None:
    """Of the GPU's arithmetic: forward, and twice as much backward, two operations a multiply-add."""
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    peak = next((value for part, value in PEAKS.items() if re.search(rf"\b{part}\b", name)), None)
    if peak is None:
        return None
    return (
        6
        * complexity.multiply_adds(config.architecture, config.image_size, len(config.breeds))
        * photos_per_second
        / peak
    )


def chart(table: pd.DataFrame) -> Figure:
    """Photos a second as a share of what the device can train, a panel a framework, a bar a pipeline and network."""
    frameworks, names = table["framework"].unique(), table["pipeline"].unique()
    colours = dict(zip(names, sns.color_palette(n_colors=len(names)), strict=True))
    hatches = dict(zip(names, ("", "//", "..", "\\\\", "xx", "--"), strict=False))
    figure, axes = make_figure(5.5 * len(frameworks), 4.0, ncols=len(frameworks), sharey=True, squeeze=False)
    for axis, framework in zip(axes[0], frameworks, strict=True):
        mine = table[table["framework"] == framework]
        sns.barplot(
            mine,
            x="network",
            y="share_of_limit",
            hue="pipeline",
            palette=colours,
            saturation=1,
            edgecolor="black",
            legend=False,
            ax=axis,
        )
        for bars, name in zip(axis.containers, mine["pipeline"].unique(), strict=True):
            for bar in bars:
                bar.set_hatch(hatches[name])
        axis.axhline(1, color="grey", linestyle=":")
        axis.set(title=framework, xlabel="", ylabel="share of the limit, compute only")
    handles = [
        Patch(facecolor=colours[name], hatch=hatches[name], edgecolor="black", label=name.replace("_", " "))
        for name in names
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(names), frameon=False)
    return figure
