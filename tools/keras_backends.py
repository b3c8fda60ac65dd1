"""Times the training steps of ResNet50 in PyTorch and in Keras on TensorFlow, PyTorch and JAX.

`python tools/keras_backends.py` writes outputs/bench/tables/backends.csv, with 2 threads and batches of 16 drawn dogs.
Every measurement is a new process. The first process of a pair compiles, where the backend does; the second one is
timed too, with what the first one kept on disk (only JAX keeps anything). The time to the first step begins after the
imports. `make reference PROFILE=bench` then copies the table to outputs/reference.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from reference import machine

from dogbreeds import paths
from dogbreeds.processes import set_thread_variables
from dogbreeds.study import Study
from dogbreeds.training import backends, photo_streams, trainer
from dogbreeds.training.training_state import TrainingState

SIZES, BATCH_SIZE, THREADS, STEPS = (32, 64, 96), 16, 2, 8
BACKENDS = {"PyTorch": "", "Keras on TensorFlow": "tensorflow", "Keras on PyTorch": "torch", "Keras on JAX": "jax"}


class Done(Exception):
    """Ends a training after its last timed step."""


class Clock:
    """Observes a training and keeps the time at the end of each of its first `steps` steps."""

    def __init__(self, steps: int):
        self.steps, self.ends = steps, [time.perf_counter()]

    def step(self, epoch, photos, measures):
        measures()  # waits for the step
        self.ends.append(time.perf_counter())
        if len(self.ends) > self.steps:
            raise Done

    def epoch(self, row):
        pass


def time_steps(framework: str, size: int, steps: int) -> list[float]:
    """Returns the seconds of the first `steps` steps of a training in this process."""
    recipe = {"batch_size": BATCH_SIZE, "epochs": 1, "patience": 0}
    study = Study.from_profile("sample", image_size=size, recipe=recipe, test_drawings_per_breed=10)
    config = study.config("resnet50", framework, seed=0)
    streams = photo_streams.batches(config, study.dataset)
    backends.framework_module(framework)  # imports are not timed
    with tempfile.TemporaryDirectory() as folder:
        initial = trainer.initial_weights(config, Path(folder))
        state = TrainingState(config.recipe, Path(folder), initial, writes=False)
        clock = Clock(steps)
        try:
            trainer.run_phase(state.next_phase(), config, streams, state, clock)
        except Done:
            return np.diff(clock.ends).tolist()


def in_a_process(backend: str, size: int, steps: int, data: Path) -> list[float]:
    """Returns `time_steps` of a new process whose data are in the folder `data`."""
    environment = os.environ | {"DOGBREEDS_DATA": str(data)} | ({"KERAS_BACKEND": backend} if backend else {})
    framework = "keras" if backend else "pytorch"
    command = [sys.executable, __file__, framework, str(size), str(steps)]
    output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(output.splitlines()[-1])


def measure(sizes: tuple[int, ...] = SIZES, names: tuple[str, ...] = tuple(BACKENDS), steps: int = STEPS):
    """Yields the row of each size and backend: the median time of the steps after the first two, and of first steps."""
    with tempfile.TemporaryDirectory() as data:
        for size in sizes:
            for name in names:
                first, seconds = (in_a_process(BACKENDS[name], size, count, Path(data)) for count in (1, steps))
                row = {"backend": name, "image_size": size, "batch_size": BATCH_SIZE, "threads": THREADS}
                row |= {"steps": steps - 2, "seconds_per_step": round(float(np.median(seconds[2:])), 4)}
                yield row | {"first_step": round(first[0], 2), "first_step_again": round(seconds[0], 2)}


def main() -> None:
    set_thread_variables(THREADS)
    file = paths.outputs() / "bench" / "tables" / "backends.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    rows, origin = [], {"machine": machine(THREADS), "date": datetime.now(UTC).date().isoformat()}
    for row in measure():
        rows.append(row | origin)
        pd.DataFrame(rows).to_csv(file, index=False)  # what is measured stays when a later backend fails
        print(row, file=sys.stderr, flush=True)
    print(file)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(time_steps(sys.argv[1], *map(int, sys.argv[2:]))))
    else:
        main()
