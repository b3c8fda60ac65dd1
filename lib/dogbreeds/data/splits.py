"""Which photos train, validate and test: drawn at random from a seed, or read from lists."""

from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, UInt64
from sklearn.model_selection import train_test_split

from dogbreeds.data import near_duplicates
from dogbreeds.data.photo_files import photo_name
from dogbreeds.errors import StudyError

SPLITS = ("train", "validation", "test")
SPLITS_FILE = "splits.csv"  # in a folder of photos: the columns path (breed folder/file) and split


def random_split(labels: pd.Series, seed: int, test: float = 0.25, validation: float = 0.15) -> np.ndarray:
    """Stratified; `test` and `validation` are shares of all photos."""
    splits, share = np.full(len(labels), "train", dtype=object), validation / (1 - test)
    rest, test = train_test_split(np.arange(len(labels)), test_size=test, stratify=labels, random_state=seed)
    _, validation = train_test_split(rest, test_size=share, stratify=labels.iloc[rest], random_state=seed)
    splits[test], splits[validation] = "test", "validation"
    return splits


def official_split(photos: pd.DataFrame, listed: dict[str, str], seed: int) -> np.ndarray:
    """The test of the official list; a tenth of its training photos, stratified and seeded, becomes validation.

    Raises StudyError for a photo that is on no list, and for a breed without a photo for validation.
    """
    splits = photos["path"].map(lambda path: listed.get(photo_name(path))).to_numpy()
    if pd.isna(splits).any():
        first = photo_name(photos["path"][int(np.flatnonzero(pd.isna(splits))[0])])
        raise StudyError(f"{first!r} is on neither official list: take it out, or give the Images folder itself")
    train = np.flatnonzero(splits == "train")
    labels = photos["label"].iloc[train]
    wanted = max(round(len(train) / 10), photos["label"].nunique())  # one of each breed at least
    try:
        _, validation = train_test_split(train, test_size=wanted, stratify=labels, random_state=seed)
    except ValueError as error:
        raise StudyError("too few photos on the training list for a validation: raise photos_per_breed") from error
    splits[validation] = "validation"
    return splits


def split_of_file(photos: pd.DataFrame, file: Path) -> np.ndarray:
    """As the file says; raises StudyError where it does not fit the photos."""
    try:
        listed = pd.read_csv(file, dtype=str).set_index("path")["split"]
    except (OSError, ValueError, KeyError) as error:
        raise StudyError(f"{file} is no list of splits: it needs the columns path and split") from error
    if listed.index.has_duplicates or not listed.isin(SPLITS).all():
        raise StudyError(f"{file} must name each photo once, with one of {', '.join(SPLITS)}")
    splits = photos["path"].map(photo_name).map(listed)
    if splits.isna().any():
        first = photo_name(photos["path"][int(np.flatnonzero(splits.isna())[0])])
        raise StudyError(f"{file} has no split for {first!r}: add a line for every photo")
    lacking = [split for split in SPLITS if split not in set(splits)]
    if lacking:
        raise StudyError(f"{file} puts no photo into {', '.join(lacking)}: each split needs some")
    return splits.to_numpy()


def kept_together(splits: np.ndarray, hashes: UInt64[np.ndarray, " photos"]) -> np.ndarray:
    """The splits, with all near-duplicates of a photo in the split of the first of them."""
    groups = near_duplicates.groups(hashes)
    first = np.unique(groups, return_index=True)[1]
    return splits[first[groups]]


def leaks(splits: pd.Series, hashes: UInt64[np.ndarray, " photos"]) -> Bool[np.ndarray, " photos"]:
    """Which photos have a near-duplicate in a later split: a network would be tested on what it has learned."""
    order = splits.map(SPLITS.index).to_numpy()
    first, second = near_duplicates.pairs(hashes).T
    apart = order[first] != order[second]
    leaking = np.zeros(len(splits), bool)
    leaking[np.where(order[first] < order[second], first, second)[apart]] = True
    return leaking
