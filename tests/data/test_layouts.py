"""Each kind of input has its layout: the folders of its breeds, its splits and its boxes."""

import io

import numpy as np
import pytest
from scenes import folder_of_scenes
from scipy.io import savemat

from dogbreeds.data import datasets, drawn_dogs, layouts
from dogbreeds.errors import StudyError

BREEDS = ("beagle", "corgi", "poodle", "pug")


@pytest.fixture
def folder(tmp_path):
    return folder_of_scenes(tmp_path / "dogs", BREEDS)


def find(photos, breeds=(), study_breeds=()):
    return layouts.find(photos, breeds, study_breeds, 8, 0)


def write_splits(folder):
    names = [f"{breed}/{n:02d}.png" for breed in BREEDS for n in range(12)]
    lines = [
        f"{name},{'train' if n % 12 < 6 else 'validation' if n % 12 < 7 else 'test'}" for n, name in enumerate(names)
    ]
    (folder / "splits.csv").write_text("\n".join(["path,split", *lines]))


def test_plain_folder_has_one_breed_per_sub_folder(folder):
    (folder / ".hidden").mkdir()
    (folder / "readme.txt").touch()
    (folder / "pug").rename(folder / "n02110958-pug")
    layout = find(folder)
    assert (layout.name, layout.root, layout.boxes, layout.near_duplicates) == ("dogs", folder, None, True)
    places = {breed: folder / breed for breed in BREEDS[:3]} | {"pug": folder / "n02110958-pug"}
    assert layout.files == {breed: sorted(place.iterdir()) for breed, place in places.items()}
    assert list(find(folder, ["pug", "corgi"]).files) == ["corgi", "pug"]
    assert list(find(folder, study_breeds=["pug", "corgi"]).files) == ["beagle", "poodle"]


def test_split_lists_apply_only_to_the_breeds_of_the_study(folder):
    write_splits(folder)
    study = datasets.load(folder, breeds=["beagle", "corgi"])
    assert study.photos["split"].value_counts().to_dict() == {"train": 12, "test": 10, "validation": 2}
    others = datasets.load(folder, other_than=study)
    assert others.breeds == ("poodle", "pug")
    assert others.photos["split"].value_counts().to_dict() == {"train": 20, "test": 2, "validation": 2}


def test_official_lists_take_precedence_over_other_splits(folder, tmp_path):
    write_splits(folder)
    for name in ("train_list.mat", "test_list.mat"):
        buffer = io.BytesIO()
        savemat(buffer, {"file_list": np.array([["pug/00.png"]], dtype=object)})
        (folder / name).write_bytes(buffer.getvalue())
    assert find(folder).name == "dogs"  # lists alone, without the folder Images
    root = tmp_path / "official"
    root.mkdir()
    folder.rename(root / "Images")
    (root / "Images" / "test_list.mat").rename(root / "test_list.mat")
    layout = find(root)
    assert (layout.name, layout.root) == ("stanford_dogs", root / "Images")
    assert layout.boxes is not None


def test_drawn_dogs_can_have_extra_test_drawings():
    dataset = datasets.load("drawn_dogs", ["pug", "poodle"], 10, test_drawings_per_breed=4)
    assert dataset.breeds == ("poodle", "pug")
    assert dataset.kind == "drawn dogs"
    counts = dataset.photos.groupby("split").size().to_dict()
    assert counts == {"train": 16, "validation": 4, "test": 8}
    with pytest.raises(StudyError, match="only drawn dogs can have extra test drawings"):
        datasets.load("elsewhere", test_drawings_per_breed=4)


def test_study_of_all_drawn_breeds_has_no_other_breeds():
    with pytest.raises(StudyError, match="no breeds besides those of the study"):
        find("drawn_dogs", study_breeds=list(drawn_dogs.BREEDS))
