"""Finds photos of the same scene by perceptual hash, so that they never end up in different splits."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import PIL
from jaxtyping import Bool, Int, UInt64
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from dogbreeds import files, paths
from dogbreeds.data import parallel_decoding
from dogbreeds.data.photo_files import perceptual_hash

NEAR_DUPLICATE_BITS = 3  # of 64: the largest difference between the hashes of two photos of the same scene


def hashes(photos: pd.DataFrame) -> UInt64[np.ndarray, " photos"]:
    """Returns the 64-bit perceptual hash of each photo in a table with the columns path and digest.

    Photos are decoded only on the first call. Raises StudyError if a photo cannot be decoded.
    """
    key = hashlib.sha256(" ".join([PIL.__version__, *photos["digest"]]).encode()).hexdigest()[:16]

    def make(unfinished: Path) -> None:
        tasks = [(path,) for path in photos["path"]]
        found = parallel_decoding.run(perceptual_hash, tasks, desc="searching for near-duplicates", delay=2)
        with unfinished.open("wb") as file:
            np.save(file, np.array(found, np.uint64))

    return np.load(files.once(paths.data() / "perceptual_hashes" / f"{key}.npy", make))


def pairs(hashes: UInt64[np.ndarray, " photos"]) -> Int[np.ndarray, "pairs 2"]:
    """Returns the row numbers of all pairs of near-duplicates, the lower number first."""
    found = []
    for row, number in enumerate(hashes):
        near = row + 1 + np.flatnonzero(np.bitwise_count(hashes[row + 1 :] ^ number) <= NEAR_DUPLICATE_BITS)
        found += [(row, other) for other in near]
    return np.array(found, int).reshape(-1, 2)


def groups(hashes: UInt64[np.ndarray, " photos"]) -> Int[np.ndarray, " photos"]:
    """Returns the group number of each photo; near-duplicates of near-duplicates belong to the same group."""
    first, second = pairs(hashes).T
    links = coo_array((np.ones(len(first)), (first, second)), shape=(len(hashes), len(hashes)))
    return connected_components(links, directed=False)[1]


def within(hashes: UInt64[np.ndarray, " photos"], others: UInt64[np.ndarray, " others"]) -> Bool[np.ndarray, " photos"]:
    """Returns a mask of the photos that are near-duplicates of at least one of `others`."""
    near = [(np.bitwise_count(others ^ number) <= NEAR_DUPLICATE_BITS).any() for number in hashes]
    return np.array(near, bool)
