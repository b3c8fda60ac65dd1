"""`dogbreeds bench --growth`: what more photos, more breeds and larger batches cost, measured and fitted.

ResNet50 in PyTorch, the first epoch of a training, each size in a process of its own.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from scipy.stats import linregress, t

from dogbreeds.analysis import reproducibility
from dogbreeds.data import datasets, pixel_cache
from dogbreeds.errors import StudyError
from dogbreeds.figures.style import make_figure
from dogbreeds.study import Study
from dogbreeds.training.parallel import in_own_process

AXES = {"photos": (1, 2, 4, 8, 16), "breeds": (5, 10, 20, 40, 80, 120), "batch": (16, 32, 64, 128, 256, 512)}
MEASURES = {"seconds_to_decode": "s to decode", "seconds_an_epoch": "s an epoch", "memory_mb": "MB at most"}


def sizes(study: Study, most: int) -> list[tuple[str, int, Study]]:
    """The axis, the size and the study of it: 1/16 to all of `most` photos; breeds that share as many; batches.

    Sizes that the photos do not allow are left out: two whole batches are the least.
    """
    counts = datasets.load(study.photos, study.breeds).photos["breed"].value_counts()  # most photos first
    breeds, batch, kinds = list(counts.index), study.recipe["batch_size"], len(counts)
    most, shared = min(most, kinds * int(counts.iloc[-1])), min(most, 5 * int(counts.iloc[:5].min()))
    wanted = [("photos", kinds, most * times // 16 // kinds, batch) for times in AXES["photos"]]
    wanted += [("breeds", count, shared // count, batch) for count in AXES["breeds"] if count <= kinds]
    wanted += [("batch", kinds, most // kinds, size) for size in AXES["batch"]]
    found = []
    for axis, count, each, batch in wanted:
        if datasets.FEWEST_PHOTOS <= each <= counts.iloc[count - 1] and 2 * batch <= count * (each // 2):
            size = {"photos": count * each, "breeds": count, "batch": batch}[axis]
            recipe = study.recipe | {"batch_size": batch}
            changed = replace(study, breeds=breeds[:count], photos_per_breed=each, recipe=recipe)
            found.append((axis, size, changed))
    return found


def _point(study: Study) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as fresh:
        dataset = study.dataset  # drawn, where it is, before the clock runs
        os.environ["DOGBREEDS_DATA"] = fresh  # of this process alone
        start = time.perf_counter()
        pixel_cache.load(dataset, study.image_size, study.crop)
        decoded = time.perf_counter() - start
        epoch = reproducibility.first_epoch(study.config("resnet50", "pytorch", 0), dataset, Path(fresh))
    steps = len(dataset.rows("train")) // study.recipe["batch_size"]
    seconds = {"seconds_to_decode": decoded, "seconds_an_epoch": steps * epoch.seconds_a_step}
    return seconds | {"memory_mb": epoch.memory_mb, "photos": len(dataset.photos), "steps": steps}


def measure(study: Study, most: int) -> Iterator[pd.DataFrame]:
    """A row a size: axis, size, seconds to decode all photos, seconds an epoch, MB at most, photos and steps.

    An epoch is its number of steps times the median one. The table so far, after each size.
    """
    rows, wanted = [], sizes(study, most)
    if not wanted:
        raise StudyError(f"--growth {most}: two batches of {study.recipe['batch_size']} take more photos")
    for axis, size, changed in wanted:
        rows.append({"axis": axis, "size": size} | in_own_process(_point, changed))
        yield pd.DataFrame(rows)


def fitted(table: pd.DataFrame) -> pd.DataFrame:
    """A row an axis and measure: the power of the size it grows by (1: in proportion), and its 95 % interval."""
    rows = []
    for (axis, measure), points in table.melt(["axis", "size"], list(MEASURES)).groupby(
        ["axis", "variable"], sort=False
    ):
        if len(points) < 3:
            continue
        line = linregress(np.log(points["size"]), np.log(points["value"]))
        half = line.stderr * t.ppf(0.975, len(points) - 2)
        rows.append({"axis": axis, "measure": measure, "power": line.slope, "low": line.slope - half})
        rows[-1] |= {"high": line.slope + half}
    return pd.DataFrame(rows)


def chart(table: pd.DataFrame) -> Figure:
    """Each measure against the size, a row a measure and a panel an axis, both scales logarithmic."""
    axes_names = list(table["axis"].unique())
    # One scale a row: what a cost does not grow with looks flat.
    panels = {"nrows": 3, "ncols": len(axes_names), "sharex": "col", "sharey": "row", "squeeze": False}
    figure, axes = make_figure(3.6 * len(axes_names), 7.5, **panels)
    for column, name in enumerate(axes_names):
        points = table[table["axis"] == name]
        for axis, (measure, label) in zip(axes[:, column], MEASURES.items(), strict=True):
            axis.loglog(points["size"], points[measure], "o-")
            axis.set(ylabel=label if column == 0 else "")
            axis.xaxis.set_minor_locator(NullLocator())
            axis.set_xticks(points["size"], points["size"])
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.yaxis.set_minor_locator(NullLocator())
            axis.yaxis.set_major_formatter("{x:g}")
        axes[-1, column].set_xlabel("photos a batch" if name == "batch" else name)
    return figure
