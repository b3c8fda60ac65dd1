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
from dogbreeds.data.layouts import PhotoLayout
from dogbreeds.data.photo_files import photo_name, size_and_digest
from dogbreeds.errors import StudyError
from dogbreeds.translation import _

FEWEST_PHOTOS = 8  # per breed, so that each split contains some


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
    """Returns the dataset in the folder `photos`, or the dataset with that name. For the kinds of folder see `layouts`.

    `breeds` selects breeds (all if empty), and `photos_per_breed` limits the number of photos of each. `split_seed`
    draws the part of the split that no list gives. With `leave_out_broken`, every photo is decoded first; photos that
    cannot be decoded are left out, and standard error lists each of them. With `other_than`, the dataset contains the
    breeds that are not in that dataset, to learn initial weights from. `test_drawings_per_breed` is for drawn dogs.

    Raises StudyError if the folder is missing or empty, if there is only one breed, if a breed is unknown or has fewer
    than 8 photos, if a file is not an image, and if the splits do not fit the photos.
    """
    study_breeds = other_than.breeds if other_than else ()
    layout = layouts.find(photos, breeds, study_breeds, photos_per_breed, test_drawings_per_breed)
    most = photos_per_breed and photos_per_breed + test_drawings_per_breed
    table, left_out = _photo_table(layout, most, leave_out_broken)
    table = _split(layout, table, split_seed, other_than, left_out)
    boxes = layout.boxes(list(table["path"])) if layout.boxes else pd.DataFrame(index=table.index)
    if empty := ", ".join(split for split in splits.SPLITS if split not in set(table["split"])):
        raise StudyError(f"{layout.name} has too many near-duplicates, no photo is left for {empty}: add photos")
    return Dataset(layout.name, table.join(boxes), tuple(layout.folders), _fingerprint(layout, table, boxes), left_out)


def _photo_table(layout: PhotoLayout, most: int | None, leave_out_broken: bool) -> tuple[pd.DataFrame, dict[str, str]]:
    """Returns one row per photo, at most `most` per breed, and the files that were left out because of errors."""
    rows, left_out = [], {}
    for label, (breed, folder) in enumerate(layout.folders.items()):
        files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
        if most and len(files) > most:
            chosen = np.random.default_rng([0, label]).choice(len(files), most, replace=False)
            files = [files[index] for index in sorted(chosen)]
        with ThreadPoolExecutor() as pool:
            read = [pool.submit(size_and_digest, path, leave_out_broken) for path in files]
        for path, found in zip(files, read, strict=True):
            try:
                rows.append((path, breed, label, *found.result()))
            except StudyError as error:
                if not leave_out_broken:
                    raise
                left_out[photo_name(path)] = "cannot be read"
                print(f"dogbreeds: left out: {error}", file=sys.stderr)
    table = pd.DataFrame(rows, columns=["path", "breed", "label", "width", "height", "digest"])
    _require_enough_photos(layout, table)
    return table, left_out


def _split(
    layout: PhotoLayout, table: pd.DataFrame, seed: int, other_than: Dataset | None, left_out: dict[str, str]
) -> pd.DataFrame:
    """Returns the table with its splits, in which no photos of the same scene are in different splits.

    If the split is drawn, near-duplicates get the same split. If a list gives the split, the photo in the earlier split
    is left out. Photos that are near-duplicates of photos in `other_than` are also left out.
    """
    if not layout.near_duplicates:
        return table.assign(split=layout.splits(table, seed))
    table["hash"] = near_duplicates.hashes(table)
    if other_than:
        of_study = near_duplicates.within(table["hash"].to_numpy(), near_duplicates.hashes(other_than.photos))
        table = _leave_out(table, of_study, "near-duplicate of a photo of the study", left_out)
        _require_enough_photos(layout, table)
    table["split"] = layout.splits(table, seed)
    reason = "near-duplicate of a photo in a later split"
    return _leave_out(table, splits.leaks(table), reason, left_out).drop(columns="hash")


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


def _require_enough_photos(layout: PhotoLayout, table: pd.DataFrame) -> None:
    counts = table["breed"].value_counts().reindex(list(layout.folders), fill_value=0)
    if few := [f"{count} photos of {breed}" for breed, count in counts.items() if count < FEWEST_PHOTOS]:
        raise StudyError(f"{', '.join(few)} in {layout.root}: each breed needs at least {FEWEST_PHOTOS} photos")


def _fingerprint(layout: PhotoLayout, table: pd.DataFrame, boxes: pd.DataFrame) -> str:
    digest = hashlib.sha256(repr(tuple(layout.folders)).encode())
    if layout.boxes:
        digest.update(boxes.to_csv().encode())
    for row in table.itertuples():
        digest.update(f"{row.split} {photo_name(row.path)!r} {row.digest} ".encode())
    return digest.hexdigest()[:16]
