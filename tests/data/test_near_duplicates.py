"""Photos of the same scene are never in different splits, nor both in a study and in its pretraining."""

import shutil

import numpy as np
import pytest
from scenes import folder_of_scenes, scene

from dogbreeds import paths
from dogbreeds.data import datasets, near_duplicates, parallel_decoding
from dogbreeds.errors import StudyError
from dogbreeds.study import Study

BREEDS = ("beagle", "corgi", "poodle", "pug")


@pytest.fixture
def folder(tmp_path):
    return folder_of_scenes(tmp_path / "dogs", BREEDS)


def test_near_duplicates_are_within_three_bits():
    hashes = np.array([0, 0b111, 0b1111, 2**64 - 1], np.uint64)
    assert near_duplicates.pairs(hashes).tolist() == [[0, 1], [1, 2]]
    assert near_duplicates.groups(hashes).tolist() == [0, 0, 0, 1]
    assert near_duplicates.within(hashes, hashes[:1]).tolist() == [True, True, False, False]
    assert near_duplicates.pairs(hashes[:1]).shape == (0, 2)


@pytest.mark.parametrize("size", [(60, 50), (90, 75)])
def test_other_breeds_exclude_near_duplicates_of_the_study(folder, capsys, size):
    """Neither exact nor resized copies of photos in any split of the study."""
    study = Study("small", str(folder), ["corgi", "pug"])
    for number in range(12):
        scene(100 + number).resize(size).save(folder / "beagle" / f"copy{number:02d}.png")
    scene(103).resize(size).save(folder / "poodle" / "copy.png")
    others = study.other_breeds
    assert sorted(others.left_out) == [*(f"beagle/copy{number:02d}.png" for number in range(12)), "poodle/copy.png"]
    assert set(others.left_out.values()) == {"near-duplicate of a photo of the study"}
    assert others.photos.groupby("breed").size().to_dict() == {"beagle": 12, "poodle": 12}
    message = (
        "dogbreeds: left out: 13 of 37 photos (near-duplicate of a photo of the study), the first 'beagle/copy00.png'"
    )
    assert message in capsys.readouterr().err.splitlines()
    assert len(study.dataset.photos) == 24


def test_breed_with_only_near_duplicates_of_the_study_is_refused(folder):
    for number in range(12):
        scene(100 + number).save(folder / "beagle" / f"{number:02d}.png")
    with pytest.raises(StudyError, match=r"0 photos of beagle in .*: each breed needs at least 8"):
        Study("small", str(folder), ["corgi", "pug"]).other_breeds  # noqa: B018


def test_near_duplicates_get_the_same_split(folder):
    for number in range(6):
        scene(number).resize((120, 100)).save(folder / "corgi" / f"copy{number}.png")
    for seed in range(5):
        photos = datasets.load(folder, split_seed=seed).photos
        split = dict(zip(photos["name"], photos["split"], strict=True))
        assert len(split) == 54
        assert all(split[f"beagle/{n:02d}.png"] == split[f"corgi/copy{n}.png"] for n in range(6))


def test_near_duplicates_are_removed_from_the_earlier_split(folder, capsys):
    splits = {f"{breed}/{n:02d}.png": "train" if n < 6 else "test" for breed in BREEDS for n in range(12)}
    splits |= {"pug/05.png": "validation", "pug/04.png": "validation"}
    (folder / "splits.csv").write_text("path,split\n" + "".join(f"{name},{split}\n" for name, split in splits.items()))
    scene(11).resize((120, 100)).save(folder / "corgi" / "02.png")  # in train; beagle/11.png is in test
    scene(311).save(folder / "pug" / "05.png")  # in validation; pug/11.png is in test
    scene(304).save(folder / "pug" / "00.png")  # in train; pug/04.png is in validation
    dataset = datasets.load(folder)
    assert set(dataset.left_out) == {"corgi/02.png", "pug/00.png", "pug/05.png"}
    assert set(dataset.left_out.values()) == {"near-duplicate of a photo in a later split"}
    assert dataset.photos["split"].value_counts().to_dict() == {"test": 24, "train": 20, "validation": 1}
    assert "left out: 3 of 48 photos" in capsys.readouterr().err
    scene(6).save(folder / "pug" / "04.png")  # the last validation photo
    with pytest.raises(StudyError, match="no photo is left for validation"):
        datasets.load(folder)


def test_photos_are_hashed_once(folder, monkeypatch):
    first = datasets.load(folder)
    monkeypatch.setattr(near_duplicates, "perceptual_hash", lambda path: pytest.fail(f"{path} was read again"))
    assert datasets.load(folder).fingerprint == first.fingerprint


def test_processes_compute_the_same_hashes_as_threads(folder, in_processes, monkeypatch):
    photos = datasets.load(folder).photos
    found = near_duplicates.hashes(photos)
    shutil.rmtree(paths.data() / "perceptual_hashes")
    monkeypatch.setattr(parallel_decoding, "MANY", len(photos) + 1)
    assert near_duplicates.hashes(photos).tolist() == found.tolist()


def test_split_seed_changes_the_splits_but_not_the_photos(folder):
    one, other = (Study("small", str(folder), split_seed=seed) for seed in (0, 1))
    assert one.dataset.photos["digest"].equals(other.dataset.photos["digest"])
    assert not one.dataset.photos["split"].equals(other.dataset.photos["split"])
    assert one.config("resnet50", "keras", 0).id != other.config("resnet50", "keras", 0).id
