from dataclasses import asdict

import numpy as np
import pytest
import torch
from finished_runs import finished_run

from dogbreeds import models
from dogbreeds.analysis import activation_maps, error_analysis, se_gates
from dogbreeds.data import pixel_cache
from dogbreeds.training import inference, trainer
from dogbreeds.training.recipe import Recipe
from dogbreeds.training.runs import Run, RunConfig


@pytest.mark.slow
@pytest.mark.parametrize("framework", models.FRAMEWORKS)
@pytest.mark.parametrize("architecture", ["xception", "se_resnet50"])
def test_class_activation_map_averages_to_the_logit_without_bias(
    dataset, tmp_path, architecture, framework, monkeypatch
):
    """The mean of a map over all positions is the logit minus the bias (initially zero in Keras and in Xception)."""
    model = models.build(architecture, framework, 2)
    monkeypatch.setattr(activation_maps, "load", lambda run: model if framework == "keras" else model.eval())
    config = RunConfig(architecture, framework, "noise", "0", ("pug", "poodle"), 48, Recipe())
    run = Run(tmp_path)
    run.__dict__["record"] = asdict(config)
    photos, breeds = np.random.default_rng(0).random((3, 48, 48, 3)), np.array([0, 1, 1])
    maps = activation_maps.class_activation_maps(run, photos, breeds)
    mean, deviation = models.preprocessing(architecture)
    prepared = ((photos - mean) / np.array(deviation)).astype(np.float32)
    if framework == "keras":
        logits, bias = model.predict(prepared, verbose=0), model.layers[-1].bias.numpy()
    else:
        logits = model(torch.from_numpy(prepared.transpose(0, 3, 1, 2))).detach().numpy()
        bias = model.fc.bias.detach().numpy()
    scores = (logits - bias)[range(3), breeds]
    np.testing.assert_allclose(maps.mean(axis=(1, 2)), scores, rtol=1e-3, atol=1e-4)


def test_confused_pairs_are_sorted_by_count(tmp_path):
    labels = np.array([0, 0, 0, 1, 1, 2])
    logits = np.eye(3)[[1, 1, 0, 1, 2, 2]]
    np.savez(tmp_path / "predictions.npz", test_labels=labels, test_logits=logits)
    run = Run(tmp_path)
    run.__dict__["record"] = {"breeds": ["pug", "poodle", "corgi"]}
    pairs = error_analysis.confused_pairs(run)
    assert pairs.to_numpy().tolist() == [["pug", "poodle", 2], ["poodle", "corgi", 1]]


def test_gates_equal_the_channel_scales_of_each_se_module():
    network = models.build("se_resnet50", "pytorch", 2).eval()
    photos = torch.randn(3, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    gates = se_gates.gates(network, photos)
    assert len(gates) == 16
    assert gates["layer4.2"].shape == (3, 2048)
    seen = activation_maps.activations(network, photos, ["layer2.1.bn3", "layer2.1.se"])
    torch.testing.assert_close(seen["layer2.1.bn3"] * gates["layer2.1"][:, :, None, None], seen["layer2.1.se"])
    assert not network.layer2[1].se.fc._forward_hooks


def test_gates_are_averaged_by_breed_and_their_spread_is_computed():
    gates = {"layer1.0": torch.tensor([[0.2, 0.5], [0.4, 0.5], [0.9, 0.5]]), "layer1.1": torch.full((3, 3), 0.5)}
    means = se_gates.gates_by_breed(gates, ["pug", "pug", "corgi"])
    np.testing.assert_allclose(means.loc["pug", "layer1.0"], [0.3, 0.5])
    spread = se_gates.spread_between_breeds(means)
    assert spread["layer1.0"] == pytest.approx(np.std([0.3, 0.9], ddof=1) / 2)
    assert spread["layer1.1"] == 0


def test_most_confident_errors_are_listed_first(tmp_path):
    logits = np.log([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7]])
    run = finished_run(tmp_path / "run", logits, [0, 0, 0, 1], breeds=["pug", "poodle"])
    row = error_analysis.most_confident_errors(run, 1).loc[0]
    assert row[["place", "true", "predicted"]].tolist() == [1, "pug", "poodle"]
    assert row["probability"] == pytest.approx(0.8)
    assert error_analysis.most_confident_errors(run)["place"].tolist() == [1, 2]


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("framework", models.FRAMEWORKS)
def test_inference_reproduces_the_stored_logits(dataset, tmp_path, framework):
    recipe = Recipe(batch_size=4, epochs=1, preprocessing="rescaled")
    settings = ("resnet50", framework, dataset.name, dataset.fingerprint, dataset.breeds, 32, recipe)
    run = trainer.train(RunConfig(*settings), dataset, tmp_path)
    own = pixel_cache.load(dataset, 32)[dataset.rows("test")]
    np.testing.assert_allclose(inference.logits(run, own), run.logits(), rtol=1e-4, atol=1e-4)
