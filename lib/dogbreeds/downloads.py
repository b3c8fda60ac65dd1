"""Downloads published files with a progress bar. Downloads are resumable, checked against a hash, and atomic.

DOGBREEDS_MIRROR is the address of a folder that holds copies of all published files under their names. If a mirror has
other files, DOGBREEDS_CHECKSUMS names a list of their checksums, in the format of sha256sum.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from tqdm.auto import tqdm
from urllib3.util import Retry

from dogbreeds import paths
from dogbreeds.errors import StudyError
from dogbreeds.files import remembered_digest

PIECE = 1 << 14  # bytes; an incomplete piece is lost if the connection is interrupted
TIMEOUT = 30  # seconds without a response


@dataclass(frozen=True)
class Published:
    """A file that others publish, and what is known of it."""

    publisher: str  # address of the folder that contains the file
    name: str
    algorithm: str  # of the digest
    digest: str  # the hash of the file, or its first digits
    size: int | None  # bytes; None if nobody publishes it
    place: str = ""  # folder of the file below that of all data
    known_from: str = ""  # source of digest and size

    @property
    def url(self) -> str:
        return f"{os.environ.get('DOGBREEDS_MIRROR', self.publisher).rstrip('/')}/{self.name}"

    @property
    def path(self) -> Path:
        """Where the file is, or will be."""
        return paths.data() / self.place / self.name

    @property
    def expected(self) -> tuple[str, str, int | None]:
        """The algorithm, the digest and the size of the file; those of a mirror have no size.

        Raises StudyError if the mirror's list of checksums is malformed.
        """
        own = os.environ.get("DOGBREEDS_CHECKSUMS")
        listed = read_checksums(Path(own)) if own else {}
        if self.name in listed:
            return "sha256", listed[self.name], None
        return self.algorithm, self.digest, self.size


def read_checksums(file: Path) -> dict[str, str]:
    """Returns the sha256 of each file in a list in the format of sha256sum; StudyError if it is none."""
    if not file.is_file():
        raise StudyError(f"no list of checksums {file}: set DOGBREEDS_CHECKSUMS to a file that exists")
    try:
        pairs = [line.split(maxsplit=1) for line in file.read_text().splitlines() if line.strip()]
        checksums = {name.removeprefix("*").strip(): digest.lower() for digest, name in pairs}
        if not all(len(bytes.fromhex(digest)) == 32 for digest in checksums.values()):
            raise ValueError
    except (OSError, ValueError) as error:
        raise StudyError(f"{file} is not a list of sha256 sums: run sha256sum * > {file.name}") from error
    return checksums


def fetch(file: Published) -> Path:
    """Returns the path of `file`, and downloads it if it is missing. A file that is there is checked too.

    An interrupted download stays as `<name>.part`; it resumes in this call, which makes three attempts, and in the next
    call. Raises StudyError if the network or the server fails, and if the hash differs. A download with another hash is
    removed.
    """
    path, url = file.path, file.url
    if path.exists():
        if problem := _difference(path, file):
            raise StudyError(f"{path} is not the expected file ({problem}): remove it, and it is downloaded again")
        return path
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
    if problem := _difference(part, file):
        part.unlink()
        raise StudyError(f"{url} is not the expected file ({problem}): try again")
    return part.replace(path)


def _difference(path: Path, file: Published) -> str:
    """How the file at `path` differs from the published one; empty if it does not."""
    algorithm, expected, _ = file.expected
    found = remembered_digest(path, algorithm)
    return "" if found.startswith(expected) else f"{algorithm} {found[:16]}, not {expected[:16]}"


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
        part.parent.mkdir(parents=True, exist_ok=True)
        shown = {"desc": part.stem, "total": total, "initial": have * resumes}
        with part.open("ab" if resumes else "wb") as file, tqdm.wrapattr(file, "write", **shown) as watched:
            for piece in response.iter_content(PIECE):
                watched.write(piece)


def _cause(error: Exception) -> str:
    if isinstance(error, requests.HTTPError):
        return f"status {error.response.status_code}"
    known = {"ConnectionError": "no connection", "ChunkedEncodingError": "interrupted"}
    return known.get(type(error).__name__, type(error).__name__)
