"""Files and folders are written atomically, and each folder is created by one process only."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from dogbreeds import files


def fill(folder):
    folder.mkdir()
    (folder / "one.txt").write_text("1")


def fail_halfway(folder):
    fill(folder)
    raise KeyboardInterrupt


def write_half(path):
    with files.atomic(path) as unfinished:
        unfinished.write_text("aft")
        raise KeyboardInterrupt


def test_failed_write_preserves_the_previous_file(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with files.atomic(path) as unfinished:
        unfinished.write_text("before")
    with pytest.raises(KeyboardInterrupt):
        write_half(path)
    assert path.read_text() == "before"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


def test_unfinished_folder_of_a_killed_process_is_replaced(tmp_path):
    fill(tmp_path / "folder.unfinished")
    (tmp_path / "folder.unfinished" / "half.txt").touch()
    files.once(tmp_path / "folder", fill)
    assert [entry.name for entry in (tmp_path / "folder").iterdir()] == ["one.txt"]


def test_folder_is_created_only_once_by_concurrent_calls(tmp_path):
    calls = []

    def make(unfinished):
        calls.append(unfinished)
        fill(unfinished)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: files.once(tmp_path / "folder", make), range(4)))
    assert found == [tmp_path / "folder"] * 4
    assert len(calls) == 1


def test_folder_is_created_on_the_next_call_after_a_failure(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        files.once(tmp_path / "folder", fail_halfway)
    assert not list(tmp_path.glob("folder*/"))
    assert files.once(tmp_path / "folder", fill).is_dir()


def test_digests_match_known_values(tmp_path):
    (tmp_path / "empty").touch()
    assert files.digest(tmp_path / "empty", "md5") == "d41d8cd98f00b204e9800998ecf8427e"
    assert files.digest(tmp_path / "empty").startswith("e3b0c44298fc1c14")
