"""The baseline pipeline trains with the same recipe as this library, and reads the same photos."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dogbreeds import models
from dogbreeds.benchmarks import baseline_accuracy
from dogbreeds.cli import main
from dogbreeds.errors import StudyError
from dogbreeds.study import Study
from dogbreeds.training import parallel, photo_streams, trainer
from dogbreeds.training.recipe import Recipe
from dogbreeds.training.runs import RunConfig


@pytest.fixture
def config(dataset):
    """One batch contains all training photos, so their order does not matter."""
    recipe = Recipe(batch_size=len(dataset.rows("train")), epochs=4, augmentation=False, label_smoothing=0.1)
    return RunConfig("resnet50", "pytorch", dataset.name, dataset.fingerprint, dataset.breeds, 32, recipe)


@pytest.mark.slow
def test_both_pipelines_train_similarly_without_augmentation(config, dataset, tmp_path):
    baseline = baseline_accuracy.train(config, dataset, workers=0)
    this_library = trainer.train(config, dataset, tmp_path, send=lambda event: None).logits()
    other = baseline_accuracy.train(
        replace(config, recipe=replace(config.recipe, label_smoothing=0.0)), dataset, workers=0
    )
    # They are not equal: PyTorch adds Adam's epsilon in another place than this library, which follows Keras.
    assert np.abs(baseline - this_library).max() < np.abs(baseline - other).max() / 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"recipe": {"optimizer": "sgd", "freeze": "layer1"}},
            "does not support optimizer, freeze: use the default",
        ),
        ({"recipe": {"patience": 0}, "crop": "squash"}, "does not support crop: use the default"),
        ({}, "does not support early stopping: set patience to 0"),
    ],
)
def test_unsupported_settings_are_refused(photo_folder, changes, message):
    study = Study("baseline", str(photo_folder), image_size=32, **changes)
    with pytest.raises(StudyError, match=f"the baseline pipeline {message}"):
        next(baseline_accuracy.measure(study, 0))


def test_both_pipelines_read_the_same_photos(config, dataset):
    stream = photo_streams.batches(config, dataset)["validation"]
    photos = baseline_accuracy.Photos(config, dataset, "validation")
    assert len(photos) == len(dataset.rows("validation"))
    for index, (expected, label) in enumerate(zip(*stream[0], strict=True)):
        photo, own_label = photos[index]
        np.testing.assert_allclose(photo.numpy(), expected.numpy(), atol=1e-6)
        assert own_label == label


def test_augmented_photos_are_changed_and_have_no_black_corners(config, dataset):
    config = replace(config, recipe=replace(config.recipe, augmentation=True))
    photos = baseline_accuracy.Photos(config, dataset, "train")
    assert not np.array_equal(photos[0][0], photos[0][0])
    Image.new("RGB", (50, 40), "white").save(photos.photos["path"].iloc[0])
    for _ in range(20):
        photo, _ = photos[0]
        assert photo.shape == (3, 32, 32)
        assert np.ptp(photo.numpy(), axis=(1, 2)).max() < 0.02


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
def test_the_command_compares_both_pipelines(photo_folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(models, "ARCHITECTURES", ("resnet50",))
    # Everything runs in this process, for speed; other tests cover the processes.
    monkeypatch.setattr(parallel, "in_own_process", lambda function, *arguments: function(*arguments))
    monkeypatch.setattr(
        parallel, "train_all", lambda jobs, store: [trainer.train(job.config, job.dataset, store) for job in jobs]
    )
    words = ["bench", "accuracy", "--photos", str(photo_folder), "--size", "32", "--batch-size", "4", "--workers", "0"]
    assert main([*words, "--epochs", "1"]) == 0
    assert "this library in" in capsys.readouterr().out
    tables = tmp_path / "outputs" / "bench" / "tables"
    accuracies, gaps = (pd.read_csv(tables / f"{name}.csv") for name in ("accuracy", "accuracy_difference"))
    assert accuracies.groupby("pipeline")["seed"].agg(list).to_dict() == {
        pipeline: [0, 1, 2] for pipeline in ("this library, bfloat16", "this library, float32", "baseline")
    }
    means = accuracies.groupby("pipeline")["test accuracy"].mean()
    for _, row in gaps.iterrows():
        this_library = means[f"this library, {row['this library in']}"]
        assert row["difference"] == pytest.approx(this_library - means["baseline"])
        assert row["low"] <= row["difference"] <= row["high"]
    assert main([*words, "--epochs", "-1"]) == 2
    assert "recipe field 'epochs' must be greater than 0, not -1" in capsys.readouterr().err
