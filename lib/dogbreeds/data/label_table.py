"""Reads a table that names the breed of each photo, as competitions publish it: `labels.csv`."""

from pathlib import Path, PurePosixPath

import pandas as pd

from dogbreeds.data.file_names import as_listed, name_of, photos_below
from dogbreeds.data.photo_files import shown
from dogbreeds.data.splits import SPLITS, split_of_name
from dogbreeds.errors import StudyError

FILE = ("path", "file", "filename", "id", "image")
BREED = ("breed", "label", "class")


def read(table: Path, folder: Path) -> tuple[pd.DataFrame, int]:
    """Returns the photos on a table with their breeds, and the number of other photos below `folder`.

    The result has the columns photo (a path), breed, and split if the table has such a column. The columns of the table
    are found by name: one of FILE, one of BREED. A photo is named by its path below the folder or by its file name,
    with or without extension; a breed is any text. Raises StudyError if a column is missing, if a row names no photo,
    several photos or one outside the folder, and if a photo is listed with two breeds.
    """
    columns = _columns(table)
    photos = photos_below(folder)
    places = _places(photos, folder)
    rows: dict[Path, tuple] = {}
    for row in columns.itertuples(index=False):
        photo = _photo(row.photo, places, table, folder)
        if rows.setdefault(photo, row[1:]) != row[1:]:
            raise StudyError(f"{table} lists {row.photo!r} twice, as {rows[photo][0]} and {row.breed}: remove one row")
    if not rows:
        raise StudyError(f"{table} has no rows: add one row per photo")
    listed = pd.DataFrame(list(rows.values()), columns=list(columns.columns[1:]))
    listed.insert(0, "photo", list(rows))
    return listed, len(photos) - len(rows)


def _columns(table: Path) -> pd.DataFrame:
    """The columns photo, breed and perhaps split of a table, as text; StudyError for a missing column or value."""
    try:
        read = pd.read_csv(table, dtype=str, encoding="utf-8-sig", keep_default_na=False)
    except (OSError, ValueError) as error:
        raise StudyError(f"{shown(table)} is not a table: give a CSV file with columns for file and breed") from error
    read.columns = [str(name).strip().lower() for name in read.columns]
    file, breed = (next((name for name in names if name in read), None) for names in (FILE, BREED))
    if not file or not breed:
        missing = [f"one of {', '.join(names)}" for name, names in ((file, FILE), (breed, BREED)) if not name]
        raise StudyError(f"{shown(table)} lacks a column: it needs {' and '.join(missing)}")
    found = pd.DataFrame({"photo": read[file], "breed": read[breed].str.strip()})
    if (found["breed"] == "").any():
        raise StudyError(f"{shown(table)} has no breed for {found['photo'][found['breed'] == ''].iloc[0]!r}: add it")
    if "split" in read:
        found["split"] = read["split"].map(split_of_name)
        if found["split"].isna().any():
            other = read["split"][found["split"].isna()].iloc[0]
            raise StudyError(f"{shown(table)} has the split {other!r}: write one of {', '.join(SPLITS)}")
    return found


def _places(photos: list[Path], folder: Path) -> dict[str, list[Path]]:
    """The photos that each name can mean: path below the folder or file name, with or without extension."""
    places: dict[str, list[Path]] = {}
    for photo in photos:
        path = PurePosixPath(as_listed(name_of(photo, folder)))
        for name in dict.fromkeys((str(path), str(path.with_suffix("")), path.name, path.stem)):
            places.setdefault(name, []).append(photo)
    return places


def _photo(written: str, places: dict[str, list[Path]], table: Path, folder: Path) -> Path:
    """The only photo below `folder` that a row names."""
    name = as_listed(written)
    found = places.get(name, [])
    exact = [photo for photo in found if as_listed(name_of(photo, folder)) == name]
    found = exact or found
    outside = ".." in PurePosixPath(name).parts or name.startswith("/")
    if outside or (found and not found[0].resolve().is_relative_to(folder.resolve())):
        raise StudyError(f"{shown(table)} names {written!r}, which is outside {shown(folder)}: remove this row")
    if len(found) != 1:
        count = "no photo" if not found else f"{len(found)} photos"
        raise StudyError(f"{shown(table)} names {written!r}, which is {count} in {shown(folder)}: correct this row")
    return found[0]
