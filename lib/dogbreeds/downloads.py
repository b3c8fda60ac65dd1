"""Files from the network: with a bar, going on where a download broke off, checked, and there whole or not at all."""

import hashlib
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from tqdm.auto import tqdm
from urllib3.util import Retry

from dogbreeds.errors import StudyError

PIECE = 1 << 14  # bytes: what of an unfinished piece arrived is lost when a connection breaks
TIMEOUT = 30  # seconds without an answer


def digest(path: Path, algorithm: str) -> str:
    """The hash of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def fetch(url: str, path: Path, algorithm: str, expected: str, tries: int = 3) -> Path:
    """`path`, downloaded from `url` unless it is there; `expected` are the first digits of its hash.

    A broken-off download stays as `<name>.part` and is gone on with, now up to `tries` times and at the next call.
    Raises StudyError when the network or the server fails, and when the hash is another; that file is removed.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    retry = Retry(3, connect=0, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504), raise_on_status=False)
    with requests.Session() as session:
        session.mount(url, HTTPAdapter(max_retries=retry))
        for left in reversed(range(tries)):
            try:
                _download(session, url, part)
                break
            except requests.RequestException as error:
                if left == 0 or isinstance(error, requests.HTTPError | requests.exceptions.SSLError):
                    raise StudyError(f"cannot download {url} ({_cause(error)}): put the file at {path}") from error
    found = digest(part, algorithm)
    if not found.startswith(expected):
        part.unlink()
        raise StudyError(f"{url} is not the file expected ({algorithm} {found[:16]}, not {expected[:16]}): removed")
    return part.replace(path)


def _download(session: requests.Session, url: str, part: Path) -> None:
    """Appends to `part` what it lacks of `url`."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"} if have else {"Accept-Encoding": "identity"}
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if answer.status_code == 416:  # nothing is left to send: complete, or not the file; the hash will tell
            return
        answer.raise_for_status()
        goes_on = answer.status_code == 206
        total = int(answer.headers.get("Content-Length", 0)) + have * goes_on or None
        bar = tqdm(desc=part.stem, total=total, initial=have * goes_on, unit="B", unit_scale=True)
        with part.open("ab" if goes_on else "wb") as file, bar:
            for piece in answer.iter_content(PIECE):
                file.write(piece)
                bar.update(len(piece))


def _cause(error: Exception) -> str:
    if isinstance(error, requests.HTTPError):
        return f"status {error.response.status_code}"
    return {"ConnectionError": "no connection", "ChunkedEncodingError": "broken off"}.get(
        type(error).__name__, type(error).__name__
    )
