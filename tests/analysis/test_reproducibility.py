"""Losses of Keras and PyTorch in the first steps, and the effect of last-bit perturbations."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from dogbreeds.analysis import reproducibility
from dogbreeds.study import Study
from dogbreeds.training import photo_streams, trainer
from dogbreeds.training.devices import peak_memory
from dogbreeds.training.recipe import Recipe
from dogbreeds.training.runs import Initialisation

FRAMEWORKS = ("pytorch", "keras")


@pytest.fixture
def study(tmp_path, shallow):
    """A study whose networks have one block per stage."""
    recipe = {
        "batch_size": 10,
        "learning_rate": 0.0015,
        "epochs": 2,
        "augmentation": True,
        "batch_norm": "momentum_0.1",
    }
    return Study("noise", photos_per_breed=70, image_size=32, recipe=recipe, out=tmp_path)


@pytest.mark.slow
def test_last_bit_perturbations_change_losses_and_frameworks_agree(study):
    """Agreement from random initial weights is asserted on a whole study, in notebooks/test_study.py."""
    pytorch, in_keras = (study.config("resnet50", framework, seed=0) for framework in FRAMEWORKS)
    band = np.stack([
        reproducibility.first_epoch(pytorch, study.dataset, study.store, perturbation, reproducibility.STEPS).losses
        for perturbation in (None, 0)
    ])  # fmt: skip
    assert band.shape == (2, 20)
    assert np.all(np.ptp(band, axis=0)[5:] > 0)
    assert np.ptp(band[0]) > 0.5  # losses of single steps, not running means

    run = trainer.train(pytorch, study.dataset, study.store)
    learned = Initialisation(source=run.id)
    small = Recipe(batch_size=10, optimizer="sgd", learning_rate=1e-4, warm_up=0.0)
    configs = [dataclasses.replace(config, recipe=small, initialisation=learned) for config in (pytorch, in_keras)]
    first, second = (reproducibility.first_epoch(config, study.dataset, study.store).losses for config in configs)
    np.testing.assert_allclose(first[:5], second[:5], atol=1e-4)


def test_table_gives_the_distance_in_widths_of_the_noise_band():
    losses, seconds = np.linspace(2, 1, 10), np.array([0.5] * 8 + [9.0])
    backends = {"PyTorch": reproducibility.FirstEpoch(losses, seconds, 400)}
    backends["Keras on TensorFlow"] = reproducibility.FirstEpoch(losses + 0.25, seconds, 500)
    table = reproducibility.table(backends, np.stack([losses, losses + 0.5]))
    assert table["distance"].to_list() == pytest.approx([0, 0.25])
    assert table["in widths of the noise band"].to_list() == pytest.approx([0, 0.5])
    assert table["seconds per step"].to_list() == [0.5, 0.5]
    assert table["memory MB"].to_list() == [400, 500]


def test_perturbation_changes_every_value_by_its_last_bit(study):
    config = study.config("resnet50", "pytorch", seed=0)
    stream = photo_streams.batches(config, study.dataset)["train"]
    plain, labels = stream[0]
    (one, same), (other, _) = reproducibility.perturbed(stream, 0)[0], reproducibility.perturbed(stream, 1)[0]
    assert (same == labels).all()
    assert ((one != plain) & (other != plain)).all()
    assert (one.sign() * one > plain.sign() * plain).float().mean() == pytest.approx(0.5, abs=0.02)
    np.testing.assert_array_equal((one + other).numpy() / 2, plain.numpy())  # the opposite perturbation
    keras_stream = photo_streams.batches(dataclasses.replace(config, framework="keras"), study.dataset)["train"]
    np.testing.assert_array_equal(
        reproducibility.perturbed(keras_stream, 0)[0][0].numpy().transpose(0, 3, 1, 2), one.numpy()
    )


@pytest.mark.slow
def test_peak_memory_excludes_the_parent_process():
    """It is not that of the parent process, which getrusage reports if it is larger."""
    allocated = np.ones(250_000_000)  # 2 GB
    script = "from dogbreeds.training.devices import peak_memory; print(peak_memory())"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert 50e6 < int(output) < allocated.nbytes < peak_memory()
