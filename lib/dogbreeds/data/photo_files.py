"""Reads one photo file: its header, pixels and perceptual hash.

The processes of `parallel_decoding` import this module, so it imports little.
"""

import warnings
from pathlib import Path

import imagehash
import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from dogbreeds.errors import StudyError
from dogbreeds.files import digest

REMEDY = "repair it, remove it, or set leave_out_broken"
HEIC = {".heic", ".heif"}
try:
    import pillow_heif
except ImportError:  # an image for GPUs may lack it
    pillow_heif = None
else:
    pillow_heif.register_heif_opener()
# Pillow only warns if a header claims suspiciously many pixels. Here the warning is an error, in the whole process:
# photos are read in threads, and before Python 3.14 `warnings.catch_warnings` is not safe there.
warnings.simplefilter("error", Image.DecompressionBombWarning)


def open_photo(path: Path) -> Image.Image:
    """Returns the completely decoded photo in RGB, with its EXIF rotation applied; transparency is dropped.

    Raises StudyError if the file is not an image, is damaged, or has a single channel of more than 8 bits. From 16-bit
    RGB files Pillow reads the upper 8 bits.
    """
    try:
        with Image.open(path) as photo:
            if photo.mode[0] in "IF":  # conversion would clip values above 255
                raise StudyError(f"{shown(path)} has more than 8 bits per channel: save it as 8-bit RGB")
            if "transparency" in photo.info:
                photo = photo.convert("RGBA")
            return ImageOps.exif_transpose(photo).convert("RGB")
    except StudyError:
        raise
    except UnidentifiedImageError as error:
        raise _unreadable(path) from error
    except Exception as error:  # Pillow's two dozen decoders raise all kinds of exceptions for damaged files
        raise StudyError(f"{shown(path)} cannot be decoded ({type(error).__name__}): {REMEDY}") from error


def decode(
    path: Path, size: int, crop: str = "centre", box: tuple[int, int, int, int] | None = None
) -> UInt8[np.ndarray, "size size 3"]:
    """Returns one photo as RGB bytes: a central square, resized to `size` x `size` with antialiasing.

    `crop` "box" first crops to `box` (left, top, right, bottom in pixels); "squash" resizes both sides to `size`.
    Raises StudyError if the photo cannot be decoded completely.
    """
    photo = open_photo(path)
    if crop == "box":
        photo = photo.crop(box)
    if crop == "squash":
        return np.asarray(photo.resize((size, size), Image.Resampling.BILINEAR))
    return np.asarray(ImageOps.fit(photo, (size, size), Image.Resampling.BILINEAR))


def write_pixels(file: Path, start: int, *photo) -> None:
    """Writes the pixels that `decode(*photo)` returns to an existing file, from byte `start` on."""
    pixels = decode(*photo)
    # Not to a memory map of the file: if the disk is full, that would kill the process instead of raising OSError.
    with file.open("r+b") as out:
        out.seek(start)
        out.write(pixels.tobytes())


def size_and_digest(path: Path, decode: bool = False) -> tuple[int, int, str]:
    """Returns width and height in pixels as displayed (EXIF rotation applied), and the sha256 of the file.

    Reads only the header unless `decode` is set. Raises StudyError if the file cannot be read.
    """
    if decode:
        return *open_photo(path).size, digest(path)
    try:
        with Image.open(path) as photo:
            # These EXIF orientations swap width and height. Pillow has already swapped them in the size of a TIFF file.
            turned = photo.getexif().get(0x0112, 1) in range(5, 9) and photo.format != "TIFF"
            return *(photo.size[::-1] if turned else photo.size), digest(path)
    except Exception as error:  # see open_photo
        raise _unreadable(path) from error


def _unreadable(path: Path) -> StudyError:
    if path.suffix.lower() in HEIC and not pillow_heif:
        return StudyError(f"{shown(path)} needs the package pillow-heif: run pip install pillow-heif")
    return StudyError(f"{shown(path)} is not a readable image: {REMEDY}")


def perceptual_hash(path: Path) -> int:
    """Returns 64 bits that change little with size, compression or brightness of the photo (pHash of imagehash)."""
    return int(str(imagehash.phash(open_photo(path))), 16)


def shown(path: Path | str) -> str:
    """Returns a path, or a text from a file, in a form that fits on one line, whatever characters it contains."""
    return str(path) if str(path).isprintable() else repr(str(path))
