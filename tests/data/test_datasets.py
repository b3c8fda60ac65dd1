"""Folders of photos become tables with labels and splits; unusable folders raise an error of one line."""

import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dogbreeds.data import datasets, drawn_dogs, layouts, photo_files, splits
from dogbreeds.errors import StudyError


def test_splits_are_stratified_disjoint_and_seeded(photo_folder):
    dataset = datasets.load(photo_folder)
    assert dataset.breeds == ("Chihuahua", "pug")
    counts = dataset.photos.groupby(["breed", "split"]).size()
    assert (counts["Chihuahua"] == counts["pug"]).all()
    assert counts["pug"].to_dict() == {"test": 3, "train": 7, "validation": 2}
    assert sorted(row for split in splits.SPLITS for row in dataset.rows(split)) == list(range(24))
    assert dataset.photos["split"].equals(datasets.load(photo_folder).photos["split"])
    assert not dataset.photos["split"].equals(datasets.load(photo_folder, split_seed=1).photos["split"])
    assert dataset.photos[["width", "height"]].to_numpy().tolist() == [[50, 40]] * 24
    assert dataset.kind == "photographs"


def test_the_fingerprint_changes_with_any_photo(photo_folder):
    before = datasets.load(photo_folder).fingerprint
    assert datasets.load(photo_folder).fingerprint == before
    photo = photo_folder / "pug" / "00.jpg"
    photo.write_bytes(photo.read_bytes() + b"\0")
    assert datasets.load(photo_folder).fingerprint != before


def test_breeds_and_photos_per_breed_can_be_selected(photo_folder):
    shutil.copytree(photo_folder / "pug", photo_folder / "poodle")
    dataset = datasets.load(photo_folder, breeds=["pug", "poodle"], photos_per_breed=9)
    assert dataset.photos["breed"].value_counts().to_dict() == {"pug": 9, "poodle": 9}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: shutil.rmtree(folder), "no folder"),
        (lambda folder: [shutil.rmtree(entry) for entry in list(folder.iterdir())], "0 breeds"),
        (
            lambda folder: shutil.rmtree(folder / "pug"),
            "1 breed in .*: the study needs sub-folders of at least two breeds",
        ),
        (lambda folder: (folder / "pug" / "notes.jpg").write_text("no image"), "notes.jpg is not a readable image"),
        (lambda folder: (folder / "pug" / "notes").write_text("no image"), "notes is not a readable image"),
        (lambda folder: (folder / "pug" / "empty.jpg").touch(), "empty.jpg is not a readable image"),
        (lambda folder: [path.unlink() for path in sorted((folder / "pug").iterdir())[3:]], "3 photos of pug"),
    ],
)
def test_unusable_folder_is_refused_in_one_line(photo_folder, damage, message):
    damage(photo_folder)
    with pytest.raises(StudyError, match=message) as raised:
        datasets.load(photo_folder)
    assert "\n" not in str(raised.value)


def test_unknown_breeds_are_refused(photo_folder):
    with pytest.raises(StudyError, match="no breed wolf in "):
        datasets.load(photo_folder, breeds=["pug", "wolf"])
    with pytest.raises(StudyError, match="no drawing of wolf"):
        datasets.load("drawn_dogs", breeds=["pug", "wolf"])
    with pytest.raises(StudyError, match="run dogbreeds data download"):
        datasets.load("stanford_dogs")


def write_splits(folder, change=lambda rows: rows):
    rows = {f"{path.parent.name}/{path.name}": "train" for path in sorted(folder.glob("*/*.jpg"))}
    rows |= {name: "test" for name in list(rows) if int(name[-6:-4]) > 8}
    rows |= {name: "validation" for name in list(rows) if int(name[-6:-4]) == 8}
    lines = [f"{name},{split}" for name, split in change(rows).items()]
    (folder / "splits.csv").write_text("\n".join(["path,split", *lines]))


def test_folder_can_define_its_own_splits(photo_folder):
    write_splits(photo_folder)
    photos = datasets.load(photo_folder).photos
    assert photos["split"].value_counts().to_dict() == {"train": 16, "test": 6, "validation": 2}
    assert set(photos.loc[photos["split"] == "validation", "path"].map(lambda path: path.name)) == {"08.jpg"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: {k: v for k, v in rows.items() if k != "pug/03.jpg"}, "no split for 'pug/03.jpg' in splits.csv"),
        (lambda rows: rows | {"pug/03.jpg": "holdout"}, "with one of train, validation, test"),
        (lambda rows: dict.fromkeys(rows, "test"), "too few training photos to take a validation split from"),
        (lambda rows: {}, "no split for"),
    ],
)
def test_incomplete_or_invalid_splits_are_refused(photo_folder, change, message):
    write_splits(photo_folder, change)
    with pytest.raises(StudyError, match=message):
        datasets.load(photo_folder)


def test_list_without_the_required_columns_is_refused(photo_folder):
    (photo_folder / "splits.csv").write_text("photo;part\na;b\n")
    with pytest.raises(StudyError, match="needs the columns path and split"):
        datasets.load(photo_folder)


def test_unreadable_photos_are_left_out_on_request_and_reported(photo_folder, capsys):
    truncated = photo_folder / "pug" / "05.jpg"
    truncated.write_bytes(truncated.read_bytes()[:-300])
    (photo_folder / "pug" / "notes.png").write_text("no image")
    dataset = datasets.load(photo_folder, leave_out_broken=True)
    assert dataset.left_out == dict.fromkeys(("pug/05.jpg", "pug/notes.png"), "cannot be read")
    assert len(dataset.photos) == 23
    *lines, found = capsys.readouterr().err.splitlines()
    assert [line.startswith("dogbreeds: left out: ") for line in lines] == [True, True]
    assert found == "dogbreeds: found: one folder per breed, 2 breeds, 23 photos"


def test_more_than_eight_bits_per_channel_are_refused(photo_folder):
    Image.new("I;16", (40, 40)).save(photo_folder / "pug" / "deep.png")
    with pytest.raises(StudyError, match="more than 8 bits per channel"):
        photo_files.open_photo(photo_folder / "pug" / "deep.png")


def test_16_bit_rgb_png_is_read_as_its_upper_eight_bits(tmp_path):
    levels = np.array([[[0, 255, 256], [32767, 32768, 65535]]], ">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in levels)

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0))
    file = tmp_path / "deep.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    assert np.asarray(photo_files.open_photo(file)).tolist() == [[[0, 0, 1], [127, 128, 255]]]


def test_changed_drawing_code_invalidates_stored_drawings(tmp_path, monkeypatch):
    monkeypatch.setattr(drawn_dogs, "write", lambda folder, *_: folder.mkdir(parents=True, exist_ok=True) or folder)
    before = layouts.drawn_folder(["pug", "poodle"], (), 12, 0).root
    assert layouts.drawn_folder(["pug", "poodle"], (), 12, 0).root == before
    changed = shutil.copytree(Path(drawn_dogs.__file__).parent, tmp_path / "drawn_dogs")
    (changed / "anatomy.py").write_text("# other")
    monkeypatch.setattr(drawn_dogs, "__file__", str(changed / "__init__.py"))
    assert layouts.drawn_folder(["pug", "poodle"], (), 12, 0).root != before
