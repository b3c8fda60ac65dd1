import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageOps

from dogbreeds import paths
from dogbreeds.data import datasets, parallel_decoding, pixel_cache
from dogbreeds.data.photo_files import decode, write_pixels
from dogbreeds.errors import StudyError


def assert_only_locks():
    assert not [path for path in (paths.data() / "pixels").iterdir() if path.suffix != ".lock"]


def test_array_contains_each_decoded_photo(dataset):
    array = pixel_cache.load(dataset, 24)
    assert array.shape == (24, 24, 24, 3)
    assert array.dtype == np.uint8
    for row in (0, 23):
        with Image.open(dataset.photos["path"][row]) as photo:
            assert np.array_equal(array[row], ImageOps.fit(photo, (24, 24), Image.Resampling.BILINEAR))


def test_cached_array_is_reused_and_read_only(dataset, monkeypatch):
    first = np.array(pixel_cache.load(dataset, 24))
    monkeypatch.setattr(pixel_cache, "write_pixels", None)
    again = pixel_cache.load(dataset, 24)
    assert np.array_equal(first, again)
    with pytest.raises(ValueError, match="read-only"):
        again[0] = 0


def test_truncated_photo_is_refused_and_leaves_no_file(photo_folder):
    dataset = datasets.load(photo_folder)
    photo = photo_folder / "pug" / "05.jpg"
    photo.write_bytes(photo.read_bytes()[:-300])
    with pytest.raises(StudyError, match=r"05\.jpg cannot be decoded"):
        datasets.load(photo_folder)
    with pytest.raises(StudyError, match=r"05\.jpg cannot be decoded"):
        pixel_cache.load(dataset, 24)
    assert_only_locks()


def test_squash_does_not_preserve_the_aspect_ratio(dataset):
    with Image.open(dataset.photos["path"][0]) as photo:
        expected = photo.resize((24, 24), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(pixel_cache.load(dataset, 24, "squash")[0], np.asarray(expected))
    assert len(list((paths.data() / "pixels").glob("*.npy"))) == 1
    pixel_cache.load(dataset, 24)  # each crop has its own file
    assert len(list((paths.data() / "pixels").glob("*.npy"))) == 2


def test_exif_orientation_is_applied(photo_folder):
    path = photo_folder / "pug" / "00.jpg"
    with Image.open(path) as photo:
        upright = photo.copy()
    exif = upright.getexif()
    exif[0x0112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif, quality=100, subsampling=0)
    assert np.abs(decode(path, 24).astype(int) - np.asarray(ImageOps.fit(upright, (24, 24)))).mean() < 12
    table = datasets.load(photo_folder).photos.set_index("path")
    assert table.loc[path, ["width", "height"]].tolist() == [50, 40]


def test_interrupted_decoding_leaves_no_partial_array(dataset, monkeypatch):
    whole = np.array(pixel_cache.load(dataset, 24))
    next((paths.data() / "pixels").glob("*.npy")).unlink()
    calls = []

    def interrupted(*task):
        calls.append(task)
        if len(calls) > 15:
            raise KeyboardInterrupt
        write_pixels(*task)

    monkeypatch.setattr(pixel_cache, "write_pixels", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pixel_cache.load(dataset, 24)
    assert_only_locks()
    monkeypatch.setattr(pixel_cache, "write_pixels", write_pixels)
    np.testing.assert_array_equal(pixel_cache.load(dataset, 24), whole)


def test_processes_write_the_same_pixels_as_threads(dataset, in_processes, monkeypatch):
    """They write the pixels to the file themselves: what they return is nothing, and not the pixels."""
    returned, run = [], parallel_decoding.run
    monkeypatch.setattr(parallel_decoding, "run", lambda *task, **bar: returned.extend(run(*task, **bar)))
    array = np.array(pixel_cache.load(dataset, 24))
    assert returned == [None] * 24
    next((paths.data() / "pixels").glob("*.npy")).unlink()
    monkeypatch.setattr(parallel_decoding, "MANY", 25)
    np.testing.assert_array_equal(pixel_cache.load(dataset, 24), array)


def test_a_damaged_photo_is_refused_in_a_process_too(dataset, photo_folder, in_processes):
    photo = photo_folder / "pug" / "05.jpg"
    photo.write_bytes(photo.read_bytes()[:-300])
    with pytest.raises(StudyError, match=r"^\S+05\.jpg cannot be decoded \(OSError\): repair it, .*leave_out_broken$"):
        pixel_cache.load(dataset, 24)
    assert_only_locks()


def test_a_killed_process_is_reported_in_one_line(dataset, in_processes, monkeypatch):
    monkeypatch.setattr(pixel_cache, "write_pixels", lambda *task: signal.raise_signal(signal.SIGKILL))
    with pytest.raises(StudyError, match=r"^a process that decodes photos was killed, .*: free some memory, .*again$"):
        pixel_cache.load(dataset, 24)
    assert_only_locks()


def test_processes_import_neither_the_calling_script_nor_tables_and_networks(dataset, tmp_path):
    """A script may decode without `if __name__ == "__main__"`; frameworks would cost each process seconds."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from dogbreeds.data import parallel_decoding, photo_files\n"
        "print('imported')\n"
        "path = photo_files.Path(sys.argv[1])\n"
        "hashes = parallel_decoding.run(photo_files.perceptual_hash, [(path,)] * 4, 2, disable=True)\n"
        "modules = parallel_decoding.run(eval, [('set(__import__(\"sys\").modules)',)] * 4, 2, disable=True)\n"
        "print(len(set(hashes)), set.union(*modules) & {'dogbreeds.data.photo_files', 'pandas', 'sklearn', 'torch'})\n"
    )
    command = [sys.executable, script, dataset.photos["path"][0]]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == ["imported", "1 {'dogbreeds.data.photo_files'}"]
    assert not found.stderr


@pytest.mark.parametrize(("crop", "message"), [("center", "unknown crop 'center'"), ("box", "has none: use 'centre'")])
def test_invalid_crop_is_refused(dataset, crop, message):
    with pytest.raises(StudyError, match=message):
        pixel_cache.load(dataset, 24, crop)
