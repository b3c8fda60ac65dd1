"""What the names of files and folders say: which files are photos, and which breed they show."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePath

from dogbreeds.data.photo_files import shown
from dogbreeds.errors import StudyError

# Files and folders that operating systems and tools add. Names that begin with a dot are passed over as well.
NO_PHOTOS = {"thumbs.db", "desktop.ini", "__macosx", "$recycle.bin", "system volume information"}
TEXT = {".txt", ".csv", ".json", ".xml", ".mat", ".md", ".html"}
# A number of a class before the name of a breed: `001.Affenpinscher`, or the WordNet id `n02085620-Chihuahua`.
PREFIX = re.compile(r"^(n\d{8}|\d+)[-_. ]+(?=[^\W\d_])")
NUMBER = re.compile(r"[-_. ]*\(?\d+\)?$")  # at the end of a file name


def is_no_photo(name: str) -> bool:
    """Whether the name alone says that a file or folder is, or contains, no photos."""
    return name.startswith(".") or name.lower() in NO_PHOTOS or PurePath(name).suffix.lower() in TEXT


def photos_below(folder: Path) -> list[Path]:
    """Returns all files at any depth below `folder` that can be photos by their names, ordered by file name."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not is_no_photo(name)]
        found += [path for name in files if not is_no_photo(name) and (path := Path(place, name)).is_file()]
    return sorted(found, key=lambda path: (path.name, path))


def sub_folders(folder: Path) -> list[Path]:
    """Returns the sub-folders of `folder` that can contain photos by their names, in alphabetical order."""
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not is_no_photo(entry.name))


def name_of(photo: Path, root: Path) -> str:
    """Returns the path of a photo below `root`, with slashes."""
    return photo.relative_to(root).as_posix()


def as_listed(path: str) -> str:
    """Returns a path in the one form in which names are compared with lists, which may come from another system.

    It has slashes instead of backslashes, and composed characters (NFC) instead of those of macOS.
    """
    return unicodedata.normalize("NFC", path.strip().replace("\\", "/").removeprefix("./"))


def breed_of(photo: Path) -> str:
    """Returns the breed in a file name such as `american_bulldog_3.jpg`. Raises StudyError if it has no number."""
    breed = NUMBER.sub("", photo.stem)
    if not breed or breed == photo.stem:
        raise StudyError(f"{shown(photo)} is not a breed and a number, such as pug_12.jpg: rename or remove it")
    return breed


def breed_names(labels: Iterable[str]) -> dict[str, str]:
    """Returns the breed of each label. Labels that differ only in case, or in spaces at the ends, are one breed.

    Numbers in front (PREFIX) are removed from those labels that stay different from all others without them.
    """
    labels = sorted(set(labels))
    written = {label: _printable(unicodedata.normalize("NFC", label).strip() or label) for label in labels}
    short = {text.casefold(): PREFIX.sub("", text) for text in reversed(written.values())}  # the first spelling stays
    shared = Counter(name.casefold() for name in short.values())
    # A label that keeps its number must not be what another label is without its number.
    shared.update(folded for folded, name in short.items() if name.casefold() != folded)
    first: dict[str, str] = {}
    for text in written.values():
        name = short[text.casefold()]
        first.setdefault(text.casefold(), name if shared[name.casefold()] == 1 else text)
    return {label: first[text.casefold()] for label, text in written.items()}


def _printable(text: str) -> str:
    return text if text.isprintable() else repr(text)[1:-1]
