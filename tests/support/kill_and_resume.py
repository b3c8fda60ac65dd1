"""Trains the same run twice, once without and once with kills at random times: `kill_and_resume.py framework kills`.

Prints the number of kills, and exits with 1 if the two runs differ in any bit. Each training is a fork of this process,
which has done the slow imports but computed nothing. The network is that of `shallow_networks`.
"""

import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import shallow_networks
from PIL import Image

from dogbreeds.data import datasets
from dogbreeds.training import backends, runs, trainer
from dogbreeds.training.recipe import Recipe

TIMES = ["seconds", "photos_per_second"]


def photos(folder):
    generator = np.random.default_rng(0)
    for breed, level in (("beagle", 60), ("pug", 180)):
        (folder / breed).mkdir(parents=True)
        for number in range(8):
            noise = generator.normal(level, 20, (40, 50, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(noise).save(folder / breed / f"{number}.jpg")
    return datasets.load(folder)


def fork(config, dataset, store):
    child = os.fork()
    if child == 0:
        try:
            trainer.train(config, dataset, store, send=lambda event: None)
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
    return child


def wait(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_until_done(config, dataset, store, kills, span):
    """Kills a training up to `kills` times and then lets it finish; returns the number of kills.

    Each kill comes within `span` seconds. The span grows after a kill without a new epoch and shrinks after any other
    kill, so that kills hit the start, the epochs and the writing of checkpoints.
    """
    generator, killed, reached = random.Random(0), 0, ""
    while True:
        child = fork(config, dataset, store)
        if killed < kills:
            time.sleep(span * generator.uniform(0.2, 1))
            os.kill(child, signal.SIGKILL)
        code = wait(child)
        if code == 0:
            return killed
        if code != -signal.SIGKILL:
            sys.exit(f"a resumed training failed with exit status {code}")
        killed += 1
        before, reached = reached, max((path.name for path in store.glob("*/checkpoint-*.safetensors")), default="")
        span *= 1.2 if reached == before else 0.6


def differences(first, second):
    """Returns the names of what differs between two finished runs, except times."""
    found = [] if first.history.drop(columns=TIMES).equals(second.history.drop(columns=TIMES)) else ["history"]
    with np.load(first.folder / "predictions.npz") as one, np.load(second.folder / "predictions.npz") as other:
        found += [name for name in one.files if not np.array_equal(one[name], other[name])]
    found += ["weights"] * (first.weights.read_bytes() != second.weights.read_bytes())
    left = {path.name for path in second.folder.iterdir()} ^ {path.name for path in first.folder.iterdir()}
    return [*found, *sorted(left)]


def main(framework, kills):
    backends.framework_module(framework)  # imported only once, before the forks
    shallow_networks.install(framework)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DOGBREEDS_DATA"] = os.environ["DOGBREEDS_OUTPUTS"] = folder
        dataset = photos(Path(folder) / "photos")
        recipe = Recipe(batch_size=4, epochs=2 + kills * 2 // 3, head_epochs=2, patience=0)
        config = runs.RunConfig(
            "resnet50", framework, dataset.name, dataset.fingerprint, dataset.breeds, 32, recipe, seed=3
        )
        stores = Path(folder) / "uninterrupted", Path(folder) / "killed"
        start = time.monotonic()
        if wait(fork(config, dataset, stores[0])):
            sys.exit("the uninterrupted training failed")
        total = time.monotonic() - start
        uninterrupted = runs.Run(stores[0] / config.id)
        killed = kill_until_done(config, dataset, stores[1], kills, total / 4)
        found = differences(uninterrupted, runs.Run(stores[1] / config.id))
    names = ", ".join(found) or "nothing"
    print(f"{framework}: {total:.1f} s uninterrupted, killed {killed} times; differs in: {names}")
    sys.exit(bool(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
