"""Keras on JAX: what is compiled once, and batches that reach JAX through DLPack. Each training has its own process."""

import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import shallow_networks
from safetensors.torch import load_file

from dogbreeds.training import runs
from dogbreeds.training.recipe import Recipe

TRAIN = """
import json, pickle, sys
from collections import Counter
from dogbreeds.training import keras_trainer, trainer
import jax, shallow_networks
shallow_networks.install("keras")
events, counts, feed = Counter(), [], keras_trainer._feed
jax.monitoring.register_event_listener(lambda name, **more: events.update([name.rpartition("/")[2]]))
for config, dataset, store, dlpack in pickle.load(open(sys.argv[1], "rb")):
    events.clear()
    keras_trainer._feed = keras_trainer._JaxBatches if dlpack else feed
    trainer.train(config, dataset, store, send=lambda event: None)
    counts.append(dict(events))
print(json.dumps(counts))
"""


def train(works, folder):
    """Trains in one new process with the shallow network; returns JAX's counts of compilations for each training."""
    (folder / "works").write_bytes(pickle.dumps(works))
    path = os.pathsep.join([os.path.dirname(shallow_networks.__file__), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": path}
    command = [sys.executable, "-c", TRAIN, folder / "works"]
    output = subprocess.run(command, env=environment, stdout=-1, text=True, check=True).stdout
    return json.loads(output.splitlines()[-1])


def configured(dataset, **recipe):
    settings = "resnet50", "keras", dataset.name, dataset.fingerprint, dataset.breeds, 32
    return runs.RunConfig(*settings, Recipe(**recipe), backend="jax")


@pytest.mark.slow
def test_other_seeds_and_batches_through_dlpack_compile_nothing_and_give_the_same_bits(dataset, tmp_path):
    """A seed in a compiled function would compile it again, and so would arrays that are committed to a device."""
    this = configured(dataset, batch_size=4, epochs=2, patience=0)
    stores = tmp_path / "numpy", tmp_path / "dlpack"
    first, again = train([(this, dataset, stores[0], False), (this, dataset, stores[1], True)], tmp_path)
    assert first["cache_misses"] == first["compile_requests_use_cache"]
    assert not again
    (other,) = train([(replace(this, seed=1), dataset, stores[1], True)], tmp_path)
    assert other["cache_hits"] == other["compile_requests_use_cache"]

    expected, found = (runs.Run(store / this.id) for store in stores)
    times = ["seconds", "photos_per_second"]
    assert found.history.drop(columns=times).equals(expected.history.drop(columns=times))
    np.testing.assert_array_equal(found.logits(), expected.logits())
    weights = load_file(found.weights)
    assert all((weights[name] == value).all() for name, value in load_file(expected.weights).items())


@pytest.mark.slow
def test_bfloat16_losses_are_close_but_not_equal_to_float32_losses_on_jax(dataset, tmp_path):
    """As the test of this name in test_trainer: head warm-up, then all layers."""
    recipe = {"batch_size": 7, "head_epochs": 1, "epochs": 1, "learning_rate": 1e-6}
    configs = [configured(dataset, **recipe, precision=precision) for precision in ("float32", "bfloat16")]
    train([(config, dataset, tmp_path, False) for config in configs], tmp_path)
    exact, rounded = (runs.Run(tmp_path / config.id) for config in configs)
    losses = [run.history["training_loss"].to_numpy() for run in (exact, rounded)]
    assert (losses[1] != losses[0]).all()
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.05)
    assert rounded.logits().dtype == np.float32
