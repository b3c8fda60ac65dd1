"""Downloads from a local server that drops connections."""

from dataclasses import replace

import numpy as np
import pytest
from loopback import Handler

from dogbreeds import downloads, paths
from dogbreeds.errors import StudyError
from dogbreeds.files import digest

FILE = downloads.Published("http://127.0.0.1:9", "numbers", "sha256", "", None, "cache")


@pytest.fixture
def served(mirror):
    """A file on the mirror, and what is known of it."""
    (mirror / FILE.name).write_bytes(np.random.default_rng(0).bytes(3_000_000))
    return replace(FILE, digest=digest(mirror / FILE.name))


def remaining():
    return [path.name for path in (paths.data() / "cache").glob("*")]


def test_interrupted_download_resumes(mirror, served):
    Handler.drops = 2
    path = downloads.fetch(served)
    assert path.read_bytes() == (mirror / FILE.name).read_bytes()
    assert len(Handler.ranges) == 3
    assert Handler.ranges[0] is None
    assert all(requested.startswith("bytes=") for requested in Handler.ranges[1:])
    assert remaining() == [FILE.name]
    (mirror / FILE.name).unlink()
    assert downloads.fetch(served) == path  # already there
    assert len(Handler.ranges) == 3


def test_repeatedly_interrupted_download_fails_and_resumes_next_time(served):
    Handler.drops = 3
    with pytest.raises(StudyError, match=r"interrupted.*put the file at"):
        downloads.fetch(served)
    assert remaining() == [FILE.name + ".part"]
    assert digest(downloads.fetch(served)) == served.digest
    assert remaining() == [FILE.name]


def change(content):
    return content[:1000] + bytes([content[1000] ^ 1]) + content[1001:]


@pytest.mark.parametrize("damage", [change, lambda content: content[:-1], lambda content: b""])
def test_another_file_is_refused_and_removed(mirror, served, damage):
    """A changed byte, a short file and an empty one."""
    (mirror / FILE.name).write_bytes(damage((mirror / FILE.name).read_bytes()))
    with pytest.raises(StudyError, match=r"numbers is not the expected file \(sha256 \w{16}, not \w{16}\): try again"):
        downloads.fetch(served)
    assert remaining() == []


def test_another_file_that_someone_put_there_is_refused_and_kept(served):
    path = downloads.fetch(served)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StudyError, match=r"cache/numbers is not the expected file \(.*\): remove it, and it is down"):
        downloads.fetch(served)
    assert path.stat().st_size == 2_999_999


def test_missing_server_and_missing_file_are_one_line_with_the_place(mirror, monkeypatch):
    with pytest.raises(
        StudyError, match=r"cannot download .*/numbers \(status 404\): put the file at .*/cache/numbers$"
    ):
        downloads.fetch(FILE)
    monkeypatch.delenv("DOGBREEDS_MIRROR")
    with pytest.raises(StudyError, match=r"cannot download http://127\.0\.0\.1:9/numbers \(no connection\): put the"):
        downloads.fetch(FILE)
    assert remaining() == []


def test_checksums_of_a_mirror_replace_those_of_the_publisher(served, checksums, mirror):
    assert served.expected == ("sha256", served.digest, None)
    (mirror / FILE.name).write_bytes(b"another")
    checksums(mirror / FILE.name)
    assert replace(served, size=3).expected == ("sha256", digest(mirror / FILE.name), None)  # its size is not known
    assert downloads.fetch(served).read_bytes() == b"another"


def test_malformed_list_of_checksums_is_refused(tmp_path):
    (tmp_path / "sums").write_text("not a sum  images.tar\n")
    with pytest.raises(StudyError, match="not a list of sha256 sums"):
        downloads.read_checksums(tmp_path / "sums")
