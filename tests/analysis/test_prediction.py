"""Predictions for photo files agree with those of the run, and invalid files give one line of error message."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from png import huge_png
from runs_with_weights import write_run_with_weights

from dogbreeds.analysis import prediction
from dogbreeds.analysis.classifier import evidence
from dogbreeds.cli import main
from dogbreeds.data import pixel_cache
from dogbreeds.errors import StudyError
from dogbreeds.training import inference, trainer
from dogbreeds.training.recipe import Recipe
from dogbreeds.training.runs import RunConfig


@pytest.fixture(params=["pytorch", "keras"])
def run(request, dataset, tmp_path, shallow):
    recipe = Recipe(batch_size=4, epochs=1, augmentation=False, preprocessing="rescaled")
    settings = ("resnet50", request.param, dataset.name, dataset.fingerprint, dataset.breeds)
    return trainer.train(RunConfig(*settings, 32, recipe), dataset, tmp_path / "outputs" / "toy" / "runs")


@pytest.mark.slow
def test_predictions_match_the_stored_logits(run, dataset, capsys, tmp_path):
    photos = list(dataset.photos.iloc[dataset.rows("test")]["path"])
    found = prediction.predict(prediction.find_run(run.id), photos)
    np.testing.assert_allclose([each.logits for each in found], run.logits(), atol=1e-4)
    best = found[0].best(2)
    assert list(best.values()) == sorted(best.values(), reverse=True)
    assert sum(best.values()) == pytest.approx(1)
    first, probability = next(iter(best.items()))
    assert first == dataset.breeds[run.logits()[0].argmax()]
    assert found[0].activation.shape == (1, 1)

    assert main(["predict", str(photos[0]), "--run", str(run.folder), "--top", "1", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)[0]
    assert row["breeds"] == {first: pytest.approx(probability)}
    with Image.open(row["map"]) as drawn:
        assert drawn.width > 500


@pytest.mark.slow
def test_photos_with_low_evidence_are_flagged_as_out_of_distribution(run, dataset, monkeypatch):
    photos = list(dataset.photos.iloc[dataset.rows("validation")]["path"])
    flagged = [each.out_of_distribution for each in prediction.predict(run, photos)]
    assert sum(flagged) <= 1  # the threshold flags one in twenty validation photos
    low = run.logits("validation")[:1] - 5
    monkeypatch.setattr(prediction.TrainedNetwork, "logits", lambda network, images: low)
    assert prediction.predict(run, photos[:1])[0].out_of_distribution


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
def test_photos_without_box_are_compared_with_whole_validation_photos(dataset, tmp_path, monkeypatch, capsys):
    """Photos cropped to a box show more evidence than whole photos, so the reference is whole validation photos."""
    whole = dataset.photos.assign(left=5, top=5, right=25, bottom=25)
    whole = whole.assign(frame_width=whole["width"], frame_height=whole["height"])
    boxed = replace(dataset, photos=whole)
    settings = ("resnet50", "pytorch", boxed.name, boxed.fingerprint, boxed.breeds)
    config = RunConfig(*settings, 32, Recipe(batch_size=4, epochs=1, augmentation=False), crop="box")
    run = trainer.train(config, boxed, tmp_path / "outputs" / "toy" / "runs")
    stored = run.logits("validation_whole")
    frames = pixel_cache.load(boxed, 32, "centre")[boxed.rows("validation")]
    np.testing.assert_allclose(stored, inference.logits(run, frames), atol=1e-5)
    assert abs(stored - run.logits("validation")).max() > 1e-3

    photos = [boxed.photos["path"].iloc[0]]
    for shift, expected in ((0.1, False), (-0.1, True)):
        threshold = np.quantile(evidence(stored), prediction.OUT_OF_DISTRIBUTION) + shift
        answer = np.array([[threshold, -100.0]])
        monkeypatch.setattr(prediction.TrainedNetwork, "logits", lambda network, images, answer=answer: answer)
        assert prediction.predict(run, photos)[0].out_of_distribution == expected
    assert "was trained on photos cropped to the dog's box and is less accurate" in capsys.readouterr().err

    with np.load(run.folder / "predictions.npz") as arrays:
        before = {name: value for name, value in arrays.items() if "whole" not in name}
    np.savez(run.folder / "predictions.npz", **before)
    with pytest.raises(StudyError, match="is an older run without logits of whole photos: train it again"):
        prediction.predict(run, photos)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no image", "is not a readable image"),
        (huge_png(60_000), "cannot be decoded"),
        (None, "cannot be decoded"),
    ],
    ids=["text", "huge", "truncated"],
)
@pytest.mark.usefixtures("shallow")
def test_unreadable_upload_gives_a_one_line_error(content, message, tmp_path, capsys):
    if content is None:
        whole = io.BytesIO()
        Image.effect_noise((300, 300), 50).save(whole, "JPEG")
        content = whole.getvalue()[: len(whole.getvalue()) // 2]
    photo = tmp_path / "upload.jpg"
    photo.write_bytes(content)
    run = write_run_with_weights(tmp_path / "run", "pytorch", ("akita", "beagle"))
    assert main(["predict", str(photo), "--run", str(run.folder)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"dogbreeds: {photo} {message}")


def test_missing_run_is_named_in_the_error(tmp_path):
    with pytest.raises(StudyError, match="no finished run 'nobody': give its folder, or an id from"):
        prediction.find_run("nobody")
