import numpy as np
import pytest
from PIL import Image, ImageOps

from dogbreeds import datasets, paths, pixels
from dogbreeds.errors import StudyError


def test_the_array_holds_each_photo_as_decoded_on_its_own(dataset):
    array = pixels.load(dataset, 24)
    assert array.shape == (24, 24, 24, 3)
    assert array.dtype == np.uint8
    for row in (0, 23):
        with Image.open(dataset.photos["path"][row]) as photo:
            assert np.array_equal(array[row], ImageOps.fit(photo, (24, 24), Image.Resampling.BILINEAR))


def test_the_array_is_read_again_and_never_written(dataset, monkeypatch):
    first = np.array(pixels.load(dataset, 24))
    monkeypatch.setattr(pixels, "decode", None)
    again = pixels.load(dataset, 24)
    assert np.array_equal(first, again)
    with pytest.raises(ValueError, match="read-only"):
        again[0] = 0


def test_a_truncated_photo_is_refused_and_leaves_nothing(photo_folder):
    photo = photo_folder / "pug" / "05.jpg"
    photo.write_bytes(photo.read_bytes()[:-300])
    dataset = datasets.load(photo_folder)
    with pytest.raises(StudyError, match=r"05\.jpg cannot be decoded"):
        pixels.load(dataset, 24)
    assert not [path for path in (paths.data() / "pixels").iterdir() if path.suffix != ".lock"]
