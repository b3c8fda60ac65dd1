"""Tables of photos: `load("drawn_dogs" | "stanford_dogs" | folder)` gives a Dataset with a fixed split."""

import hashlib
import re
import sys
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageOps, UnidentifiedImageError
from sklearn.model_selection import train_test_split

from dogbreeds import drawing, drawn_dogs, paths, stanford_dogs
from dogbreeds.errors import StudyError

SPLITS = ("train", "validation", "test")
DRAWINGS = 110  # of each breed, where their number is not given
FEWEST_PHOTOS = 8  # a breed needs some photos in each split
STANFORD_PREFIX = re.compile(r"^n\d{8}-")  # the WordNet id before a breed's name
SPLITS_FILE = "splits.csv"  # in a folder of photos: the columns path (breed folder/file) and split
REMEDY = "repair it, take it out, or set leave_out_broken"
# A header that claims more pixels than Pillow trusts is an error at once, not a warning first.
warnings.simplefilter("error", Image.DecompressionBombWarning)


@dataclass(frozen=True)
class Dataset:
    """Photos of some breeds.

    `photos` has one row a photo: path, breed, label (0 to breeds - 1), split, the sha256 of its bytes, width and height
    in pixels as it is shown (EXIF rotation applied); of Stanford Dogs also its box and the frame that belongs to.
    `fingerprint` changes with any byte of any photo, any box, the breeds and the split. `left_out` names the files
    that could not be read and are no part of `photos`.
    """

    name: str
    photos: pd.DataFrame
    breeds: tuple[str, ...]
    fingerprint: str
    left_out: tuple[str, ...] = ()

    @property
    def drawn(self) -> bool:
        return self.name == "drawn_dogs"

    @property
    def kind(self) -> str:
        """What the pictures are called in titles: drawn dogs are never passed off as photographs."""
        return "drawn dogs" if self.drawn else "photographs"

    def rows(self, split: str) -> np.ndarray:
        """The row numbers of one split."""
        return np.flatnonzero(self.photos["split"] == split)


def open_photo(path: Path) -> Image.Image:
    """The photo decoded to its end, turned as its EXIF says, in RGB; transparency is dropped.

    Raises StudyError for a file that is no picture, a broken one, and one of a single channel of more than 8 bits. Of
    16-bit RGB Pillow reads the upper 8 bits.
    """
    try:
        with Image.open(path) as photo:
            if photo.mode[0] in "IF":  # converting would cut off all that is brighter than 255
                raise StudyError(f"{shown(path)} has more than 8 bits a channel: save it as 8-bit RGB")
            if "transparency" in photo.info:
                photo = photo.convert("RGBA")
            return ImageOps.exif_transpose(photo).convert("RGB")
    except StudyError:
        raise
    except UnidentifiedImageError as error:
        raise StudyError(f"{shown(path)} is no picture that can be read: {REMEDY}") from error
    except Exception as error:  # two dozen decoders at the mercy of a broken file raise whatever they meet
        raise StudyError(f"{shown(path)} cannot be decoded ({type(error).__name__}): {REMEDY}") from error


def shown(path: Path) -> str:
    """A path on one line, whatever its name holds."""
    return str(path) if str(path).isprintable() else repr(str(path))


def load(
    photos: str | Path,
    breeds: Sequence[str] = (),
    photos_per_breed: int | None = None,
    seed: int = 0,
    leave_out_broken: bool = False,
    other_breeds: bool = False,
    test_drawings_per_breed: int = 0,
) -> Dataset:
    """The dataset in the folder `photos`, or the one of that name.

    `breeds` picks some of the sub-folders (all when empty), `photos_per_breed` at most so many of each. Stanford Dogs
    keeps its official test list; a tenth of its training list, stratified and seeded, becomes validation. A folder may
    hold `splits.csv`; otherwise the seeded, stratified split gives 60 % to training, 15 % to validation and 25 % to
    test. Of drawn dogs `test_drawings_per_breed` more of each can be drawn: then so many are the test, and a fifth
    of the others are validation. With `leave_out_broken` every photo is decoded first, and those that cannot be are
    left out, each named on standard error. With `other_breeds` it is all the others, to learn start weights from:
    none of their photos needs to be kept for a test, so 90 % are for training, whatever the lists say. Raises
    StudyError for a missing or empty folder, a single breed, an unknown breed, a file that is no picture, and for
    splits that do not fit the photos.
    """
    if str(photos) == "drawn_dogs":
        wanted = breeds or tuple(drawn_dogs.TARGET)
        if other_breeds:
            wanted, breeds = [breed for breed in drawn_dogs.BREEDS if breed not in wanted], ()
        photos_per_breed = (photos_per_breed or DRAWINGS) + test_drawings_per_breed
        folder = _drawn_folder(list(wanted), photos_per_breed, seed)
    elif test_drawings_per_breed:
        raise StudyError(f"only drawn dogs can be drawn for the test: set test_drawings_per_breed to 0 for {photos}")
    else:
        folder = paths.data() / "stanford_dogs" if str(photos) == "stanford_dogs" else Path(photos)
        if str(photos) == "stanford_dogs" and not folder.is_dir():
            raise StudyError(f"Stanford Dogs is not at {folder}: run dogbreeds data download, or give PHOTOS=folder")
    official = (folder / "Images").is_dir() and (folder / stanford_dogs.LISTS["test"]).is_file()
    folders = _breed_folders(folder / "Images" if official else folder, () if other_breeds else breeds)
    if other_breeds:
        folders = {breed: path for breed, path in folders.items() if breed not in breeds}
        if len(folders) < 2:
            raise StudyError(f"{folder} has no two breeds besides the {len(breeds)} of the study to learn from")
    table, left_out = _photo_table(folders, photos_per_breed, seed, leave_out_broken)
    digest = hashlib.sha256(repr(tuple(folders)).encode())
    if other_breeds:
        share = max(0.05, len(folders) / len(table))  # one photo of each breed at least
        table["split"] = _split(table["label"], seed, test=share, validation=share)
    elif official:
        table["split"] = _official_split(table, stanford_dogs.official_splits(folder), seed)
    elif (folder / SPLITS_FILE).is_file():
        table["split"] = _split_of_file(table, folder / SPLITS_FILE)
    elif test_drawings_per_breed:
        share = test_drawings_per_breed / photos_per_breed
        table["split"] = _split(table["label"], seed, test=share, validation=0.2 * (1 - share))
    else:
        table["split"] = _split(table["label"], seed)
    if official:
        boxes = stanford_dogs.boxes(folder, list(table["path"]))
        table = table.join(boxes)
        digest.update(boxes.to_csv().encode())
    for row in table.itertuples():
        digest.update(f"{row.split} {photo_name(row.path)!r} {row.digest} ".encode())
    name = "stanford_dogs" if official else "drawn_dogs" if str(photos) == "drawn_dogs" else folder.resolve().name
    return Dataset(name, table, tuple(folders), digest.hexdigest()[:16], left_out)


def photo_name(path: Path) -> str:
    """A photo as the lists of a dataset name it: breed folder/file."""
    return f"{path.parent.name}/{path.name}"


def _drawn_folder(wanted: list[str], photos_per_breed: int, seed: int) -> Path:
    unknown = set(wanted) - set(drawn_dogs.BREEDS)
    if unknown:
        raise StudyError(f"no drawing of {', '.join(sorted(unknown))}; there are {', '.join(drawn_dogs.BREEDS)}")
    code = [Path(module.__file__).read_bytes() for module in (drawing, drawn_dogs)]  # another drawing is another dog
    key = hashlib.sha256(repr((wanted, photos_per_breed, seed, code)).encode()).hexdigest()[:8]
    return drawn_dogs.write(paths.data() / "drawn_dogs" / key, wanted, photos_per_breed, seed)


def _breed_folders(folder: Path, breeds: Sequence[str]) -> dict[str, Path]:
    """Breed names, in alphabetical order, and their sub-folders."""
    if not folder.is_dir():
        raise StudyError(f"no folder {folder}: give one that has a sub-folder of photos for each breed")
    found = {STANFORD_PREFIX.sub("", entry.name): entry for entry in sorted(folder.iterdir()) if entry.is_dir()}
    found = {breed: entry for breed, entry in found.items() if not breed.startswith(".")}
    missing = [breed for breed in breeds if breed not in found]
    if missing:
        raise StudyError(f"no sub-folder for {', '.join(missing)} in {folder}; it has {', '.join(found) or 'none'}")
    chosen = {breed: found[breed] for breed in sorted(breeds or found)}
    if len(chosen) < 2:
        raise StudyError(f"{len(chosen)} breeds in {folder}: a comparison needs sub-folders of at least two")
    return chosen


def _photo_table(
    folders: dict[str, Path], photos_per_breed: int | None, seed: int, leave_out_broken: bool
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    rows, broken, few = [], [], []
    for label, (breed, folder) in enumerate(folders.items()):
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        if photos_per_breed and len(files) > photos_per_breed:
            chosen = np.random.default_rng([seed, label]).choice(len(files), photos_per_breed, replace=False)
            files = [files[index] for index in sorted(chosen)]
        with ThreadPoolExecutor() as pool:
            read = list(pool.map(lambda path: _read(path, fully=leave_out_broken), files))
        for path, found in zip(files, read, strict=True):
            if isinstance(found, StudyError) and not leave_out_broken:
                raise found
            if isinstance(found, StudyError):
                broken.append(photo_name(path))
                print(f"dogbreeds: left out: {found}", file=sys.stderr)
            else:
                rows.append((path, breed, label, *found))
        photos = sum(not isinstance(found, StudyError) for found in read)
        few += [f"{photos} photos of {breed}"] * (photos < FEWEST_PHOTOS)
    if few:
        raise StudyError(f"{', '.join(few)} in {folder.parent}: at least {FEWEST_PHOTOS} of a breed are needed")
    return pd.DataFrame(rows, columns=["path", "breed", "label", "width", "height", "digest"]), tuple(broken)


def _read(path: Path, fully: bool) -> tuple[int, int, str] | StudyError:
    """Width, height and hash of a photo, or what is wrong with it; its pixels are decoded only when `fully`."""
    try:
        if fully:
            size = open_photo(path).size
        else:
            with Image.open(path) as photo:
                turned = photo.getexif().get(0x0112, 1) >= 5  # EXIF orientations that lay a photo on its side
                size = photo.size[::-1] if turned else photo.size
        return *size, hashlib.sha256(path.read_bytes()).hexdigest()
    except StudyError as error:
        return error
    except Exception:  # see open_photo
        return StudyError(f"{shown(path)} is no picture that can be read: {REMEDY}")


def _split(labels: pd.Series, seed: int, test: float = 0.25, validation: float = 0.15) -> np.ndarray:
    """Random, stratified; `test` and `validation` are shares of all photos."""
    splits, share = np.full(len(labels), "train", dtype=object), validation / (1 - test)
    rest, test = train_test_split(np.arange(len(labels)), test_size=test, stratify=labels, random_state=seed)
    _, validation = train_test_split(rest, test_size=share, stratify=labels.iloc[rest], random_state=seed)
    splits[test], splits[validation] = "test", "validation"
    return splits


def _official_split(table: pd.DataFrame, official: dict[str, str], seed: int) -> np.ndarray:
    splits = table["path"].map(lambda path: official.get(photo_name(path))).to_numpy()
    if pd.isna(splits).any():
        first = photo_name(table["path"][int(np.flatnonzero(pd.isna(splits))[0])])
        raise StudyError(f"{first!r} is on neither official list: take it out, or give the Images folder itself")
    train = np.flatnonzero(splits == "train")
    labels = table["label"].iloc[train]
    wanted = max(round(len(train) / 10), table["label"].nunique())  # one of each breed at least
    try:
        _, validation = train_test_split(train, test_size=wanted, stratify=labels, random_state=seed)
    except ValueError as error:
        raise StudyError("too few photos on the training list for a validation: raise photos_per_breed") from error
    splits[validation] = "validation"
    return splits


def _split_of_file(table: pd.DataFrame, file: Path) -> np.ndarray:
    try:
        listed = pd.read_csv(file, dtype=str).set_index("path")["split"]
    except (OSError, ValueError, KeyError) as error:
        raise StudyError(f"{file} is no list of splits: it needs the columns path and split") from error
    if listed.index.has_duplicates or not listed.isin(SPLITS).all():
        raise StudyError(f"{file} must name each photo once, with one of {', '.join(SPLITS)}")
    splits = table["path"].map(photo_name).map(listed)
    if splits.isna().any():
        first = photo_name(table["path"][int(np.flatnonzero(splits.isna())[0])])
        raise StudyError(f"{file} has no split for {first!r}: add a line for every photo")
    lacking = [split for split in SPLITS if split not in set(splits)]
    if lacking:
        raise StudyError(f"{file} puts no photo into {', '.join(lacking)}: each split needs some")
    return splits.to_numpy()
