"""Photo files of phones and scanners: formats, and sizes as displayed."""

import numpy as np
import pytest
from PIL import Image

from dogbreeds.data import photo_files
from dogbreeds.errors import StudyError


@pytest.fixture
def image():
    """An image with red in its left half and blue in its right half, wider than high."""
    pixels = np.zeros((40, 64, 3), np.uint8)
    pixels[:, :32, 0] = pixels[:, 32:, 2] = 250
    return Image.fromarray(pixels)


@pytest.mark.parametrize("name", ["phone.heic", "PHONE.HEIF", "phone.avif", "phone.webp"])
def test_formats_of_phones_are_read(image, tmp_path, name):
    file = tmp_path / name
    image.save(file, quality=95)
    assert photo_files.size_and_digest(file)[:2] == (64, 40)
    read = np.asarray(photo_files.open_photo(file)).astype(int)
    assert abs(read - np.asarray(image)).mean() < 8


def test_heic_without_its_decoder_is_refused_with_the_name_of_the_package(image, tmp_path, monkeypatch):
    file = tmp_path / "phone.heic"
    image.save(file)
    monkeypatch.setattr(photo_files, "pillow_heif", None)
    Image.init()  # registers all other formats
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "HEIF"])
    for read in (photo_files.open_photo, photo_files.size_and_digest):
        with pytest.raises(
            StudyError, match=r"phone\.heic needs the package pillow-heif: run pip install pillow-heif$"
        ):
            read(file)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8, 9])
@pytest.mark.parametrize("name", ["photo.jpg", "photo.tif", "photo.png", "photo.heic"])
def test_sizes_are_those_of_the_displayed_photo(image, tmp_path, name, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / name, exif=exif)
    assert photo_files.size_and_digest(tmp_path / name)[:2] == photo_files.open_photo(tmp_path / name).size
