"""Tables of photos: `load("drawn_dogs" | "stanford_dogs" | folder)` gives a Dataset with a fixed, stratified split."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, UnidentifiedImageError
from sklearn.model_selection import train_test_split

from dogbreeds import drawn_dogs, paths
from dogbreeds.errors import StudyError

SPLITS = ("train", "validation", "test")
FEWEST_PHOTOS = 8  # a breed needs some photos in each split
STANFORD_PREFIX = re.compile(r"^n\d{8}-")  # the WordNet id before a breed's name


@dataclass(frozen=True)
class Dataset:
    """Photos of some breeds.

    `photos` has one row a photo: path, breed, label (0 to breeds - 1), split, width and height in pixels.
    `fingerprint` changes with any byte of any photo, with the breeds and with the split.
    """

    name: str
    photos: pd.DataFrame
    breeds: tuple[str, ...]
    fingerprint: str

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


def load(photos: str | Path, breeds: Sequence[str] = (), photos_per_breed: int | None = None, seed: int = 0) -> Dataset:
    """The dataset in the folder `photos`, or the one of that name.

    `breeds` picks some of the sub-folders (all when empty), `photos_per_breed` at most so many of each. The seeded,
    stratified split gives 60 % to training, 15 % to validation and 25 % to test.
    Raises StudyError for a missing or empty folder, a single breed, an unknown breed, a file that is no picture.
    """
    if str(photos) == "drawn_dogs":
        wanted = list(breeds or drawn_dogs.TARGET)
        unknown = set(wanted) - set(drawn_dogs.BREEDS)
        if unknown:
            raise StudyError(f"no drawing of {', '.join(sorted(unknown))}; there are {', '.join(drawn_dogs.BREEDS)}")
        key = hashlib.sha256(repr((wanted, photos_per_breed, seed)).encode()).hexdigest()[:8]
        folder = drawn_dogs.write(paths.data() / "drawn_dogs" / key, wanted, photos_per_breed or 110, seed)
    elif str(photos) == "stanford_dogs":
        folder = paths.data() / "stanford_dogs" / "Images"
        if not folder.is_dir():
            remedy = "extract images.tar of vision.stanford.edu/aditya86/ImageNetDogs there, or give PHOTOS=folder"
            raise StudyError(f"Stanford Dogs is not at {folder}: {remedy}")
    else:
        folder = Path(photos)
    folders = _breed_folders(folder, breeds)
    table = _photo_table(folders, photos_per_breed, seed)
    table["split"] = _split(table["label"], seed)
    digest = hashlib.sha256(repr(tuple(folders)).encode())
    for path, split in zip(table["path"], table["split"], strict=True):
        digest.update(f"{split} {path.parent.name}/{path.name} ".encode() + hashlib.sha256(path.read_bytes()).digest())
    name = str(photos) if str(photos) in ("drawn_dogs", "stanford_dogs") else folder.resolve().name
    return Dataset(name, table, tuple(folders), digest.hexdigest()[:16])


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


def _photo_table(folders: dict[str, Path], photos_per_breed: int | None, seed: int) -> pd.DataFrame:
    rows = []
    for label, (breed, folder) in enumerate(folders.items()):
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        if photos_per_breed and len(files) > photos_per_breed:
            chosen = np.random.default_rng([seed, label]).choice(len(files), photos_per_breed, replace=False)
            files = [files[index] for index in sorted(chosen)]
        if len(files) < FEWEST_PHOTOS:
            raise StudyError(f"{len(files)} photos of {breed} in {folder}: at least {FEWEST_PHOTOS} are needed")
        rows += [(path, breed, label, *_size(path)) for path in files]
    return pd.DataFrame(rows, columns=["path", "breed", "label", "width", "height"])


def _size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as picture:
            return picture.size
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise StudyError(f"{path} is no picture that can be read: repair it or take it out") from error


def _split(labels: pd.Series, seed: int) -> np.ndarray:
    splits = np.full(len(labels), "train", dtype=object)
    rest, test = train_test_split(np.arange(len(labels)), test_size=0.25, stratify=labels, random_state=seed)
    _, validation = train_test_split(rest, test_size=0.2, stratify=labels.iloc[rest], random_state=seed)
    splits[test], splits[validation] = "test", "validation"
    return splits
