"""Files and folders that are either complete or absent, and their checksums."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from filelock import FileLock


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, to write a file or a folder to; at the end it is renamed to `path`.

    If the block fails, the temporary file or folder is removed and `path` stays as it was.
    """
    unfinished = path.with_name(path.name + ".unfinished")
    _remove(unfinished)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        _remove(unfinished)


def once(path: Path, make: Callable[[Path], None]) -> Path:
    """Returns `path`; if it does not exist, `make` writes it to the path that it is given.

    Only one process writes it; others that need it at the same time wait for the first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(path.name + ".lock")):
        if not path.exists():
            with atomic(path) as unfinished:
                make(unfinished)
    return path


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Returns the hash of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def remembered_digest(path: Path, algorithm: str = "sha256") -> str:
    """Returns the `digest` of a file, and reads it again only if its size or its time of modification changed."""
    state = path.stat()
    return _digest_of_state(path, algorithm, state.st_size, state.st_mtime_ns)


@cache
def _digest_of_state(path: Path, algorithm: str, *state: int) -> str:
    return digest(path, algorithm)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
