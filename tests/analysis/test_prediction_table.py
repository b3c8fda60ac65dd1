"""A table has one row per photo, equal to the prediction for that photo, in constant memory; broken photos are rows."""

import csv
import weakref
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from runs_with_weights import write_run_with_weights

from dogbreeds.analysis import prediction, prediction_table
from dogbreeds.analysis.prediction import TrainedNetwork
from dogbreeds.data import photo_files
from dogbreeds.errors import Interrupted, StudyError
from dogbreeds.training import inference

BREEDS = ("akita", "beagle", "corgi", "dingo")


@pytest.fixture
def run(tmp_path, shallow):
    return write_run_with_weights(tmp_path / "run", "pytorch", BREEDS)


@pytest.fixture
def photos(tmp_path):
    """Seven photos of different brightness; the third is truncated."""
    generator, paths = np.random.default_rng(0), []
    for number in range(7):
        paths.append(tmp_path / f"{number}.jpg")
        noise = generator.normal(30 * number, 20, (40, 50, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noise).save(paths[-1])
    paths[2].write_bytes(paths[2].read_bytes()[:-300])
    return paths


def rows_of(file):
    with file.open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))


@pytest.mark.parametrize(
    ("framework", "crop", "received", "known"),
    [("pytorch", "box", "centre", "validation_whole"), ("keras", "squash", "squash", "validation")],
)
@pytest.mark.usefixtures("shallow")
def test_rows_equal_the_predictions_for_the_same_photos(framework, crop, received, known, photos, tmp_path, capsys):
    run = write_run_with_weights(tmp_path / framework, framework, BREEDS, crop)
    good = [photo for photo in photos if photo != photos[2]]
    images = np.stack([photo_files.decode(photo, 32, received) for photo in good])
    # With these photos as validation photos, the one with the least evidence is out of distribution.
    np.savez(run.folder / "predictions.npz", **{f"{known}_logits": inference.logits(run, images)})

    file = tmp_path / "new" / "table.csv"
    assert prediction_table.write(TrainedNetwork(run), photos, file) == (1, 1)
    assert capsys.readouterr().err.count("is less accurate on whole photos") == (crop == "box")
    rows = rows_of(file)
    assert [row["photo"] for row in rows] == [str(photo) for photo in photos]
    ranked = ["breed_1", "probability_1", "breed_2", "probability_2", "breed_3", "probability_3"]
    assert list(rows[0]) == ["photo", *ranked, "out_of_distribution", "error"]
    broken = rows.pop(2)
    assert broken.pop("photo") == str(photos[2])
    assert broken.pop("error") == f"{photos[2]} cannot be decoded (OSError): choose another"
    assert set(broken.values()) == {""}
    for row, found in zip(rows, prediction.predict(run, good), strict=True):
        best = found.best(3)
        assert [row[f"breed_{rank}"] for rank in (1, 2, 3)] == list(best)
        probabilities = [row[f"probability_{rank}"] for rank in (1, 2, 3)]
        assert [float(each) for each in probabilities] == pytest.approx(list(best.values()), abs=2e-6)
        assert {len(each) for each in probabilities} == {len("0.123456")}
        assert row["out_of_distribution"] == str(found.out_of_distribution)
        assert row["error"] == ""


def test_only_one_chunk_of_images_is_in_memory(run, photos, tmp_path, monkeypatch):
    prediction_table.write(TrainedNetwork(run), photos, tmp_path / "whole.csv")
    images, alive, loaded, sizes = [], [], [], []
    decode, load, predict = prediction_table.decode, inference.load, inference.predict

    def watched_decode(*arguments):
        image = decode(*arguments)
        images.append(weakref.ref(image))
        alive.append(sum(each() is not None for each in list(images)))
        return image

    def watched_predict(network, pixels, *arguments):
        sizes.append(len(pixels))
        return predict(network, pixels, *arguments)

    monkeypatch.setattr(prediction_table, "AT_ONCE", 3)
    monkeypatch.setattr(prediction_table, "decode", watched_decode)
    monkeypatch.setattr(inference, "load", lambda run: loaded.append(run) or load(run))
    monkeypatch.setattr(inference, "predict", watched_predict)
    assert prediction_table.write(TrainedNetwork(run), photos, tmp_path / "chunks.csv") == (1, 0)
    assert loaded == [run]
    assert sizes == [2, 3, 1]  # the third photo is truncated
    assert max(alive) == 3
    for row, whole in zip(rows_of(tmp_path / "chunks.csv"), rows_of(tmp_path / "whole.csv"), strict=True):
        for name, value in row.items():
            number = name.startswith("probability") and value
            assert float(value) == pytest.approx(float(whole[name]), abs=2e-6) if number else value == whole[name]


def test_interrupted_table_is_absent_and_an_earlier_one_stays(run, photos, tmp_path, monkeypatch):
    calls, rows = [], prediction_table._rows

    def interrupted_rows(*arguments):
        calls.append(arguments)
        if len(calls) % 2 == 0:
            raise KeyboardInterrupt
        return rows(*arguments)

    monkeypatch.setattr(prediction_table, "AT_ONCE", 4)
    monkeypatch.setattr(prediction_table, "_rows", interrupted_rows)
    folder = tmp_path / "tables"
    message = "interrupted after 4 of 7 photos: .*table.csv was not written; run the command again, or once per sub-fol"
    with pytest.raises(Interrupted, match=message):
        prediction_table.write(TrainedNetwork(run), photos, folder / "table.csv")
    assert list(folder.iterdir()) == []
    (folder / "table.csv").write_text("earlier")
    with pytest.raises(Interrupted, match=message):
        prediction_table.write(TrainedNetwork(run), photos, folder / "table.csv")
    assert [file.read_text() for file in folder.iterdir()] == ["earlier"]


def test_two_breeds_leave_the_third_empty(photos, tmp_path, shallow):
    run = write_run_with_weights(tmp_path / "two", "pytorch", BREEDS[:2])
    prediction_table.write(TrainedNetwork(run), photos[:1], tmp_path / "table.csv")
    (row,) = rows_of(tmp_path / "table.csv")
    assert {row["breed_1"], row["breed_2"]} == set(BREEDS[:2])
    assert (row["breed_3"], row["probability_3"], row["out_of_distribution"]) == ("", "", "False")


def test_odd_names_of_photos_that_have_vanished_give_a_valid_table(run, tmp_path):
    names = ['comma, "quote"', "line\nbreak\r", "narrow\u202fspace", "undecodable\udcff"]
    assert prediction_table.write(TrainedNetwork(run), [Path(name) for name in names], tmp_path / "table.csv") == (4, 0)
    rows = rows_of(tmp_path / "table.csv")
    assert [row["photo"] for row in rows] == [*names[:3], "undecodable\\udcff"]
    assert [row["breed_1"] for row in rows] == [""] * 4
    assert {len(row["error"].splitlines()) for row in rows} == {1}
    assert rows[3]["error"] == "'undecodable\\udcff' cannot be decoded (FileNotFoundError): choose another"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("photo.jpg", "{file} is no name for a table: give the name of a file that ends in .csv"),
        ("folder.csv", "{file} is no name for a table: give the name of a file that ends in .csv"),
        ("0.jpg/table.csv", "{file} cannot be written (Not a directory): choose another place"),
    ],
)
def test_table_that_cannot_be_written_is_refused(run, photos, tmp_path, name, message):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(StudyError) as refusal:
        prediction_table.write(TrainedNetwork(run), photos, tmp_path / name)
    assert str(refusal.value) == message.format(file=tmp_path / name)
