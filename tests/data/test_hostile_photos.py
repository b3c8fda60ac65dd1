"""No file among the photos causes a traceback: each is read completely, or reported and left out.

`DOGBREEDS_HOSTILE_PHOTOS=10000 pytest tests/data/test_hostile_photos.py` tries more files.
"""

import io
import os
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image
from png import huge_png

from dogbreeds import paths
from dogbreeds.data import datasets, pixel_cache
from dogbreeds.data.file_names import is_no_photo
from dogbreeds.data.photo_files import decode
from dogbreeds.errors import StudyError

TRIES = int(os.environ.get("DOGBREEDS_HOSTILE_PHOTOS", "150"))
FORMATS = {
    "JPEG": ("RGB", "L", "CMYK"),
    "PNG": ("RGB", "L", "1", "P", "RGBA", "LA", "I;16"),
    "GIF": ("P", "L"),
    "BMP": ("RGB", "L", "1", "P"),
    "TIFF": ("RGB", "CMYK", "I;16", "F", "LAB"),
    "WEBP": ("RGB", "RGBA"),
    "PPM": ("RGB", "L"),
    "ICO": ("RGBA",),
    "TGA": ("RGB", "L"),
}
ENDINGS = (".jpg", ".JPEG", ".png", ".gif", ".txt", "", ".jpg\n", ".tar.gz")
NAMES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="/\0"), min_size=1, max_size=20)


def noise(size, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, size[::-1], np.uint8))


@st.composite
def files(draw):
    """Bytes of an image of some format, colour model and size, intact or damaged; or bytes that are not an image."""
    kind = draw(st.sampled_from(("whole", "whole", "cut", "flipped", "noise", "empty", "huge", "text")))
    if kind == "noise":
        return draw(st.binary(max_size=400))
    if kind in ("empty", "huge", "text"):
        return {"empty": b"", "huge": huge_png(draw(st.sampled_from((12_000, 60_000)))), "text": b"no image\n"}[kind]
    file_format = draw(st.sampled_from(sorted(FORMATS)))
    mode = draw(st.sampled_from(FORMATS[file_format]))
    size = (draw(st.integers(1, 40)), draw(st.integers(1, 40)))
    image = noise(size)
    image = image.convert("RGB").convert(mode) if mode in ("CMYK", "P", "RGBA") else image.convert("L")
    if image.mode != mode:
        image = Image.new(mode, size) if mode in ("I;16", "F", "LAB") else image.convert(mode)
    buffer, options = io.BytesIO(), {}
    if file_format == "JPEG" and draw(st.booleans()):
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = draw(st.integers(0, 300))
    image.save(buffer, file_format, **options)
    content = buffer.getvalue()
    if kind == "cut":
        content = content[: draw(st.integers(0, len(content)))]
    if kind == "flipped":
        damaged = bytearray(content)
        for place in draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
            damaged[place] ^= draw(st.integers(1, 255))
        content = bytes(damaged)
    return content


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory):
    """Two breeds with eight ordinary photos each, the minimum."""
    folder = tmp_path_factory.mktemp("ordinary")
    for label, breed in enumerate(("corgi", "pug")):
        (folder / breed).mkdir()
        for number in range(8):
            noise((20, 16), seed=1 + 8 * label + number).convert("RGB").save(folder / breed / f"{number}.jpg")
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow warns about some damaged files
@settings(
    max_examples=TRIES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(content=files(), name=NAMES, ending=st.sampled_from(ENDINGS))
def test_hostile_photo_is_read_completely_or_reported_and_left_out(ordinary, capsys, content, name, ending):
    stem = name.encode()[:150].decode(errors="ignore").lstrip(".") or "x"
    path = ordinary / "pug" / f"x{stem}{ending}"
    path.write_bytes(content)
    try:
        capsys.readouterr()
        dataset = datasets.load(ordinary, leave_out_broken=True)
        printed = capsys.readouterr().err
        entered, passed_over = path in set(dataset.photos["path"]), is_no_photo(path.name)
        assert list(dataset.left_out) == ([] if entered or passed_over else [f"pug/{path.name}"])
        assert not (entered and passed_over)
        assert len(printed.splitlines()) == 1 + len(dataset.left_out)
        array = pixel_cache.load(dataset, 8)
        assert array.shape == (16 + entered, 8, 8, 3)
        if entered:
            np.testing.assert_array_equal(array[list(dataset.photos["path"]).index(path)], decode(path, 8))
        elif not passed_over:
            with pytest.raises(StudyError) as raised:
                pixel_cache.load(datasets.load(ordinary), 8)
            assert str(raised.value).isprintable()
    finally:
        path.unlink()
        shutil.rmtree(paths.data(), ignore_errors=True)
