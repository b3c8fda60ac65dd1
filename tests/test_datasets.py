import shutil

import pytest

from dogbreeds import datasets
from dogbreeds.errors import StudyError


def test_splits_are_stratified_disjoint_and_seeded(photo_folder):
    dataset = datasets.load(photo_folder)
    assert dataset.breeds == ("Chihuahua", "pug")
    counts = dataset.photos.groupby(["breed", "split"]).size()
    assert (counts["Chihuahua"] == counts["pug"]).all()
    assert counts["pug"].to_dict() == {"test": 3, "train": 7, "validation": 2}
    assert sorted(row for split in datasets.SPLITS for row in dataset.rows(split)) == list(range(24))
    assert dataset.photos["split"].equals(datasets.load(photo_folder).photos["split"])
    assert not dataset.photos["split"].equals(datasets.load(photo_folder, seed=1).photos["split"])
    assert dataset.photos[["width", "height"]].to_numpy().tolist() == [[50, 40]] * 24
    assert dataset.kind == "photographs"


def test_the_fingerprint_changes_with_any_photo(photo_folder):
    before = datasets.load(photo_folder).fingerprint
    assert datasets.load(photo_folder).fingerprint == before
    photo = photo_folder / "pug" / "00.jpg"
    photo.write_bytes(photo.read_bytes() + b"\0")
    assert datasets.load(photo_folder).fingerprint != before


def test_fewer_photos_and_fewer_breeds_on_request(photo_folder):
    shutil.copytree(photo_folder / "pug", photo_folder / "poodle")
    dataset = datasets.load(photo_folder, breeds=["pug", "poodle"], photos_per_breed=9)
    assert dataset.photos["breed"].value_counts().to_dict() == {"pug": 9, "poodle": 9}


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: shutil.rmtree(folder), "no folder"),
        (lambda folder: [shutil.rmtree(entry) for entry in list(folder.iterdir())], "0 breeds"),
        (lambda folder: shutil.rmtree(folder / "pug"), "1 breeds"),
        (lambda folder: (folder / "pug" / "notes.txt").write_text("no picture"), "notes.txt is no picture"),
        (lambda folder: (folder / "pug" / "empty.jpg").touch(), "empty.jpg is no picture"),
        (lambda folder: [path.unlink() for path in sorted((folder / "pug").iterdir())[3:]], "3 photos of pug"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused_in_one_line(photo_folder, harm, message):
    harm(photo_folder)
    with pytest.raises(StudyError, match=message) as refusal:
        datasets.load(photo_folder)
    assert "\n" not in str(refusal.value)


def test_unknown_breeds_are_refused(photo_folder):
    with pytest.raises(StudyError, match="no sub-folder for wolf"):
        datasets.load(photo_folder, breeds=["pug", "wolf"])
    with pytest.raises(StudyError, match="no drawing of wolf"):
        datasets.load("drawn_dogs", breeds=["pug", "wolf"])
    with pytest.raises(StudyError, match="run dogbreeds data download"):
        datasets.load("stanford_dogs")
