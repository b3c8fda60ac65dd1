"""One PhotoLayout per kind of input: which files are photos of each breed, how they are split, and their boxes.

A new kind of folder needs a function that returns its layout, and a condition in `_of_folder`.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pandas as pd

from dogbreeds import paths
from dogbreeds.data import drawn_dogs, label_table, splits, stanford_dogs
from dogbreeds.data.file_names import as_listed, breed_names, breed_of, name_of, photos_below, sub_folders
from dogbreeds.data.photo_files import shown
from dogbreeds.errors import StudyError

DRAWINGS = 110  # per breed, unless photos_per_breed is given
BREED_FROM = ("folder", "filename")
LABELS_FILE = "labels.csv"  # in a folder of photos, see `label_table`
SPLITS_FILE = "splits.csv"  # in a folder of photos, with the columns path (below the folder) and split


@dataclass(frozen=True)
class PhotoLayout:
    """What differs between the kinds of input."""

    name: str  # of the dataset
    kind: str  # of input, in words
    root: Path  # contains all photos
    files: dict[str, list[Path]]  # of each breed
    split: Callable[[pd.DataFrame, int], splits.Split] = splits.random_split  # of a table of photos, for a seed
    boxes: Callable[[list[Path]], pd.DataFrame] | None = None  # of photo files
    near_duplicates: bool = True  # whether some photos may show the same scene


def find(
    photos: str | Path,
    breeds: Sequence[str],
    study_breeds: Sequence[str],
    drawings: int | None,
    test_drawings: int,
    labels: str = "",
    breed_from: str = "folder",
) -> PhotoLayout:
    """Returns the layout of the folder or dataset `photos`, with `breeds` (all if empty).

    With `study_breeds`, it has the breeds that are not among these, and given splits are ignored. `labels` is a table
    that names the breed of each photo; `breed_from` is one of BREED_FROM. Raises StudyError if the folder is missing,
    if a breed is unknown, or if there are fewer than two breeds.
    """
    if str(photos) == "drawn_dogs":
        layout = drawn_folder(breeds, study_breeds, drawings or DRAWINGS, test_drawings)
    elif test_drawings:
        raise StudyError(f"only drawn dogs can have extra test drawings: set test_drawings_per_breed to 0 for {photos}")
    else:
        layout = _of_folder(photos, labels, breed_from)
        _require_breeds(layout)
        layout = _selected(layout, breeds, study_breeds)
    _require_breeds(layout)
    return replace(layout, split=splits.split_of_other_breeds) if study_breeds else layout


def is_stanford_dogs(photos: str | Path) -> bool:
    """Returns whether `photos` is the name of this dataset, or a folder with its photos and official lists."""
    return str(photos) == "stanford_dogs" or _has_official_lists(Path(photos))


def _has_official_lists(folder: Path) -> bool:
    return (folder / "Images").is_dir() and (folder / stanford_dogs.LISTS["test"]).is_file()


def _require_breeds(layout: PhotoLayout) -> None:
    count = len(layout.files)
    if count < 2:
        raise StudyError(f"{count} breed{'s' * (count != 1)} in {shown(layout.root)}: {_way_on(layout.root)}")


def drawn_folder(breeds: Sequence[str], study_breeds: Sequence[str], drawings: int, test_drawings: int) -> PhotoLayout:
    """Returns the layout of drawn dogs, which are drawn on the first call.

    `test_drawings` of each breed are drawn in addition. The test split has this many, and a fifth of the others become
    validation. There are no near-duplicates, because every drawing is made from its own random numbers.
    """
    wanted = list(breeds or drawn_dogs.TARGET)
    if study_breeds:
        wanted = [breed for breed in drawn_dogs.BREEDS if breed not in study_breeds]
    if not wanted:
        raise StudyError("drawn_dogs has no breeds besides those of the study: choose fewer breeds")
    unknown = set(wanted) - set(drawn_dogs.BREEDS)
    if unknown:
        raise StudyError(f"no drawing of {', '.join(sorted(unknown))}: choose from {', '.join(drawn_dogs.BREEDS)}")
    each = drawings + test_drawings
    # The key includes the drawing code, so that the dogs are drawn again after a change to it.
    code = [path.read_bytes() for path in sorted(Path(drawn_dogs.__file__).parent.glob("*.py"))]
    key = hashlib.sha256(repr((wanted, each, 0, code)).encode()).hexdigest()[:8]
    root = drawn_dogs.write(paths.data() / "drawn_dogs" / key, wanted, each, 0)
    share = test_drawings / each
    shares = {"test": share, "validation": 0.2 * (1 - share)} if test_drawings else {}
    split = partial(splits.random_split, **shares)
    files = {breed: photos_below(root / breed) for breed in sorted(set(wanted))}
    return PhotoLayout("drawn_dogs", "drawn dogs", root, files, split, near_duplicates=False)


def stanford_folder(folder: Path) -> PhotoLayout:
    """Returns the layout of Stanford Dogs, which has official lists of splits and bounding boxes."""
    split = partial(splits.given_split, partial(stanford_dogs.official_splits, folder), "the official lists")
    layout = replace(breed_folders(folder / "Images"), name="stanford_dogs", kind="Stanford Dogs", split=split)
    return replace(layout, boxes=partial(stanford_dogs.boxes, folder))


def breed_folders(folder: Path) -> PhotoLayout:
    """Returns the layout of a folder that has one sub-folder per breed, which may have sub-folders.

    The split is that of `splits.csv`, if there is such a file, else random.
    """
    layout = PhotoLayout(folder.resolve().name, "one folder per breed", folder, _by_folder([folder]))
    listed = folder / SPLITS_FILE
    if not listed.is_file():
        return layout
    return replace(layout, split=partial(splits.given_split, partial(splits.read_splits, listed), SPLITS_FILE))


def split_folders(folder: Path) -> PhotoLayout:
    """Returns the layout of a folder with sub-folders for training, validation and test, which contain the breeds.

    A folder that has no breeds, as the test of a competition, is ignored, and `kind` says so.
    """
    found = {place: splits.split_of_name(place.name) for place in sub_folders(folder)}
    used = {place: split for place, split in found.items() if split and sub_folders(place)}
    ignored = {place: "has no breeds and is ignored" if split else "is ignored" for place, split in found.items()}
    given = {as_listed(name_of(path, folder)): split for place, split in used.items() for path in photos_below(place)}
    kind = f"tree of {', '.join(place.name for place in used)}"
    kind += "".join(f", {place.name} {why}" for place, why in ignored.items() if place not in used)
    split = partial(splits.given_split, lambda: given, "the folders")
    return PhotoLayout(folder.resolve().name, kind, folder, _by_folder(list(used)), split)


def labelled_photos(folder: Path, table: Path) -> PhotoLayout:
    """Returns the layout of photos anywhere below a folder whose breeds, and perhaps splits, are in a table."""
    listed, others = label_table.read(table, folder)
    kind = f"photos with the labels of {table.name}" + (f", {others} other photos are ignored" if others else "")
    files = _by_breed(zip(listed["breed"], listed["photo"], strict=True))
    layout = PhotoLayout(folder.resolve().name, kind, folder, files)
    if "split" not in listed:
        return layout
    given = {as_listed(name_of(row.photo, folder)): row.split for row in listed.itertuples()}
    return replace(layout, split=partial(splits.given_split, lambda: given, table.name))


def named_photos(folder: Path) -> PhotoLayout:
    """Returns the layout of photos whose names consist of a breed and a number, such as `american_bulldog_3.jpg`."""
    found = _by_breed((breed_of(photo), photo) for photo in photos_below(folder))
    return PhotoLayout(folder.resolve().name, "breeds in the file names", folder, found)


def _of_folder(photos: str | Path, labels: str, breed_from: str) -> PhotoLayout:
    """Returns the first layout that fits the folder; any folder can have one sub-folder per breed."""
    folder = Path(photos)
    if str(photos) == "stanford_dogs":
        folder = stanford_dogs.location()
        if not folder.is_dir():
            raise StudyError(f"Stanford Dogs is not at {folder}: run dogbreeds data download, or set PHOTOS=folder")
    if not folder.is_dir():
        raise StudyError(f"no folder {shown(folder)}: give a folder that has one sub-folder of photos per breed")
    if breed_from == "filename":
        return named_photos(folder)
    if labels:
        return labelled_photos(folder, Path(labels))
    if _has_official_lists(folder):
        return stanford_folder(folder)
    if (folder / LABELS_FILE).is_file():
        return labelled_photos(folder, folder / LABELS_FILE)
    return split_folders(folder) if _has_splits(folder) else breed_folders(folder)


def _has_splits(folder: Path) -> bool:
    """Whether a folder has a sub-folder for training with sub-folders, and one for another split or nothing else."""
    places = sub_folders(folder)
    split = {splits.split_of_name(place.name) for place in places}
    training = [place for place in places if splits.split_of_name(place.name) == "train" and sub_folders(place)]
    return bool(training) and (len(places) == 1 or bool(split & {"validation", "test"}))


def _way_on(folder: Path) -> str:
    """What to do with a folder in which fewer than two breeds were found."""
    places = sub_folders(folder)
    if len(places) == 1 and len(sub_folders(places[0])) > 1:
        return f"give {shown(places[0])} if its sub-folders are breeds"
    return (
        "the study needs sub-folders of at least two breeds, a table (set labels), or file names such as pug_12.jpg "
        "(set breed_from to filename)"
    )


def _by_folder(places: list[Path]) -> dict[str, list[Path]]:
    """Returns the photos below the sub-folders of all `places`, by the names of these sub-folders."""
    folders = [folder for place in places for folder in sub_folders(place)]
    return _by_breed((folder.name, photo) for folder in folders for photo in photos_below(folder) or [None])


def _by_breed(found) -> dict[str, list[Path]]:
    """Returns the photos of each breed, in alphabetical order of breeds and file names, from (label, photo) pairs.

    A label whose photo is None stands for a breed without photos.
    """
    found = list(found)
    names, files = breed_names(label for label, _ in found), {}
    for label, photo in found:
        files.setdefault(names[label], []).extend([photo] if photo else [])
    return {breed: sorted(files[breed], key=lambda path: (path.name, path)) for breed in sorted(files)}


def _selected(layout: PhotoLayout, breeds: Sequence[str], study_breeds: Sequence[str]) -> PhotoLayout:
    """Returns the layout with `breeds` that are not in the study."""
    found = {breed: files for breed, files in layout.files.items() if breed not in study_breeds}
    if study_breeds and len(found) < 2:
        count = len(study_breeds)
        raise StudyError(f"{shown(layout.root)} has fewer than two breeds besides the {count} of the study: add breeds")
    missing = ", ".join(breed for breed in breeds if breed not in found)
    if missing:
        raise StudyError(f"no breed {missing} in {shown(layout.root)}; it has {', '.join(found) or 'none'}")
    return replace(layout, files={breed: found[breed] for breed in sorted(set(breeds) or found)})
