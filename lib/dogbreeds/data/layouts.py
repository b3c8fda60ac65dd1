"""One PhotoLayout per kind of input: where the photos of each breed are, how they are split, and their boxes."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from dogbreeds import paths
from dogbreeds.data import drawn_dogs, splits, stanford_dogs
from dogbreeds.errors import StudyError

DRAWINGS = 110  # per breed, unless photos_per_breed is given
STANFORD_PREFIX = re.compile(r"^n\d{8}-")  # the WordNet id before a breed's name


@dataclass(frozen=True)
class PhotoLayout:
    """What differs between the kinds of input."""

    name: str  # of the dataset
    root: Path  # the folder that contains those of the breeds
    folders: dict[str, Path]  # of each breed
    splits: Callable[[pd.DataFrame, int], np.ndarray]  # of the photos in a table, for a seed
    boxes: Callable[[list[Path]], pd.DataFrame] | None = None  # of photo files
    near_duplicates: bool = True  # whether some photos may show the same scene


def find(
    photos: str | Path, breeds: Sequence[str], study_breeds: Sequence[str], drawings: int | None, test_drawings: int
) -> PhotoLayout:
    """Returns the layout of the folder or dataset `photos`, with `breeds` (all if empty).

    With `study_breeds`, it has the breeds that are not among these, and lists of splits are ignored. Raises StudyError
    if the folder is missing, if a breed is unknown, or if there are fewer than two breeds.
    """
    if str(photos) == "drawn_dogs":
        layout = drawn_folder(breeds, study_breeds, drawings or DRAWINGS, test_drawings)
    elif test_drawings:
        raise StudyError(f"only drawn dogs can have extra test drawings: set test_drawings_per_breed to 0 for {photos}")
    else:
        layout = _selected(_of_folder(photos), breeds, study_breeds)
    count = len(layout.folders)
    if count < 2:
        raise StudyError(f"{count} breeds in {layout.root}: the study needs sub-folders of at least two breeds")
    return replace(layout, splits=splits.split_of_other_breeds) if study_breeds else layout


def drawn_folder(breeds: Sequence[str], study_breeds: Sequence[str], drawings: int, test_drawings: int) -> PhotoLayout:
    """Returns the layout of drawn dogs, which are drawn on the first call.

    `test_drawings` of each breed are drawn in addition; the test split has this many, the validation split a fifth of
    the others. There are no near-duplicates, because every drawing is made from its own random numbers.
    """
    wanted = list(breeds or drawn_dogs.TARGET)
    if study_breeds:
        wanted = [breed for breed in drawn_dogs.BREEDS if breed not in study_breeds]
    if not wanted:
        raise StudyError("drawn_dogs has no breeds besides those of the study: choose fewer breeds")
    if unknown := set(wanted) - set(drawn_dogs.BREEDS):
        raise StudyError(f"no drawing of {', '.join(sorted(unknown))}: choose from {', '.join(drawn_dogs.BREEDS)}")
    each = drawings + test_drawings
    # The key includes the drawing code, so that the dogs are drawn again after a change to it.
    code = [path.read_bytes() for path in sorted(Path(drawn_dogs.__file__).parent.glob("*.py"))]
    key = hashlib.sha256(repr((wanted, each, 0, code)).encode()).hexdigest()[:8]
    root = drawn_dogs.write(paths.data() / "drawn_dogs" / key, wanted, each, 0)
    split = splits.random_split
    if test_drawings:
        share = test_drawings / each
        split = partial(split, test=share, validation=0.2 * (1 - share))
    return PhotoLayout("drawn_dogs", root, _sub_folders(root), split, near_duplicates=False)


def _of_folder(photos: str | Path) -> PhotoLayout:
    """Returns the layout of a folder: Stanford Dogs with its official lists and boxes, or one sub-folder per breed.

    The split of other photos is in `splits.csv` beside the sub-folders, or else random.
    """
    folder, split = Path(photos), splits.random_split
    if str(photos) == "stanford_dogs":
        folder = paths.data() / "stanford_dogs"
        if not folder.is_dir():
            raise StudyError(f"Stanford Dogs is not at {folder}: run dogbreeds data download, or set PHOTOS=folder")
    images = folder / "Images"
    if images.is_dir() and (folder / stanford_dogs.LISTS["test"]).is_file():
        split, boxes = partial(splits.official_split, folder), partial(stanford_dogs.boxes, folder)
        return PhotoLayout("stanford_dogs", images, _sub_folders(images), split, boxes)
    if (folder / splits.SPLITS_FILE).is_file():
        split = partial(splits.split_of_file, folder / splits.SPLITS_FILE)
    return PhotoLayout(folder.resolve().name, folder, _sub_folders(folder), split)


def _sub_folders(folder: Path) -> dict[str, Path]:
    """Returns the sub-folder of each breed."""
    if not folder.is_dir():
        raise StudyError(f"no folder {folder}: give a folder that has one sub-folder of photos per breed")
    entries = [entry for entry in sorted(folder.iterdir()) if entry.is_dir() and not entry.name.startswith(".")]
    return {STANFORD_PREFIX.sub("", entry.name): entry for entry in entries}


def _selected(layout: PhotoLayout, breeds: Sequence[str], study_breeds: Sequence[str]) -> PhotoLayout:
    """Returns the layout with `breeds` that are not in the study, in alphabetical order."""
    found = {breed: folder for breed, folder in layout.folders.items() if breed not in study_breeds}
    if study_breeds and len(found) < 2:
        study = f"the {len(study_breeds)} of the study"
        raise StudyError(f"{layout.root} has fewer than two breeds besides {study}: add breeds")
    if missing := ", ".join(breed for breed in breeds if breed not in found):
        raise StudyError(f"no sub-folder for {missing} in {layout.root}; it has {', '.join(found) or 'none'}")
    return replace(layout, folders={breed: found[breed] for breed in sorted(breeds or found)})
