"""Assigns photos to training, validation and test: at random with a seed, or as lists and folders say."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool
from sklearn.model_selection import train_test_split

from dogbreeds.data import near_duplicates
from dogbreeds.data.file_names import as_listed
from dogbreeds.data.photo_files import shown
from dogbreeds.errors import StudyError

SPLITS = ("train", "validation", "test")
NAMES = {"training": "train", "valid": "validation", "val": "validation", "dev": "validation", "testing": "test"}
# The share of the training photos that a split takes if no list or folder gives it; a tenth as in Stanford Dogs.
TAKEN = {"test": 0.25, "validation": 0.1}
AT_RANDOM = "drawn at random"


class Split(NamedTuple):
    """The split of each photo in a table, and where each of SPLITS comes from."""

    of_photos: np.ndarray
    origin: dict[str, str]


def split_of_name(name: str) -> str | None:
    """Returns the split that a word such as `Train`, `val` or `dev` means, or None."""
    name = name.strip().lower()
    return name if name in SPLITS else NAMES.get(name)


def random_split(photos: pd.DataFrame, seed: int, test: float = 0.25, validation: float = 0.15) -> Split:
    """Returns a random stratified split; `test` and `validation` are shares of all photos.

    Near-duplicates (by the perceptual hashes in the column hash, if any) get the split of the first of them.
    """
    labels, share = photos["label"], validation / (1 - test)
    splits = np.full(len(labels), "train", dtype=object)
    rest, test = train_test_split(np.arange(len(labels)), test_size=test, stratify=labels, random_state=seed)
    _, validation = train_test_split(rest, test_size=share, stratify=labels.iloc[rest], random_state=seed)
    splits[test], splits[validation] = "test", "validation"
    if "hash" in photos:
        groups = near_duplicates.groups(photos["hash"].to_numpy())
        first = np.unique(groups, return_index=True)[1]
        splits = splits[first[groups]]
    return Split(splits, dict.fromkeys(SPLITS, AT_RANDOM))


def split_of_other_breeds(photos: pd.DataFrame, seed: int) -> Split:
    """Returns a random split in which 90 % of the photos are for training: no test of these breeds is needed."""
    share = max(0.05, photos["label"].nunique() / len(photos))  # at least one photo of each breed
    return random_split(photos, seed, test=share, validation=share)


def given_split(given: Callable[[], dict[str, str]], source: str, photos: pd.DataFrame, seed: int) -> Split:
    """Returns the split that `given()` assigns to the names of photos. `source` says in words where this is from.

    A test or validation split that is not given is taken from the training photos, stratified and seeded (TAKEN).
    Raises StudyError if a photo has no split, or if there are too few training photos.
    """
    splits = photos["name"].map(as_listed).map(given()).to_numpy(dtype=object)
    if pd.isna(splits).any():
        first = photos["name"][pd.isna(splits)].iloc[0]
        raise StudyError(f"no split for {first!r} in {source}: add it, or remove the photo")
    origin = dict.fromkeys(SPLITS, source)
    for split, share in TAKEN.items():
        if (splits == split).any():
            continue
        train = np.flatnonzero(splits == "train")
        labels = photos["label"].iloc[train]
        wanted = max(round(share * len(train)), labels.nunique())  # at least one of each breed
        try:
            _, taken = train_test_split(train, test_size=wanted, stratify=labels, random_state=seed)
        except ValueError as error:
            raise StudyError(f"too few training photos to take a {split} split from: add photos") from error
        splits[taken], origin[split] = split, f"taken from the training photos of {source}"
    return Split(splits, origin)


def read_splits(file: Path) -> dict[str, str]:
    """Returns the split of each photo on a list with the columns path and split; StudyError if it is malformed."""
    try:
        listed = pd.read_csv(file, dtype=str, encoding="utf-8-sig", keep_default_na=False)
        names, splits = listed["path"].map(as_listed), listed["split"].map(split_of_name)
    except (OSError, ValueError, KeyError) as error:
        raise StudyError(f"{shown(file)} is not a list of splits: it needs the columns path and split") from error
    if names.duplicated().any() or splits.isna().any():
        raise StudyError(f"{shown(file)} must list each photo once, with one of {', '.join(SPLITS)}")
    return dict(zip(names, splits, strict=True))


def leaks(photos: pd.DataFrame) -> Bool[np.ndarray, " photos"]:
    """Returns a mask of photos with a near-duplicate in a later split, which would leak into the evaluation."""
    order = photos["split"].map(SPLITS.index).to_numpy()
    first, second = near_duplicates.pairs(photos["hash"].to_numpy()).T
    earlier = [*first[order[first] < order[second]], *second[order[second] < order[first]]]
    return np.isin(np.arange(len(photos)), earlier)
