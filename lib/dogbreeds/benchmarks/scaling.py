"""`dogbreeds bench scaling`: how time and memory scale with the numbers of photos and breeds and the batch size.

Measures the first training epoch of ResNet50 in PyTorch, each size in a separate process, and fits power laws.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import linregress, t

from dogbreeds.analysis import reproducibility
from dogbreeds.data import datasets, pixel_cache
from dogbreeds.errors import StudyError
from dogbreeds.figures.benchmarks import MEASURES
from dogbreeds.study import Study
from dogbreeds.training.parallel import in_own_process

AXES = {"photos": (1, 2, 4, 8, 16), "breeds": (5, 10, 20, 40, 80, 120), "batch": (16, 32, 64, 128, 256, 512)}


def sizes(study: Study, most: int) -> Iterator[tuple[str, int, Study]]:
    """Yields the axis, the size and the study of each size to measure.

    On the axis "photos" the size goes from 1/16 of `most` photos to all of them. On "breeds" a constant number of
    photos is divided among more and more breeds. On "batch" the batch size varies, with all photos. Sizes without
    two full training batches, or with too few photos of a breed, are left out.
    """
    counts = datasets.load(study.photos, study.breeds).photos["breed"].value_counts()  # in descending order
    breeds, batch, breed_count = list(counts.index), study.recipe["batch_size"], len(counts)
    most, shared = min(most, breed_count * int(counts.iloc[-1])), min(most, 5 * int(counts.iloc[:5].min()))
    wanted = [("photos", breed_count, most * times // 16 // breed_count, batch) for times in AXES["photos"]]
    wanted += [("breeds", count, shared // count, batch) for count in AXES["breeds"] if count <= breed_count]
    wanted += [("batch", breed_count, most // breed_count, size) for size in AXES["batch"]]
    for axis, count, each, batch in wanted:
        if datasets.FEWEST_PHOTOS <= each <= counts.iloc[count - 1] and 2 * batch <= count * (each // 2):
            size = {"photos": count * each, "breeds": count, "batch": batch}[axis]
            recipe = study.recipe | {"batch_size": batch}
            yield axis, size, replace(study, breeds=breeds[:count], photos_per_breed=each, recipe=recipe)


def _point(study: Study) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as fresh:
        dataset = study.dataset  # dogs are drawn here, before the timing starts
        os.environ["DOGBREEDS_DATA"] = fresh  # an empty pixel cache, for this process only
        start = time.perf_counter()
        pixel_cache.load(dataset, study.image_size, study.crop)
        decoded = time.perf_counter() - start
        epoch = reproducibility.first_epoch(study.config("resnet50", "pytorch", 0), dataset, Path(fresh))
    steps = len(dataset.rows("train")) // study.recipe["batch_size"]
    seconds = {"seconds_to_decode": decoded, "seconds_per_epoch": steps * epoch.seconds_per_step}
    return seconds | {"memory_mb": epoch.memory_mb, "photos": len(dataset.photos), "steps": steps}


def measure(study: Study, most: int) -> Iterator[pd.DataFrame]:
    """Yields the table of all measured sizes after each size; at most `most` photos are used.

    The table has one row per size: axis, size, seconds to decode all photos, seconds per epoch, peak memory in MB,
    photos and steps. The time per epoch is the number of steps times the median time of a step. Raises StudyError if
    no size has two full training batches.
    """
    rows = []
    for axis, size, changed in sizes(study, most):
        rows.append({"axis": axis, "size": size} | in_own_process(_point, changed))
        yield pd.DataFrame(rows)
    if not rows:
        batch = study.recipe["batch_size"]
        raise StudyError(f"--up-to {most}: too few for two training batches of {batch}: use more photos")


def fitted(table: pd.DataFrame) -> pd.DataFrame:
    """One row per axis and measure: the exponent of a power law of the size (1: proportional), with its 95 % interval.

    The exponent ("power") is the slope of a linear regression of the logarithms. Fewer than three sizes give no row.
    """
    rows, costs = [], table.melt(["axis", "size"], list(MEASURES), var_name="measure", value_name="cost")
    for (axis, measure), points in costs.groupby(["axis", "measure"], sort=False):
        if len(points) < 3:
            continue
        line = linregress(np.log(points["size"]), np.log(points["cost"]))
        half = line.stderr * t.ppf(0.975, len(points) - 2)
        power = {"power": line.slope, "low": line.slope - half, "high": line.slope + half}
        rows.append({"axis": axis, "measure": measure} | power)
    return pd.DataFrame(rows)
