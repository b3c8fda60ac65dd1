"""Tables of photos: `load("drawn_dogs" | "stanford_dogs" | folder)` returns a Dataset with a fixed split."""

import hashlib
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool

from dogbreeds.data import layouts, near_duplicates, splits
from dogbreeds.data.file_names import name_of
from dogbreeds.data.layouts import PhotoLayout
from dogbreeds.data.photo_files import shown, size_and_digest
from dogbreeds.errors import StudyError
from dogbreeds.translation import _

FEWEST_PHOTOS = 8  # per breed, so that each split contains some
OF_STUDY = "near-duplicate of a photo of the study"
LEAKED = "near-duplicate of a photo in a later split"


@dataclass(frozen=True)
class Dataset:
    """Photos of several breeds, with their splits.

    `photos` has one row per photo: path, name (the path below the folder), breed, label (0 to breeds - 1), split, the
    sha256 of its bytes, and the width and height in pixels as displayed (EXIF rotation applied); for Stanford Dogs also
    its bounding box and the size of the frame that the box refers to. `fingerprint` changes with any byte of any photo,
    any box, the breeds and the split. `left_out` maps each file or breed that was left out of `photos` to the reason,
    and `split_origin` maps each split to where it comes from.
    """

    name: str
    photos: pd.DataFrame
    breeds: tuple[str, ...]
    fingerprint: str
    left_out: dict[str, str] = field(default_factory=dict)
    split_origin: dict[str, str] = field(default_factory=dict)

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
    labels: str = "",
    breed_from: str = "folder",
    leave_out_small: bool = False,
) -> Dataset:
    """Returns the dataset in the folder `photos`, or the dataset with that name. For the kinds of folder see `layouts`.

    `breeds` selects breeds (all if empty), and `photos_per_breed` limits the number of photos of each. `split_seed`
    draws the part of the split that no list and no folder gives. With `leave_out_broken`, every photo is decoded first;
    photos that cannot be decoded are left out, and standard error lists each of them. With `leave_out_small`, breeds
    with fewer than 8 photos are left out. With `other_than`, the dataset contains the breeds that are not in that
    dataset, to learn initial weights from. `test_drawings_per_breed` is for drawn dogs. For `labels` and `breed_from`
    see `layouts.find`. One line on standard error says what was found in a folder of photos.

    Raises StudyError if the folder is missing or empty, if there is only one breed, if a breed is unknown or has fewer
    than 8 photos or no training photo, if a file is not an image, and if the splits do not fit the photos.
    """
    study_breeds = other_than.breeds if other_than else ()
    layout = layouts.find(photos, breeds, study_breeds, photos_per_breed, test_drawings_per_breed, labels, breed_from)
    most = photos_per_breed and photos_per_breed + test_drawings_per_breed
    left_out: dict[str, str] = {}
    table = _photo_table(layout, most, leave_out_broken, left_out)
    table, names = _without_small_breeds(layout, tuple(layout.files), table, leave_out_small, left_out)
    if layout.near_duplicates:
        table["hash"] = near_duplicates.hashes(table)
    if layout.near_duplicates and other_than:
        of_study = near_duplicates.within(table["hash"].to_numpy(), near_duplicates.hashes(other_than.photos))
        table = _leave_out(table, of_study, OF_STUDY, left_out)
        table, names = _without_small_breeds(layout, names, table, leave_out_small, left_out)
    table["split"], origin = layout.split(table, split_seed)
    if layout.near_duplicates:
        table = _leave_out(table, splits.leaks(table), LEAKED, left_out).drop(columns="hash")
    _require_every_split(layout, table, names)
    boxes = layout.boxes(list(table["path"])) if layout.boxes else pd.DataFrame(index=table.index)
    if layout.name != "drawn_dogs":
        _say(f"found: {layout.kind}, {len(names)} breeds, {len(table)} photos")
        for split, source in origin.items():
            if source != origin["train"]:
                _say(f"{split} split: {source}")
    return Dataset(layout.name, table.join(boxes), names, _fingerprint(names, table, boxes), left_out, origin)


def _photo_table(
    layout: PhotoLayout, most: int | None, leave_out_broken: bool, left_out: dict[str, str]
) -> pd.DataFrame:
    """Returns one row per photo, at most `most` per breed; adds the files that cannot be read to `left_out`."""
    rows = []
    for label, (breed, files) in enumerate(layout.files.items()):
        if most and len(files) > most:
            chosen = np.random.default_rng([0, label]).choice(len(files), most, replace=False)
            files = [files[index] for index in sorted(chosen)]
        with ThreadPoolExecutor() as pool:
            read = [pool.submit(size_and_digest, path, leave_out_broken) for path in files]
        for path, found in zip(files, read, strict=True):
            try:
                rows.append((path, name_of(path, layout.root), breed, *found.result()))
            except StudyError as error:
                if not leave_out_broken:
                    raise
                left_out[name_of(path, layout.root)] = "cannot be read"
                _say(f"left out: {error}")
    return pd.DataFrame(rows, columns=["path", "name", "breed", "width", "height", "digest"])


def _leave_out(
    table: pd.DataFrame, rows: Bool[np.ndarray, " photos"], reason: str, left_out: dict[str, str]
) -> pd.DataFrame:
    """Returns the table without `rows`, adds these to `left_out`, and prints their number to standard error."""
    names = table.loc[rows, "name"]
    left_out.update(dict.fromkeys(names, reason))
    if len(names):
        _say(f"left out: {len(names)} of {len(table)} photos ({reason}), the first {names.iloc[0]!r}")
    return table[~rows].reset_index(drop=True)


def _without_small_breeds(
    layout: PhotoLayout, names: tuple[str, ...], table: pd.DataFrame, leave_out: bool, left_out: dict[str, str]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Returns the table with labels, and those of the breeds `names` that are not small; see `load`."""
    counts = table["breed"].value_counts().reindex(list(names), fill_value=0)
    small = counts[counts < FEWEST_PHOTOS]
    listed = ", ".join(f"{count} photos of {breed}" for breed, count in small.items())
    if len(small) and not leave_out:
        way_on = "add photos, choose breeds, or set leave_out_small to true"
        raise StudyError(
            f"{listed} in {shown(layout.root)}: each breed needs at least {FEWEST_PHOTOS} photos; {way_on}"
        )
    if len(small):
        left_out.update({breed: f"only {count} photos" for breed, count in small.items()})
        _say(f"left out: {len(small)} of {len(counts)} breeds ({listed})")
    names = tuple(breed for breed in names if breed not in small)
    if len(names) < 2:
        raise StudyError(
            f"{len(names)} breeds in {shown(layout.root)} have {FEWEST_PHOTOS} photos: the study needs two"
        )
    table = table[~table["breed"].isin(small.index)].reset_index(drop=True)
    return table.assign(label=table["breed"].map(names.index)), names


def _require_every_split(layout: PhotoLayout, table: pd.DataFrame, names: tuple[str, ...]) -> None:
    """Raises StudyError if a split is empty or a breed has no training photos; names the breeds that a split lacks."""
    empty = ", ".join(split for split in splits.SPLITS if split not in set(table["split"]))
    if empty:
        raise StudyError(f"{layout.name} has too many near-duplicates, no photo is left for {empty}: add photos")
    for split in splits.SPLITS:
        present = set(table["breed"][table["split"] == split])
        lacking = ", ".join(breed for breed in names if breed not in present)
        if lacking and split == "train":
            raise StudyError(
                f"no training photos of {lacking} in {shown(layout.root)}: add some, or choose other breeds"
            )
        if lacking:
            _say(f"the {split} split has no photos of {lacking}")


def _fingerprint(names: tuple[str, ...], table: pd.DataFrame, boxes: pd.DataFrame) -> str:
    """Identifies photos, breeds, boxes and splits, but not the folders that the photos are in."""
    digest = hashlib.sha256(repr(names).encode())
    if len(boxes.columns):
        digest.update(boxes.to_csv().encode())
    for row in table.itertuples():
        digest.update(f"{row.split} {f'{row.breed}/{row.path.name}'!r} {row.digest} ".encode())
    return digest.hexdigest()[:16]


def _say(line: str) -> None:
    print(f"dogbreeds: {line}", file=sys.stderr)
