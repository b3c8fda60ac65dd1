"""Folders as people have them: each is found by looking, described in one line, and trained on for one epoch."""

import json
import os
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from dogbreeds import paths
from dogbreeds.cli import main
from dogbreeds.data import datasets, drawn_dogs, layouts, pixel_cache
from dogbreeds.errors import StudyError

TRIES = int(os.environ.get("DOGBREEDS_HOSTILE_FOLDERS", "300"))
BREEDS = ("poodle", "pug")
SPLIT = ["train"] * 10 + ["validation"] * 2 + ["test"] * 3


@pytest.fixture(scope="module")
def dogs(tmp_path_factory):
    """Fifteen drawn dogs of each breed, <breed>/<breed>_<number>.jpg, whose names are unique."""
    root = drawn_dogs.write(tmp_path_factory.mktemp("drawn") / "dogs", list(BREEDS), len(SPLIT), 0)
    return {breed: sorted((root / breed).iterdir()) for breed in BREEDS}


@pytest.fixture
def place(dogs, tmp_path):
    """Returns a function that copies each drawing to the path that `path_of(breed, number, split, name)` gives."""

    def write(path_of, name="photos"):
        for breed, files in dogs.items():
            for number, (file, split) in enumerate(zip(files, SPLIT, strict=True)):
                target = tmp_path / name / path_of(breed, number, split, file.name)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target)
        return tmp_path / name

    return write


def breed_folders(place):
    return place(lambda breed, number, split, name: f"{breed}/{name}"), "one folder per breed", []


def deeper_folders(place):
    folder = place(lambda breed, number, split, name: f"{breed}/{number % 3}/{name}")
    return folder, "one folder per breed", []


def numbered_folders(place):
    numbers = {"poodle": "001.poodle", "pug": "n02110958-pug"}
    return place(lambda breed, number, split, name: f"{numbers[breed]}/{name}"), "one folder per breed", []


def archive_of_a_mac_and_a_pc(place):
    """With the files that both systems add to an archive."""
    folder = place(lambda breed, number, split, name: f"{breed}/{name}")
    for junk in (
        "__MACOSX/pug/._pug_0001.jpg",
        "pug/Thumbs.db",
        "pug/.DS_Store",
        "desktop.ini",
        ".ipynb_checkpoints/x.jpg",
    ):
        (folder / junk).parent.mkdir(parents=True, exist_ok=True)
        (folder / junk).write_bytes(b"no photo")
    return folder, "one folder per breed", []


def tree(place):
    words = {"train": "Train", "validation": "valid", "test": "TEST"}
    folder = place(lambda breed, number, split, name: f"{words[split]}/{breed}/{name}")
    (folder / "sketches").mkdir()
    return folder, "tree of TEST, Train, valid, sketches is ignored", []


def tree_of_a_competition(place):
    """Without validation, and with a test folder that has no breeds."""
    folder = place(lambda breed, number, split, name: f"train/{breed}/{name}" if number < 12 else f"test/{name}")
    return folder, "tree of train, test has no breeds and is ignored", []


def table(place):
    """As in a competition: an id without extension, and photos that are not on the list."""
    folder = place(lambda breed, number, split, name: f"{'train' if number < 12 else 'test'}/{name}")
    names = [f"{path.stem},{path.stem.rpartition('_')[0]}" for path in sorted((folder / "train").iterdir())]
    (folder / "labels.csv").write_bytes(("\ufeffid,breed\r\n" + "\r\n".join(names)).encode())
    return folder, "photos with the labels of labels.csv, 6 other photos are ignored", []


def table_elsewhere(place):
    folder = place(lambda breed, number, split, name: f"images/{name}")
    lines = [
        f"images\\{path.name},{path.stem.rpartition('_')[0].title()},{SPLIT[number % len(SPLIT)]}"
        for number, path in enumerate(sorted((folder / "images").iterdir()))
    ]
    file = folder.parent / "classes.csv"
    file.write_text("\n".join(["File,Class,split", *lines]))
    return folder, "photos with the labels of classes.csv", ["--labels", str(file)]


def file_names(place):
    folder = place(lambda breed, number, split, name: name)
    return folder, "breeds in the file names", ["--breed-from", "filename"]


LAYOUTS = (
    breed_folders,
    deeper_folders,
    numbered_folders,
    archive_of_a_mac_and_a_pc,
    tree,
    tree_of_a_competition,
    table,
    table_elsewhere,
    file_names,
)


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_each_layout_is_described_and_trained_on(layout, place, capsys):
    folder, kind, options = layout(place)
    assert main(["data", "describe", "--photos", str(folder), *options]) == 0
    shown = capsys.readouterr()
    photos = 24 if "other photos" in kind or "no breeds" in kind else 30
    assert f"dogbreeds: found: {kind}, 2 breeds, {photos} photos" in shown.err.splitlines()
    assert f"{photos} photographs of 2 breeds: " in shown.out
    parameters = [
        option.replace("--breed-from", "--parameter").replace("filename", "breed_from=filename") for option in options
    ]
    command = ["train", "--profile", "sample", "--photos", str(folder), *parameters]
    command += ["--architecture", "resnet50", "--framework", "pytorch"]
    sizes = ["--parameter", "image_size=32", "--set", "epochs=1", "--set", "batch_size=4"]
    assert main([*command, *sizes, "--out", str(folder.parent / "runs")]) == 0
    record = json.loads(next((folder.parent / "runs").glob("*/run.json")).read_text())
    assert [breed.lower() for breed in record["breeds"]] == list(BREEDS)
    for split, source in record["split_origin"].items():
        assert f"{split}: {source}" in shown.out.splitlines()


def test_a_split_that_is_missing_is_taken_from_training_and_said(place, capsys):
    folder, _, _ = tree_of_a_competition(place)
    dataset = datasets.load(folder)
    assert dataset.photos.groupby("split").size().to_dict() == {"train": 16, "validation": 2, "test": 6}
    taken = "taken from the training photos of the folders"
    assert dataset.split_origin == {"train": "the folders", "validation": taken, "test": taken}
    assert capsys.readouterr().err.splitlines()[1:] == [
        f"dogbreeds: validation split: {taken}",
        f"dogbreeds: test split: {taken}",
    ]
    assert dataset.photos["split"].tolist() == datasets.load(folder).photos["split"].tolist()
    assert dataset.photos["split"].tolist() != datasets.load(folder, split_seed=1).photos["split"].tolist()


def test_a_breed_that_a_split_lacks_is_named(place, capsys):
    folder, _, _ = tree(place)
    shutil.rmtree(folder / "TEST" / "pug")
    assert "pug" in datasets.load(folder).breeds
    assert "dogbreeds: the test split has no photos of pug" in capsys.readouterr().err.splitlines()
    shutil.rmtree(folder / "Train" / "pug")
    (folder / "valid" / "pug").rename(folder / "TEST" / "pug")
    for number, file in enumerate(sorted((folder / "TEST" / "poodle").iterdir()) * 3):
        shutil.copy(file, folder / "TEST" / "pug" / f"{number}.jpg")
    with pytest.raises(StudyError, match=r"^no training photos of pug in .*: add some, or choose other breeds$"):
        datasets.load(folder)


def test_three_layouts_of_the_same_photos_have_one_fingerprint_and_the_same_pixels(place, tmp_path):
    with_list = place(lambda breed, number, split, name: f"{breed}/{name}", "with_list")
    lines = [f"{path.parent.name}\\{path.name}" for path in sorted(with_list.glob("*/*.jpg"))]
    lines = [f"{line},{split}" for line, split in zip(lines, SPLIT * 2, strict=True)]
    (with_list / "splits.csv").write_bytes(("\ufeffpath,split\r\n" + "\r\n".join(lines) + "\r\n").encode())
    as_tree = place(lambda breed, number, split, name: f"{split}/{breed}/{name}", "as_tree")
    as_table = place(lambda breed, number, split, name: name, "as_table")
    rows = [f"{path.name},{path.stem.rpartition('_')[0]}" for path in sorted(as_table.iterdir())]
    rows = [f"{row},{split}" for row, split in zip(rows, SPLIT * 2, strict=True)]
    (as_table / "labels.csv").write_text("\n".join(["filename,label,split", *rows]))
    found = [datasets.load(folder) for folder in (with_list, as_tree, as_table)]
    assert len({dataset.fingerprint for dataset in found}) == 1
    pixels = []
    for dataset in found:
        pixels.append(np.array(pixel_cache.load(dataset, 16)))
        shutil.rmtree(paths.data() / "pixels")  # so that each layout is decoded
    np.testing.assert_array_equal(pixels[0], pixels[1])
    np.testing.assert_array_equal(pixels[0], pixels[2])
    assert len({tuple(dataset.photos["split"]) for dataset in found}) == 1


def test_small_breeds_are_left_out_on_request_named_and_recorded(place, capsys):
    folder, _, _ = breed_folders(place)
    shutil.copytree(folder / "pug", folder / "corgi")
    for photo in sorted((folder / "corgi").iterdir())[3:]:
        photo.unlink()
    with pytest.raises(StudyError) as refusal:
        datasets.load(folder)
    assert str(refusal.value) == (
        f"3 photos of corgi in {folder}: each breed needs at least 8 photos; add photos, choose breeds, or set "
        "leave_out_small to true"
    )
    dataset = datasets.load(folder, leave_out_small=True)
    assert (dataset.breeds, dataset.left_out) == (BREEDS, {"corgi": "only 3 photos"})
    assert dataset.photos["label"].tolist() == [0] * 15 + [1] * 15
    assert "dogbreeds: left out: 1 of 3 breeds (3 photos of corgi)" in capsys.readouterr().err.splitlines()


def test_breeds_that_differ_only_in_case_are_one(place):
    folder = place(lambda breed, number, split, name: f"{breed.upper() if number % 2 else breed}/{name}")
    assert {breed: len(files) for breed, files in layouts.find(folder, [], [], None, 0).files.items()} == {
        "POODLE": 15,
        "PUG": 15,
    }


def test_numbers_stay_where_breeds_would_be_the_same_without_them(tmp_path):
    names = ("1.pug", "2.pug", "3.corgi", "n02110958-beagle")
    for name in names:
        (tmp_path / name).mkdir()
    assert list(layouts.find(tmp_path, [], [], None, 0).files) == ["1.pug", "2.pug", "beagle", "corgi"]


FILE_COLUMN, BREED_COLUMN = "one of path, file, filename, id, image", "one of breed, label, class"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("id,breed\n../secret,pug\n", "labels.csv names '../secret', which is outside {folder}: remove this row"),
        ("id,breed\n/etc/passwd,pug\n", "labels.csv names '/etc/passwd', which is outside {folder}: remove this row"),
        ("id,breed\nlink,pug\n", "labels.csv names 'link', which is outside {folder}: remove this row"),
        ("id,breed\nnothing,pug\n", "labels.csv names 'nothing', which is no photo in {folder}: correct this row"),
        ("id,breed\ntwice,pug\n", "labels.csv names 'twice', which is 2 photos in {folder}: correct this row"),
        ("id,breed\na/one,\n", "labels.csv has no breed for 'a/one': add it"),
        ("id,breed\none,pug\na/one,corgi\n", "labels.csv lists 'a/one' twice, as pug and corgi: remove one row"),
        ("id,breed,split\none,pug,later\n", "labels.csv has the split 'later': write one of train, validation, test"),
        ("photo,kind\none,pug\n", f"labels.csv lacks a column: it needs {FILE_COLUMN} and {BREED_COLUMN}"),
        ("file;breed\none;pug\n", f"labels.csv lacks a column: it needs {FILE_COLUMN} and {BREED_COLUMN}"),
        ("file\none\n", f"labels.csv lacks a column: it needs {BREED_COLUMN}"),
        ("id,breed\n", "labels.csv has no rows: add one row per photo"),
        ("\0\"", "labels.csv lacks a column"),
    ],
)  # fmt: skip
def test_tables_that_do_not_fit_the_photos_are_refused(tmp_path, rows, message):
    folder = tmp_path / "photos"
    for name in ("a/one.jpg", "a/twice.jpg", "b/twice.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (tmp_path / "outside.jpg").touch()
    (folder / "link.jpg").symlink_to(tmp_path / "outside.jpg")
    (folder / "labels.csv").write_text(rows)
    with pytest.raises(StudyError) as refusal:
        layouts.find(folder, [], [], None, 0)
    assert str(refusal.value).startswith(f"{folder}/" + message.format(folder=folder))


WAY_ON = (
    "the study needs sub-folders of at least two breeds, a table (set labels), or file names such as pug_12.jpg (set "
    "breed_from to filename)"
)
RENAME = "{folder}/pug.jpg is not a breed and a number, such as pug_12.jpg: rename or remove it"
GIVE_A_TABLE = "give a CSV file with columns for file and breed"


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (("pug_1.jpg", "corgi_1.jpg"), {}, f"0 breeds in {{folder}}: {WAY_ON}"),
        (("a/pug/1.jpg", "a/corgi/1.jpg"), {}, "1 breed in {folder}: give {folder}/a if its sub-folders are breeds"),
        (
            ("pug.jpg", "corgi_1.jpg"),
            {"breed_from": "filename"},
            RENAME,
        ),
        (("pug_1.jpg",), {"breed_from": "filename"}, f"1 breed in {{folder}}: {WAY_ON}"),
        (("pug_1.jpg",), {"labels": "nowhere.csv"}, f"nowhere.csv is not a table: {GIVE_A_TABLE}"),
    ],
)
def test_folders_without_breeds_are_refused_with_the_way_on(tmp_path, names, options, message):
    folder = tmp_path / "photos"
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    with pytest.raises(StudyError) as refusal:
        layouts.find(folder, [], [], None, 0, **options)
    assert str(refusal.value) == message.format(folder=folder)


FOLDERS = ("train", "Valid", "test", "dev", "pug", "PUG", "001.pug", "n02110958-pug", "corgi", "__MACOSX", "Images")
FILES = ("pug_1.jpg", "pug (2).jpg", "3.JPG", "Thumbs.db", "._x.jpg", "notes.txt", "labels.csv", "splits.csv", "x")
TABLES = (b"id,breed\npug_1,pug\n3,corgi\n", b"path,split\npug/x,train\n", b"\xef\xbb\xbfFile,Class\r\nx,pug\r\n")
TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="/\0"), min_size=1, max_size=6)
FOLDER = st.one_of(st.sampled_from(FOLDERS), TEXT.filter(lambda part: part not in (".", "..")))
CONTENT = st.one_of(st.sampled_from(TABLES), st.binary(max_size=40))


@pytest.mark.slow
@settings(max_examples=TRIES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    entries=st.lists(
        st.tuples(st.lists(FOLDER, max_size=3), st.one_of(st.sampled_from(FILES), FOLDER), CONTENT), max_size=14
    ),
    breed_from=st.sampled_from(layouts.BREED_FROM),
)
def test_random_trees_give_a_layout_or_one_line_and_no_photo_has_two_breeds(tmp_path_factory, entries, breed_from):
    folder = tmp_path_factory.mktemp("tree")
    for parts, name, content in entries:
        target = folder.joinpath(*parts, name)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        except OSError:  # a file and a folder with the same name, or a name that is too long
            continue
    refusal = ""
    try:
        layout = layouts.find(folder, [], [], None, 0, breed_from=breed_from)
    except StudyError as error:
        refusal = str(error)
    else:
        photos = [photo for files in layout.files.values() for photo in files]
        assert len(photos) == len(set(photos))
        assert all(photo.is_file() for photo in photos)
        assert len({breed.casefold() for breed in layout.files}) == len(layout.files) >= 2
    assert refusal.isprintable()
    shutil.rmtree(folder)
