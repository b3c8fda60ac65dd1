"""Assigns photos to training, validation and test: at random with a seed, or from lists."""

from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool
from sklearn.model_selection import train_test_split

from dogbreeds.data import near_duplicates, stanford_dogs
from dogbreeds.data.photo_files import photo_name
from dogbreeds.errors import StudyError

SPLITS = ("train", "validation", "test")
SPLITS_FILE = "splits.csv"  # in a folder of photos, with the columns path (breed folder/file) and split


def random_split(photos: pd.DataFrame, seed: int, test: float = 0.25, validation: float = 0.15) -> np.ndarray:
    """Returns a random stratified split; `test` and `validation` are shares of all photos.

    Near-duplicates (by the perceptual hashes in the column hash, if any) get the split of the first of them.
    """
    labels, share = photos["label"], validation / (1 - test)
    splits = np.full(len(labels), "train", dtype=object)
    rest, test = train_test_split(np.arange(len(labels)), test_size=test, stratify=labels, random_state=seed)
    _, validation = train_test_split(rest, test_size=share, stratify=labels.iloc[rest], random_state=seed)
    splits[test], splits[validation] = "test", "validation"
    if "hash" not in photos:
        return splits
    groups = near_duplicates.groups(photos["hash"].to_numpy())
    first = np.unique(groups, return_index=True)[1]
    return splits[first[groups]]


def split_of_other_breeds(photos: pd.DataFrame, seed: int) -> np.ndarray:
    """Returns a random split in which 90 % of the photos are for training: no test of these breeds is needed."""
    share = max(0.05, photos["label"].nunique() / len(photos))  # at least one photo of each breed
    return random_split(photos, seed, test=share, validation=share)


def official_split(folder: Path, photos: pd.DataFrame, seed: int) -> np.ndarray:
    """Returns the official split, in which a tenth of the training photos, stratified and seeded, are validation.

    Raises StudyError if a photo is on neither list, or if there are too few photos for validation.
    """
    names = photos["path"].map(photo_name)
    splits = names.map(stanford_dogs.official_splits(folder)).to_numpy()
    if pd.isna(splits).any():
        first = names[pd.isna(splits)].iloc[0]
        raise StudyError(f"{first!r} is on neither official list: remove it, or use the Images folder itself as photos")
    train = np.flatnonzero(splits == "train")
    labels = photos["label"].iloc[train]
    wanted = max(round(len(train) / 10), photos["label"].nunique())  # at least one of each breed
    try:
        _, validation = train_test_split(train, test_size=wanted, stratify=labels, random_state=seed)
    except ValueError as error:
        raise StudyError("too few photos on the training list for validation: increase photos_per_breed") from error
    splits[validation] = "validation"
    return splits


def split_of_file(file: Path, photos: pd.DataFrame, seed: int) -> np.ndarray:
    """Returns the split in `file`; the seed has no effect. Raises StudyError if it does not fit the photos."""
    try:
        listed = pd.read_csv(file, dtype=str).set_index("path")["split"]
    except (OSError, ValueError, KeyError) as error:
        raise StudyError(f"{file} is not a list of splits: it needs the columns path and split") from error
    if listed.index.has_duplicates or not listed.isin(SPLITS).all():
        raise StudyError(f"{file} must list each photo once, with one of {', '.join(SPLITS)}")
    names = photos["path"].map(photo_name)
    splits = names.map(listed)
    if splits.isna().any():
        raise StudyError(f"{file} has no split for {names[splits.isna()].iloc[0]!r}: add one line per photo")
    if lacking := [split for split in SPLITS if split not in set(splits)]:
        raise StudyError(f"{file} assigns no photo to {', '.join(lacking)}: each split needs at least one")
    return splits.to_numpy()


def leaks(photos: pd.DataFrame) -> Bool[np.ndarray, " photos"]:
    """Returns a mask of photos with a near-duplicate in a later split, which would leak into the evaluation."""
    order = photos["split"].map(SPLITS.index).to_numpy()
    first, second = near_duplicates.pairs(photos["hash"].to_numpy()).T
    earlier = [*first[order[first] < order[second]], *second[order[second] < order[first]]]
    return np.isin(np.arange(len(photos)), earlier)
