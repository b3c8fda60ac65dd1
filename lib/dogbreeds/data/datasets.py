"""Tables of photos: `load("drawn_dogs" | "stanford_dogs" | folder)` returns a Dataset with a fixed split."""

import hashlib
import re
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool

from dogbreeds import paths
from dogbreeds.data import drawn_dogs, near_duplicates, splits, stanford_dogs
from dogbreeds.data.photo_files import photo_name, size_and_digest
from dogbreeds.errors import StudyError
from dogbreeds.translation import _

DRAWINGS = 110  # per breed, unless photos_per_breed is given
FEWEST_PHOTOS = 8  # per breed, so that each split contains some
LEAKED = "near-duplicate of a photo in a later split"
STANFORD_PREFIX = re.compile(r"^n\d{8}-")  # the WordNet id before a breed's name


@dataclass(frozen=True)
class Dataset:
    """Photos of several breeds, with their splits.

    `photos` has one row per photo: path, breed, label (0 to breeds - 1), split, the sha256 of its bytes, and the width
    and height in pixels as displayed (EXIF rotation applied); for Stanford Dogs also its bounding box and the size of
    the frame that the box refers to. `fingerprint` changes with any byte of any photo, any box, the breeds and the
    split. `left_out` maps each file that was left out of `photos` to the reason.
    """

    name: str
    photos: pd.DataFrame
    breeds: tuple[str, ...]
    fingerprint: str
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def drawn(self) -> bool:
        return self.name == "drawn_dogs"

    @property
    def kind(self) -> str:
        """The word that titles use for the photos, so that they never present drawn dogs as photographs."""
        return _("drawn dogs") if self.drawn else _("photographs")

    def rows(self, split: str) -> np.ndarray:
        """Returns the row numbers of one split."""
        return np.flatnonzero(self.photos["split"] == split)


def load(
    photos: str | Path,
    breeds: Sequence[str] = (),
    photos_per_breed: int | None = None,
    split_seed: int = 0,
    leave_out_broken: bool = False,
    other_than: Dataset | None = None,
    test_drawings_per_breed: int = 0,
) -> Dataset:
    """Returns the dataset in the folder `photos`, or the dataset with that name.

    `breeds` selects sub-folders (all if empty), and `photos_per_breed` limits the number of photos of each. Stanford
    Dogs keeps its official test list; a tenth of its training list, stratified and drawn with `split_seed`, becomes the
    validation split. A folder may contain `splits.csv`. Without this file, `split_seed` draws a stratified split of
    60 % training, 15 % validation and 25 % test. For drawn dogs, `test_drawings_per_breed` adds that many drawings per
    breed: the test split has this many per breed, and a fifth of the others become validation. With `other_than`, the
    dataset contains the breeds that are not in that dataset, to learn initial weights from. No test of them is needed,
    so 90 % of their photos are for training, and lists of splits are ignored.

    Photos of the same scene (`near_duplicates`) are never in different splits. If the split is drawn, they get the same
    split. If a list gives the split, the photo in the earlier split is left out. With `other_than`, photos that are
    near-duplicates of photos in that dataset are also left out. With `leave_out_broken`, every photo is decoded first;
    photos that cannot be decoded are left out, and standard error lists each of them.

    Raises StudyError if the folder is missing or empty, if there is only one breed, if a breed is unknown or has fewer
    than 8 photos, if a file is not an image, and if the splits do not fit the photos.
    """
    if str(photos) == "drawn_dogs":
        return _load_drawn_dogs(breeds, photos_per_breed or DRAWINGS, split_seed, other_than, test_drawings_per_breed)
    if test_drawings_per_breed:
        raise StudyError(f"only drawn dogs can have extra test drawings: set test_drawings_per_breed to 0 for {photos}")
    folder = paths.data() / "stanford_dogs" if str(photos) == "stanford_dogs" else Path(photos)
    if str(photos) == "stanford_dogs" and not folder.is_dir():
        raise StudyError(f"Stanford Dogs is not at {folder}: run dogbreeds data download, or set PHOTOS=folder")
    official = (folder / "Images").is_dir() and (folder / stanford_dogs.LISTS["test"]).is_file()
    folders = _breed_folders(folder / "Images" if official else folder, breeds, other_than)
    table, left_out = _photo_table(folders, photos_per_breed, leave_out_broken)
    hashes = near_duplicates.hashes(table)
    if other_than:
        of_study = near_duplicates.within(hashes, near_duplicates.hashes(other_than.photos))
        table = _leave_out(table, of_study, "near-duplicate of a photo of the study", left_out)
        _require_enough_photos(table, folders)
        table["split"] = splits.kept_together(_split_of_other_breeds(table, split_seed), hashes[~of_study])
    elif official:
        table["split"] = splits.official_split(table, stanford_dogs.official_splits(folder), split_seed)
        table = _leave_out(table, splits.leaks(table["split"], hashes), LEAKED, left_out)
    elif (folder / splits.SPLITS_FILE).is_file():
        table["split"] = splits.split_of_file(table, folder / splits.SPLITS_FILE)
        table = _leave_out(table, splits.leaks(table["split"], hashes), LEAKED, left_out)
    else:
        table["split"] = splits.kept_together(splits.random_split(table["label"], split_seed), hashes)
    boxes = stanford_dogs.boxes(folder, list(table["path"])) if official else None
    return _dataset("stanford_dogs" if official else folder.resolve().name, table, folders, left_out, boxes)


def _load_drawn_dogs(
    breeds: Sequence[str], photos_per_breed: int, split_seed: int, other_than: Dataset | None, test_drawings: int
) -> Dataset:
    """Does not search for near-duplicates: every drawing is made from its own random numbers."""
    wanted = list(breeds or drawn_dogs.TARGET)
    if other_than:
        wanted = [breed for breed in drawn_dogs.BREEDS if breed not in other_than.breeds]
    each = photos_per_breed + test_drawings
    folders = _breed_folders(_drawn_folder(wanted, each), (), None)
    table, _ = _photo_table(folders, None, leave_out_broken=False)
    share = test_drawings / each
    if other_than:
        table["split"] = _split_of_other_breeds(table, split_seed)
    elif test_drawings:
        table["split"] = splits.random_split(table["label"], split_seed, test=share, validation=0.2 * (1 - share))
    else:
        table["split"] = splits.random_split(table["label"], split_seed)
    return _dataset("drawn_dogs", table, folders, {}, None)


def _dataset(
    name: str, table: pd.DataFrame, folders: dict[str, Path], left_out: dict[str, str], boxes: pd.DataFrame | None
) -> Dataset:
    empty = [split for split in splits.SPLITS if split not in set(table["split"])]
    if empty:
        raise StudyError(f"{name} has too many near-duplicates, no photo is left for {', '.join(empty)}: add photos")
    digest = hashlib.sha256(repr(tuple(folders)).encode())
    if boxes is not None:
        table = table.join(boxes)
        digest.update(boxes.to_csv().encode())
    for row in table.itertuples():
        digest.update(f"{row.split} {photo_name(row.path)!r} {row.digest} ".encode())
    return Dataset(name, table, tuple(folders), digest.hexdigest()[:16], left_out)


def _split_of_other_breeds(table: pd.DataFrame, seed: int) -> np.ndarray:
    share = max(0.05, table["label"].nunique() / len(table))  # at least one photo of each breed
    return splits.random_split(table["label"], seed, test=share, validation=share)


def _leave_out(
    table: pd.DataFrame, rows: Bool[np.ndarray, " photos"], reason: str, left_out: dict[str, str]
) -> pd.DataFrame:
    """Returns the table without `rows`, adds these to `left_out`, and prints their number to standard error."""
    names = table.loc[rows, "path"].map(photo_name)
    left_out.update(dict.fromkeys(names, reason))
    if len(names):
        counted = f"{len(names)} of {len(table)} photos ({reason}), the first {names.iloc[0]!r}"
        print(f"dogbreeds: left out: {counted}", file=sys.stderr)
    return table[~rows].reset_index(drop=True)


def _drawn_folder(wanted: list[str], photos_per_breed: int) -> Path:
    unknown = set(wanted) - set(drawn_dogs.BREEDS)
    if unknown:
        raise StudyError(f"no drawing of {', '.join(sorted(unknown))}: choose from {', '.join(drawn_dogs.BREEDS)}")
    # The key includes the drawing code, so that the dogs are drawn again after a change to it.
    code = [path.read_bytes() for path in sorted(Path(drawn_dogs.__file__).parent.glob("*.py"))]
    key = hashlib.sha256(repr((wanted, photos_per_breed, 0, code)).encode()).hexdigest()[:8]
    return drawn_dogs.write(paths.data() / "drawn_dogs" / key, wanted, photos_per_breed, 0)


def _breed_folders(folder: Path, breeds: Sequence[str], other_than: Dataset | None) -> dict[str, Path]:
    """Returns the sub-folder of each breed, in alphabetical order of the breeds."""
    if not folder.is_dir():
        raise StudyError(f"no folder {folder}: give a folder that has one sub-folder of photos per breed")
    found = {STANFORD_PREFIX.sub("", entry.name): entry for entry in sorted(folder.iterdir()) if entry.is_dir()}
    found = {breed: entry for breed, entry in found.items() if not breed.startswith(".")}
    if other_than:
        found = {breed: entry for breed, entry in found.items() if breed not in other_than.breeds}
        if len(found) < 2:
            count = len(other_than.breeds)
            raise StudyError(f"{folder} has fewer than two breeds besides the {count} of the study: add breeds")
    missing = [breed for breed in breeds if breed not in found]
    if missing:
        raise StudyError(f"no sub-folder for {', '.join(missing)} in {folder}; it has {', '.join(found) or 'none'}")
    chosen = {breed: found[breed] for breed in sorted(breeds or found)}
    if len(chosen) < 2:
        raise StudyError(f"{len(chosen)} breeds in {folder}: the study needs sub-folders of at least two breeds")
    return chosen


def _photo_table(
    folders: dict[str, Path], photos_per_breed: int | None, leave_out_broken: bool
) -> tuple[pd.DataFrame, dict[str, str]]:
    rows, left_out = [], {}
    for label, (breed, folder) in enumerate(folders.items()):
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        if photos_per_breed and len(files) > photos_per_breed:
            chosen = np.random.default_rng([0, label]).choice(len(files), photos_per_breed, replace=False)
            files = [files[index] for index in sorted(chosen)]
        with ThreadPoolExecutor() as pool:
            read = list(pool.map(lambda path: _size_and_digest(path, leave_out_broken), files))
        for path, found in zip(files, read, strict=True):
            if isinstance(found, StudyError) and not leave_out_broken:
                raise found
            if isinstance(found, StudyError):
                left_out[photo_name(path)] = "cannot be read"
                print(f"dogbreeds: left out: {found}", file=sys.stderr)
            else:
                rows.append((path, breed, label, *found))
    table = pd.DataFrame(rows, columns=["path", "breed", "label", "width", "height", "digest"])
    _require_enough_photos(table, folders)
    return table, left_out


def _size_and_digest(path: Path, decode: bool) -> tuple[int, int, str] | StudyError:
    try:
        return size_and_digest(path, decode)
    except StudyError as error:
        return error


def _require_enough_photos(table: pd.DataFrame, folders: dict[str, Path]) -> None:
    counts = table["breed"].value_counts().reindex(list(folders), fill_value=0)
    few = [f"{count} photos of {breed}" for breed, count in counts.items() if count < FEWEST_PHOTOS]
    if few:
        folder = next(iter(folders.values())).parent
        raise StudyError(f"{', '.join(few)} in {folder}: each breed needs at least {FEWEST_PHOTOS} photos")
