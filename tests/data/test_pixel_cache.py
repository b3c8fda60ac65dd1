import numpy as np
import pytest
from PIL import Image, ImageOps

from dogbreeds import paths
from dogbreeds.data import datasets, pixel_cache
from dogbreeds.errors import StudyError


def test_array_contains_each_decoded_photo(dataset):
    array = pixel_cache.load(dataset, 24)
    assert array.shape == (24, 24, 24, 3)
    assert array.dtype == np.uint8
    for row in (0, 23):
        with Image.open(dataset.photos["path"][row]) as photo:
            assert np.array_equal(array[row], ImageOps.fit(photo, (24, 24), Image.Resampling.BILINEAR))


def test_cached_array_is_reused_and_read_only(dataset, monkeypatch):
    first = np.array(pixel_cache.load(dataset, 24))
    monkeypatch.setattr(pixel_cache, "decode", None)
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
    assert not [path for path in (paths.data() / "pixels").iterdir() if path.suffix != ".lock"]


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
    assert np.abs(pixel_cache.decode(path, 24).astype(int) - np.asarray(ImageOps.fit(upright, (24, 24)))).mean() < 12
    table = datasets.load(photo_folder).photos.set_index("path")
    assert table.loc[path, ["width", "height"]].tolist() == [50, 40]


def test_interrupted_decoding_leaves_no_partial_array(dataset, monkeypatch):
    whole = np.array(pixel_cache.load(dataset, 24))
    next((paths.data() / "pixels").glob("*.npy")).unlink()
    decode, calls = pixel_cache.decode, []

    def interrupted(path, *options):
        calls.append(path)
        if len(calls) > 15:
            raise KeyboardInterrupt
        return decode(path, *options)

    monkeypatch.setattr(pixel_cache, "AT_ONCE", 4)
    monkeypatch.setattr(pixel_cache, "decode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pixel_cache.load(dataset, 24)
    assert 16 <= len(calls) <= 20  # at most AT_ONCE photos at the same time
    assert not [path for path in (paths.data() / "pixels").iterdir() if path.suffix != ".lock"]
    monkeypatch.setattr(pixel_cache, "decode", decode)
    np.testing.assert_array_equal(pixel_cache.load(dataset, 24), whole)


@pytest.mark.parametrize(("crop", "message"), [("center", "unknown crop 'center'"), ("box", "has none: use 'centre'")])
def test_invalid_crop_is_refused(dataset, crop, message):
    with pytest.raises(StudyError, match=message):
        pixel_cache.load(dataset, 24, crop)
