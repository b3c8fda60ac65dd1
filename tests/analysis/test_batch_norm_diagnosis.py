"""The weights do not depend on the momentum of the running statistics; accuracy in inference mode does."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from dogbreeds import models
from dogbreeds.analysis import batch_norm_diagnosis
from dogbreeds.training import backends, inference, photo_streams, trainer
from dogbreeds.training.recipe import Recipe
from dogbreeds.training.runs import RunConfig


def train(dataset, store, framework, batch_norm):
    recipe = Recipe(batch_size=4, epochs=2, batch_norm=batch_norm, preprocessing="rescaled", restore_best=False)
    settings = ("resnet50", framework, dataset.name, dataset.fingerprint, dataset.breeds, 32, recipe)
    return trainer.train(RunConfig(*settings), dataset, store)


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("framework", models.FRAMEWORKS)
def test_batch_norm_momentum_does_not_change_weights(dataset, tmp_path, framework):
    runs = [train(dataset, tmp_path, framework, policy) for policy in ("momentum_0.1", "momentum_0.01")]
    first, second = (load_file(run.weights) for run in runs)
    differing = {key for key in first if not torch.equal(first[key], second[key])}
    assert differing == {key for key in first if "running" in key}

    # Accuracy on the training photos uses the last weights and no augmentation, as a prediction by the framework does.
    stream = photo_streams.batches(runs[0].config, dataset)["train"].in_order(64)
    logits = backends.framework_module(framework).predict(inference.load(runs[0]), stream)
    accuracy = np.mean(logits.argmax(axis=1) == stream.labels[stream.rows])
    table = batch_norm_diagnosis.two_by_two(
        {"momentum_0.01": runs[0]}, batch_norm_diagnosis.logits({"momentum_0.01": runs[0]}, dataset)
    )
    assert table.loc[("momentum_0.01", batch_norm_diagnosis.RUNNING), "training"] == accuracy


@pytest.mark.usefixtures("shallow")
def test_reestimated_statistics_restore_accuracy(dataset, tmp_path):
    run = train(dataset, tmp_path, "pytorch", "momentum_0.1")
    selected = {"rescaled": run}
    expected = batch_norm_diagnosis.two_by_two(selected, batch_norm_diagnosis.logits(selected, dataset)).loc[
        ("rescaled", batch_norm_diagnosis.REESTIMATED)
    ]
    state = load_file(run.weights)
    state["layer4.0.bn3.running_mean"] += 1e6  # all photos now give the same logits, and half of them are of each breed
    save_file(state, run.weights)
    table = batch_norm_diagnosis.two_by_two(selected, batch_norm_diagnosis.logits(selected, dataset))
    running, reestimated = (
        table.loc[("rescaled", batch_norm_diagnosis.RUNNING)],
        table.loc[("rescaled", batch_norm_diagnosis.REESTIMATED)],
    )
    assert running["training"] == running["validation"] == 0.5
    assert reestimated.equals(expected)
    assert reestimated["while training"] == run.history["training_accuracy"].iloc[-1]


def test_renewed_share_of_running_statistics_matches_known_values():
    assert batch_norm_diagnosis.renewed(0.99, 69) == pytest.approx(0.5, abs=0.001)
    assert batch_norm_diagnosis.renewed(0.9, 44) > 0.99
