"""`dogbreeds predict` writes a table of the photos in folders, and refuses what it cannot write in one line."""

import csv
from pathlib import Path

import pytest
from PIL import Image
from runs_with_weights import write_run_with_weights

from dogbreeds.analysis import prediction_table
from dogbreeds.cli import main


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Photos at two depths, a truncated one and junk in `photos`, a photo beside it, and an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "photos/pug.jpg",
        "photos/more/akita.jpg",
        "photos/truncated.jpg",
        "photos/__MACOSX/pug.jpg",
        "dog.jpg",
    ):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((50, 40), 50).convert("RGB").save(name)
    for junk in ("photos/Thumbs.db", "photos/notes.txt", "photos/.pug.jpg"):
        Path(junk).write_text("junk")
    truncated = Path("photos/truncated.jpg")
    truncated.write_bytes(truncated.read_bytes()[:-300])
    Path("empty").mkdir()


@pytest.fixture
def run(shallow):
    return write_run_with_weights(Path("run"), "pytorch", ("akita", "beagle", "corgi"))


def predict(*words) -> int:
    return main(["predict", *words, "--run", "run"])


def test_folders_give_one_row_per_photo(run, capsys):
    assert predict("photos", "dog.jpg", "photos/pug.jpg", "--csv", "tables/dogs.csv") == 0
    captured = capsys.readouterr()
    assert captured.out == "4 photos, 1 with an error, 0 out of distribution: tables/dogs.csv\n"
    assert "predicting breeds: 100%" in captured.err
    with open("tables/dogs.csv", encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    assert [(row["photo"], row["error"]) for row in rows] == [
        ("photos/more/akita.jpg", ""),
        ("photos/pug.jpg", ""),
        ("photos/truncated.jpg", "photos/truncated.jpg cannot be decoded (OSError): choose another"),
        ("dog.jpg", ""),
    ]
    assert not Path("outputs/predictions").exists()  # no activation maps


def test_interrupted_table_is_absent_and_the_user_is_told(run, capsys, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(prediction_table, "_rows", interrupt)
    assert predict("photos", "--csv", "dogs.csv") == 130
    assert capsys.readouterr().err.splitlines()[-1] == (
        "dogbreeds: interrupted after 0 of 3 photos: dogs.csv was not written; run the command again, or once per "
        "sub-folder"
    )
    assert not list(Path().glob("dogs*"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dog.jpg", "photos"], "photos is a folder: add --csv FILE for a table of the photos in it"),
        (["photos", "empty", "--csv", "dogs.csv"], "empty contains no photos: give a folder that does"),
        (["cat.jpg", "--csv", "dogs.csv"], "cat.jpg does not exist: give the path of a photo or of a folder"),
        (["photos", "--csv", "dog.jpg"], "dog.jpg is no name for a table: give the name of a file that ends in .csv"),
        (["photos", "--csv", "a.csv", "--top", "3"], "a table always has three breeds: leave out --top or --csv"),
        (["dog.jpg", "--top", "0"], "--top 0 must be 1 or more"),
    ],
)
def test_refusals(words, message, run, capsys):
    before = sorted(Path().rglob("*"))
    assert predict(*words) == 2
    assert capsys.readouterr().err == f"dogbreeds: {message}\n"
    assert sorted(Path().rglob("*")) == before


def test_json_and_table_exclude_each_other(capsys):
    with pytest.raises(SystemExit):
        predict("photos", "--json", "--csv", "dogs.csv")
    assert capsys.readouterr().err.endswith("error: argument --csv: not allowed with argument --json\n")
