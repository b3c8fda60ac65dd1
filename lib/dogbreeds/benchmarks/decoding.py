"""`dogbreeds bench decoding`: photos decoded per second by 1, 2, 4, ... processes, up to one per core."""

import tempfile
import time
from pathlib import Path

import joblib
import pandas as pd

from dogbreeds.data import pixel_cache
from dogbreeds.study import Study

ROUNDS = 3
TO_START = 8  # photos per process that are decoded before the timing, so that the processes have started


def counts(cores: int) -> list[int]:
    """Returns the numbers of processes to measure: the powers of two up to `cores`, and `cores`."""
    return sorted({2**power for power in range(cores.bit_length())} | {cores})


def measure(study: Study) -> pd.DataFrame:
    """Returns one row per number of processes: the photos/s, and the ratio to one process, median, lowest and highest.

    Each process count decodes all photos of the study once per round. The counts take turns, so that other load on the
    machine affects all of them, and a ratio compares two turns of one round. One process is the one that measures.
    """
    photos, cores = list(study.dataset.photos["path"]), joblib.cpu_count()
    with tempfile.TemporaryDirectory() as folder:

        def speed(photos: list[Path], processes: int) -> float:
            start = time.perf_counter()
            file, boxes = Path(folder, "pixels.npy"), [None] * len(photos)
            pixel_cache.decode_all(photos, study.image_size, "centre", boxes, file, processes)
            return len(photos) / (time.perf_counter() - start)

        speed(photos, cores)  # from now on the operating system has cached the files
        rounds = []
        for _ in range(ROUNDS):
            turns = {}
            for processes in counts(cores):
                speed(photos[: TO_START * processes], processes)
                turns[processes] = speed(photos, processes)
            rounds.append(turns)
    speeds = pd.DataFrame(rounds)
    ratios = speeds.div(speeds[1], axis=0)
    columns = {"photos_per_second": speeds.median(), "ratio_to_one": ratios.median()}
    columns |= {"lowest_ratio": ratios.min(), "highest_ratio": ratios.max()}
    table = pd.DataFrame(columns).rename_axis("processes").reset_index()
    return table.assign(photos=len(photos), image_size=study.image_size, rounds=ROUNDS)
