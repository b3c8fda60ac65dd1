"""One photo on disk: its name, its header, its pixels and its perceptual hash."""

import hashlib
import warnings
from pathlib import Path

import imagehash
from PIL import Image, ImageOps, UnidentifiedImageError

from dogbreeds.errors import StudyError

REMEDY = "repair it, take it out, or set leave_out_broken"
# A header that claims more pixels than Pillow trusts is an error at once, not a warning first.
warnings.simplefilter("error", Image.DecompressionBombWarning)


def open_photo(path: Path) -> Image.Image:
    """The photo decoded to its end, turned as its EXIF says, in RGB; transparency is dropped.

    Raises StudyError for a file that is no picture, a broken one, and one of a single channel of more than 8 bits. Of
    16-bit RGB Pillow reads the upper 8 bits.
    """
    try:
        with Image.open(path) as photo:
            if photo.mode[0] in "IF":  # converting would cut off all that is brighter than 255
                raise StudyError(f"{shown(path)} has more than 8 bits a channel: save it as 8-bit RGB")
            if "transparency" in photo.info:
                photo = photo.convert("RGBA")
            return ImageOps.exif_transpose(photo).convert("RGB")
    except StudyError:
        raise
    except UnidentifiedImageError as error:
        raise StudyError(f"{shown(path)} is no picture that can be read: {REMEDY}") from error
    except Exception as error:  # two dozen decoders at the mercy of a broken file raise whatever they meet
        raise StudyError(f"{shown(path)} cannot be decoded ({type(error).__name__}): {REMEDY}") from error


def size_and_digest(path: Path, decode: bool = False) -> tuple[int, int, str]:
    """Width and height in pixels as the photo is shown (EXIF rotation applied), and the sha256 of its bytes.

    Reads only the header, unless `decode`. Raises StudyError for a file that cannot be read.
    """
    try:
        if decode:
            size = open_photo(path).size
        else:
            with Image.open(path) as photo:
                turned = photo.getexif().get(0x0112, 1) >= 5  # EXIF orientations that lay a photo on its side
                size = photo.size[::-1] if turned else photo.size
        return *size, hashlib.sha256(path.read_bytes()).hexdigest()
    except StudyError:
        raise
    except Exception as error:  # see open_photo
        raise StudyError(f"{shown(path)} is no picture that can be read: {REMEDY}") from error


def perceptual_hash(path: Path) -> int:
    """64 bits that change little with the size, compression or brightness of a photo (pHash of imagehash)."""
    return int(str(imagehash.phash(open_photo(path))), 16)


def photo_name(path: Path) -> str:
    """A photo as the lists of a dataset name it: breed folder/file."""
    return f"{path.parent.name}/{path.name}"


def shown(path: Path) -> str:
    """A path on one line, whatever its name holds."""
    return str(path) if str(path).isprintable() else repr(str(path))
