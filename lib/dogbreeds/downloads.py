"""Downloads files with a progress bar. Downloads are resumable, checked against a hash, and atomic."""

from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from tqdm.auto import tqdm
from urllib3.util import Retry

from dogbreeds.errors import StudyError
from dogbreeds.files import digest

PIECE = 1 << 14  # bytes; an incomplete piece is lost if the connection is interrupted
TIMEOUT = 30  # seconds without a response


def fetch(url: str, path: Path, algorithm: str, expected: str) -> Path:
    """Downloads `url` to `path` unless the file exists, and returns `path`.

    `expected` contains the first digits of the file's hash. An interrupted download stays as `<name>.part`; it resumes
    in this call, which makes three attempts, and in the next call. Raises StudyError if the network or the server
    fails, and if the hash differs; in that case the file is removed.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    retry = Retry(3, connect=0, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504), raise_on_status=False)
    with requests.Session() as session:
        session.mount(url, HTTPAdapter(max_retries=retry))
        for attempts_left in (2, 1, 0):
            try:
                _download(session, url, part)
                break
            except requests.RequestException as error:
                if attempts_left == 0 or isinstance(error, requests.HTTPError | requests.exceptions.SSLError):
                    raise StudyError(f"cannot download {url} ({_cause(error)}): put the file at {path}") from error
    found = digest(part, algorithm)
    if not found.startswith(expected):
        part.unlink()
        raise StudyError(f"{url} is not the expected file ({algorithm} {found[:16]}, not {expected[:16]}): try again")
    return part.replace(path)


def size(url: str) -> int | None:
    """Returns the number of bytes of the file at `url`, or None if the server does not say; downloads nothing.

    Raises StudyError if the network or the server fails.
    """
    try:
        # Not HEAD, which some mirrors refuse; the body is not read.
        with requests.get(url, headers={"Accept-Encoding": "identity"}, stream=True, timeout=10) as response:
            response.raise_for_status()
            length = response.headers.get("Content-Length")
    except requests.RequestException as error:
        raise StudyError(f"cannot reach {url} ({_cause(error)}): check the network") from error
    return int(length) if length else None


def _download(session: requests.Session, url: str, part: Path) -> None:
    """Appends the missing bytes of `url` to `part`; starts again if the server does not support ranges."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 416:  # no bytes are left: the file is complete or wrong, which its hash shows
            return
        response.raise_for_status()
        resumes = response.status_code == 206
        total = int(response.headers.get("Content-Length", 0)) + have * resumes or None
        shown = {"desc": part.stem, "total": total, "initial": have * resumes}
        with part.open("ab" if resumes else "wb") as file, tqdm.wrapattr(file, "write", **shown) as watched:
            for piece in response.iter_content(PIECE):
                watched.write(piece)


def _cause(error: Exception) -> str:
    if isinstance(error, requests.HTTPError):
        return f"status {error.response.status_code}"
    known = {"ConnectionError": "no connection", "ChunkedEncodingError": "interrupted"}
    return known.get(type(error).__name__, type(error).__name__)
