"""Both frameworks train very small runs: two breeds, 24 noise photos, 32 pixels, two epochs."""

import dataclasses
import os
import pickle
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from dogbreeds import models
from dogbreeds.data import batches, datasets
from dogbreeds.models import freezing
from dogbreeds.study import print_versions
from dogbreeds.training import backends, inference, photo_streams, runs, trainer
from dogbreeds.training.jobs import Job
from dogbreeds.training.recipe import Recipe
from dogbreeds.training.training_state import TrainingState

RECIPE = Recipe(batch_size=4, epochs=2)


def config(dataset, framework, architecture="resnet50", **changes):
    return runs.RunConfig(
        architecture, framework, dataset.name, dataset.fingerprint, dataset.breeds, 32, changes.pop("recipe", RECIPE)
    )


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("framework", models.FRAMEWORKS)
def test_run_is_stored_reused_and_loaded(dataset, tmp_path, framework, monkeypatch):
    run = trainer.train(config(dataset, framework), dataset, tmp_path)
    assert run.history["epoch"].tolist() == [1, 2]
    assert run.history.notna().all().all()
    assert run.logits("test").shape == (6, 2)
    assert run.record["test_accuracy"] == run.correct("test").mean()
    assert run.record["fingerprint"] == dataset.fingerprint
    files = ["history.csv", "predictions.npz", "run.json", "weights.safetensors"]
    assert sorted(path.name for path in run.folder.iterdir()) == files

    streams = photo_streams.batches(config(dataset, framework), dataset)
    photos = next(iter(streams["test"].loader()))[0]
    model = inference.load(run)
    logits = model(photos).detach().numpy() if framework == "pytorch" else model.predict(photos.numpy(), verbose=0)
    np.testing.assert_allclose(logits, run.logits("test"), atol=1e-4)

    monkeypatch.setattr(backends, "framework_module", None)  # fails if it trains again
    assert trainer.train(config(dataset, framework), dataset, tmp_path) == run


def validation_loss(run):
    """Returns the mean loss of the stored logits of the validation photos."""
    logits, labels = torch.from_numpy(run.logits("validation")), torch.from_numpy(run.labels("validation"))
    return torch.nn.functional.cross_entropy(logits, labels).item()


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize(("framework", "restore_best"), [("keras", True), ("pytorch", True), ("pytorch", False)])
def test_early_stopping_ends_the_training_and_restores_the_best_weights(
    dataset, tmp_path, framework, restore_best, monkeypatch
):
    monkeypatch.setattr(
        photo_streams, "EVALUATION_BATCH_SIZE", len(dataset.rows("validation")) - 1
    )  # the last batch is smaller
    recipe = Recipe(batch_size=4, epochs=20, learning_rate=0.01, patience=1, restore_best=restore_best)
    run = trainer.train(config(dataset, framework, recipe=recipe), dataset, tmp_path)
    losses = run.history["validation_loss"]
    assert run.record["best_epoch"] == losses.idxmin() + 1
    assert run.record["epochs"] == len(losses) == losses.idxmin() + 1 + recipe.patience < recipe.epochs
    assert validation_loss(run) == pytest.approx(losses.min() if restore_best else losses.iloc[-1], rel=1e-4)


def changed_stages(run, initial):
    """Returns the stages in which any weight or statistic differs from the initial weights."""
    last = load_file(run.weights)
    assert last.keys() == initial.keys()
    return {freezing.stage_of(key) for key in last if not torch.equal(last[key], initial[key])}


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("framework", models.FRAMEWORKS)
def test_partial_fine_tuning_changes_only_the_unfrozen_stages(dataset, tmp_path, framework):
    recipe = Recipe(batch_size=4, epochs=1, freeze="layer2")
    this = config(dataset, framework, recipe=recipe)
    run = trainer.train(this, dataset, tmp_path)
    assert changed_stages(run, trainer.initial_weights(this, tmp_path)) == {"layer3", "layer4", "fc"}


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("framework", models.FRAMEWORKS)
def test_gradual_unfreezing_trains_the_head_first(dataset, tmp_path, framework, monkeypatch):
    recorded = []
    end_epoch = TrainingState.end_epoch

    def record(training_state, row, state, optimizer):
        recorded.append((row["phase"], {freezing.stage_of(key) for key in state}))
        return end_epoch(training_state, row, state, optimizer)

    monkeypatch.setattr(TrainingState, "end_epoch", record)
    this = config(dataset, framework, recipe=Recipe(batch_size=4, head_epochs=2, epochs=1, restore_best=False))
    run = trainer.train(this, dataset, tmp_path)
    all_stages = {"stem", "layer1", "layer2", "layer3", "layer4", "fc"}
    assert recorded == [("head", {"fc"}), ("head", {"fc"}), ("all", all_stages)]
    assert run.history["phase"].tolist() == ["head", "head", "all"]
    assert changed_stages(run, trainer.initial_weights(this, tmp_path)) == all_stages


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("framework", models.FRAMEWORKS)
def test_a_linear_probe_computes_its_features_once(dataset, tmp_path, framework, monkeypatch):
    module, shapes = backends.framework_module(framework), []
    features = module.features

    def count(*arguments):
        shapes.append((result := features(*arguments)).shape)
        return result

    monkeypatch.setattr(module, "features", count)
    recipe = Recipe(batch_size=4, epochs=5, learning_rate=0.1, freeze="backbone", augmentation=False)
    this = config(dataset, framework, recipe=recipe)
    run = trainer.train(this, dataset, tmp_path)
    assert shapes == [(14, 2048), (4, 2048)]  # training and validation photos, only once in five epochs
    assert changed_stages(run, trainer.initial_weights(this, tmp_path)) == {"fc"}
    assert run.history["training_loss"].iloc[-1] < run.history["training_loss"].iloc[0]
    assert validation_loss(run) == pytest.approx(run.history["validation_loss"].min(), rel=1e-4)


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("framework", models.FRAMEWORKS)
def test_features_are_float32_for_any_precision_of_the_head(dataset, tmp_path, framework, monkeypatch):
    module, computed = backends.framework_module(framework), []
    features = module.features
    monkeypatch.setattr(module, "features", lambda *given: computed.append(features(*given)) or computed[-1])
    for precision in ("float32", "bfloat16"):
        recipe = Recipe(batch_size=4, epochs=1, freeze="backbone", augmentation=False, precision=precision)
        trainer.train(config(dataset, framework, recipe=recipe), dataset, tmp_path)
    for exact, other in zip(computed[:2], computed[2:], strict=True):
        assert other.dtype == np.float32
        np.testing.assert_allclose(other, exact, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("framework", models.FRAMEWORKS)
def test_bfloat16_losses_are_close_but_not_equal_to_float32_losses(dataset, tmp_path, framework):
    losses = []
    for precision in ("float32", "bfloat16"):
        recipe = Recipe(batch_size=7, head_epochs=1, epochs=1, learning_rate=1e-6, precision=precision)
        run = trainer.train(config(dataset, framework, recipe=recipe), dataset, tmp_path)
        losses.append(run.history["training_loss"].to_numpy())
        assert run.logits().dtype == np.float32
    assert (losses[1] != losses[0]).all()
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_other_keras_backends_give_the_losses_of_pytorch(backend, dataset, tmp_path):
    """A linear probe on stored features is not chaotic, so each epoch has the same losses as in PyTorch."""
    recipe = Recipe(batch_size=4, epochs=3, learning_rate=0.05, freeze="backbone", augmentation=False)
    expected = trainer.train(config(dataset, "pytorch", recipe=recipe), dataset, tmp_path)
    this, store = dataclasses.replace(config(dataset, "keras", recipe=recipe), backend=backend), tmp_path / backend
    (tmp_path / "work").write_bytes(pickle.dumps((this, dataset, store)))
    script = "import pickle, sys; from dogbreeds.training import trainer as training\n"
    script += "training.train(*pickle.load(open(sys.argv[1], 'rb'))); sys.exit('tensorflow' in sys.modules)"
    command = [sys.executable, "-c", script, str(tmp_path / "work")]
    subprocess.run(command, env=os.environ | {"KERAS_BACKEND": backend}, check=True)
    history = runs.Run(store / this.id).history
    for name in ("training_loss", "validation_loss"):
        np.testing.assert_allclose(history[name], expected.history[name], rtol=1e-3)


@pytest.mark.usefixtures("shallow")
def test_initial_weights_are_equal_and_other_breeds_get_a_new_head(dataset, tmp_path):
    first, second = (trainer.initial_weights(config(dataset, each), tmp_path) for each in models.FRAMEWORKS)
    assert all(torch.equal(first[key], second[key]) for key in first)
    source = trainer.train(config(dataset, "pytorch", recipe=Recipe(batch_size=4, epochs=1)), dataset, tmp_path)
    learned = load_file(source.weights)
    again = dataclasses.replace(config(dataset, "keras"), initialisation=runs.Initialisation(source=source.id))
    assert all(torch.equal(value, learned[key]) for key, value in trainer.initial_weights(again, tmp_path).items())
    initial = trainer.initial_weights(dataclasses.replace(again, breeds=("beagle", "boxer")), tmp_path)
    assert all(torch.equal(value, (first if key.startswith("fc.") else learned)[key]) for key, value in initial.items())


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
def test_resumed_training_does_not_repeat_finished_epochs(dataset, tmp_path, monkeypatch):
    this = config(dataset, "pytorch")
    uninterrupted = trainer.train(this, dataset, tmp_path / "uninterrupted")
    predict = backends.framework_module("pytorch").predict
    monkeypatch.setattr(backends.framework_module("pytorch"), "predict", None)  # fails after the last epoch
    with pytest.raises(TypeError):
        trainer.train(this, dataset, tmp_path)
    assert len(runs.RunStore(tmp_path).results()) == 0
    monkeypatch.setattr(backends.framework_module("pytorch"), "predict", predict)
    monkeypatch.setattr(backends.framework_module("pytorch"), "fit", None)  # nothing is trained again
    run = trainer.train(this, dataset, tmp_path)
    np.testing.assert_array_equal(run.logits(), uninterrupted.logits())
    table = runs.RunStore(tmp_path).results()
    assert table["run"].tolist() == [run.id]
    assert table[["epochs", "recipe.batch_size", "initialisation.kind"]].values.tolist() == [[2, 4, "scratch"]]


@pytest.mark.slow
def test_study_and_pytorch_trainer_do_not_import_tensorflow():
    """A GPU image may lack TensorFlow, and no notebook kernel should wait for its import."""
    command = "import sys, dogbreeds.study, dogbreeds.training.pytorch_trainer; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command]).returncode == 0


def test_print_versions_names_a_missing_package(capsys):
    print_versions("torch", "no-such-package")
    assert capsys.readouterr().out == f"torch {metadata.version('torch')}, no-such-package is not installed\n"


def test_both_frameworks_are_given_the_same_batches(dataset):
    streams = [photo_streams.batches(config(dataset, framework), dataset)["train"] for framework in models.FRAMEWORKS]
    assert [type(stream) for stream in streams] == [batches.Batches] * 2
    keras_photos, pytorch_photos = (stream[0][0].numpy() for stream in streams)
    np.testing.assert_array_equal(keras_photos.transpose(0, 3, 1, 2), pytorch_photos)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_tensorflow_receives_the_stream_without_autotuning(dataset, split):
    """The autotuning of `tf.data` may delay the first step of an epoch by seconds."""
    stream = photo_streams.batches(config(dataset, "keras"), dataset)[split]
    fed = backends.framework_module("keras")._feed(stream)
    assert len(fed) == len(stream)
    assert fed.options().autotune.enabled is False
    for found, expected in zip(fed.as_numpy_iterator(), stream.loader(), strict=True):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("framework", models.FRAMEWORKS)
def test_batch_norm_momentum_changes_only_the_statistics(dataset, tmp_path, framework):
    recipe = Recipe(batch_size=4, epochs=2, restore_best=False)
    policies = [dataclasses.replace(recipe, batch_norm=policy) for policy in ("momentum_0.1", "momentum_0.01")]
    runs = [trainer.train(config(dataset, framework, recipe=policy), dataset, tmp_path) for policy in policies]
    first, second = (load_file(run.weights) for run in runs)
    assert {key for key in first if not torch.equal(first[key], second[key])} == {
        key for key in first if "running" in key
    }


def test_preprocessing_follows_the_recipe(dataset):
    rescaled = dataclasses.replace(RECIPE, preprocessing="rescaled")
    for architecture in models.ARCHITECTURES:
        expected, plain = (
            photo_streams.batches(config(dataset, "pytorch", architecture, recipe=recipe), dataset)["test"][0][0]
            for recipe in (RECIPE, rescaled)
        )
        assert 0 <= plain.min() < plain.max() <= 1
        mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in models.preprocessing(architecture))
        torch.testing.assert_close(expected, (plain - mean) / deviation)


@pytest.mark.slow
def test_worker_processes_end_with_their_parent(dataset, tmp_path):
    """This also holds if the parent is killed; otherwise an orphaned training would run for hours."""
    script = """if __name__ == "__main__":
        import pickle, sys
        from dogbreeds.training import parallel
        parallel.train_all(*pickle.load(open(sys.argv[1], "rb")))"""
    (tmp_path / "study.py").write_text(script)
    recipe = Recipe(batch_size=4, epochs=10_000, patience=0)
    with (tmp_path / "arguments").open("wb") as file:
        pickle.dump(([Job(config(dataset, "pytorch", recipe=recipe), dataset)], tmp_path / "runs"), file)
    with subprocess.Popen(
        [sys.executable, tmp_path / "study.py", tmp_path / "arguments"], stdout=-1, text=True
    ) as study:
        assert "epoch  1" in study.stdout.readline()
        children = [int(pid) for pid in Path(f"/proc/{study.pid}/task/{study.pid}/children").read_text().split()]
        assert children
        study.kill()
    while any(map(running, children)):
        time.sleep(0.1)


def running(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("framework", models.FRAMEWORKS)
def test_training_resumes_after_repeated_kills(framework):
    """Keras uses its PyTorch backend, which needs no tracing; the script accepts TensorFlow, but JAX cannot fork."""
    command = [sys.executable, Path(__file__).parents[1] / "support" / "kill_and_resume.py", framework, "6"]
    outcome = subprocess.run(command, env=os.environ | {"KERAS_BACKEND": "torch"}, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "killed 6 times; differs in: nothing" in outcome.stdout


@pytest.mark.usefixtures("shallow")
def test_left_out_photos_are_recorded(photo_folder, tmp_path):
    (photo_folder / "pug" / "broken.jpg").write_bytes(b"")
    dataset = datasets.load(photo_folder, leave_out_broken=True)
    run = trainer.train(config(dataset, "pytorch", recipe=Recipe(batch_size=4, epochs=1)), dataset, tmp_path / "runs")
    assert run.record["left_out"] == ["pug/broken.jpg"]
    with np.load(run.folder / "predictions.npz") as arrays:
        predicted = [*arrays["validation_photos"], *arrays["test_photos"]]
    assert len(predicted) == 10
    assert "pug/broken.jpg" not in predicted
