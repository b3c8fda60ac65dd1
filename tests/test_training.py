"""Both frameworks train the smallest runs there are: two breeds, 24 noisy pictures, 32 pixels, two epochs."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from dogbreeds import batches, datasets, models, pool, runs, training
from dogbreeds.errors import StudyError
from dogbreeds.recipe import Recipe

RECIPE = Recipe(batch_size=4, epochs=2)


def config(dataset, framework, architecture="resnet50", **changes):
    return runs.RunConfig(
        architecture, framework, dataset.name, dataset.fingerprint, dataset.breeds, 32, changes.pop("recipe", RECIPE)
    )


@pytest.mark.parametrize("framework", models.FRAMEWORKS)
def test_a_run_is_recorded_reused_and_read_back(dataset, tmp_path, framework, monkeypatch):
    run = training.train(config(dataset, framework), dataset, tmp_path)
    assert run.history["epoch"].tolist() == [1, 2]
    assert run.history.notna().all().all()
    assert run.logits("test").shape == (6, 2)
    assert run.record["test_accuracy"] == run.correct("test").mean()
    assert run.record["fingerprint"] == dataset.fingerprint
    files = ["best.safetensors", "history.csv", "last.safetensors", "predictions.npz", "run.json"]
    assert sorted(path.name for path in run.folder.iterdir()) == files

    streams = training.batches(config(dataset, framework), dataset)
    photos = next(iter(streams["test"].loader()))[0]
    model = training.load(run)
    logits = model(photos).detach().numpy() if framework == "pytorch" else model.predict(photos.numpy(), verbose=0)
    np.testing.assert_allclose(logits, run.logits("test"), atol=1e-4)

    monkeypatch.setattr(training, "framework_module", None)  # would fail if it trained again
    assert training.train(config(dataset, framework), dataset, tmp_path) == run


@pytest.mark.parametrize("framework", models.FRAMEWORKS)
def test_early_stopping_ends_a_training_that_no_longer_gains(dataset, tmp_path, framework):
    recipe = Recipe(batch_size=4, epochs=20, learning_rate=0.01, patience=1)
    run = training.train(config(dataset, framework, recipe=recipe), dataset, tmp_path)
    best = run.history["validation_loss"].idxmin()  # from 0
    assert run.record["epochs"] == len(run.history) == best + 1 + recipe.patience < recipe.epochs


def test_what_broke_off_is_trained_anew(dataset, tmp_path):
    leftover = tmp_path / (config(dataset, "pytorch").id + ".unfinished")
    leftover.mkdir()
    (leftover / "run.json").write_text("{}")
    run = training.train(config(dataset, "pytorch"), dataset, tmp_path)
    assert json.loads((run.folder / "run.json").read_text())["epochs"] == 2
    assert not leftover.exists()
    assert runs.results(tmp_path)["run"].tolist() == [run.id]


def test_all_missing_runs_are_trained_in_processes_of_their_own(dataset, tmp_path):
    wanted = [config(dataset, "pytorch"), config(dataset, "pytorch", "se_resnet50")]
    trained = pool.train_all(wanted, dataset, tmp_path)
    assert [run.id for run in trained] == [each.id for each in wanted]
    again = pool.train_all(wanted[:1], dataset, tmp_path / "elsewhere")[0]
    np.testing.assert_array_equal(again.logits(), trained[0].logits())  # the same bits, alone or in company


def test_a_killed_training_is_told_in_one_line(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "_train", kill_oneself)
    with pytest.raises(StudyError, match="was killed"):
        pool.train_all([config(dataset, "pytorch")], dataset, tmp_path)
    assert not list(tmp_path.glob("*/run.json"))


def kill_oneself(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_pytorch_trains_without_tensorflow_and_notebooks_start_without_it():
    """A GPU image may do without it; and no kernel should wait for its import."""
    command = "import sys, dogbreeds.study, dogbreeds.training_pytorch; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command]).returncode == 0


def test_both_frameworks_are_given_the_same_batches(dataset):
    streams = [training.batches(config(dataset, framework), dataset)["train"] for framework in models.FRAMEWORKS]
    assert [type(stream) for stream in streams] == [batches.Batches] * 2
    keras_photos, pytorch_photos = (stream[0][0].numpy() for stream in streams)
    np.testing.assert_array_equal(keras_photos.transpose(0, 3, 1, 2), pytorch_photos)


def test_photos_left_out_are_on_record(photo_folder, tmp_path):
    (photo_folder / "pug" / "broken.jpg").write_bytes(b"")
    dataset = datasets.load(photo_folder, leave_out_broken=True)
    run = training.train(config(dataset, "pytorch", recipe=Recipe(batch_size=4, epochs=1)), dataset, tmp_path / "runs")
    assert run.record["left_out"] == ["pug/broken.jpg"]
    with np.load(run.folder / "predictions.npz") as arrays:
        predicted = [*arrays["validation_photos"], *arrays["test_photos"]]
    assert len(predicted) == 10
    assert "pug/broken.jpg" not in predicted
