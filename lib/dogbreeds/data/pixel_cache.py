"""Decodes and resizes photos once, to a memory-mapped array of bytes that every run reads."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL
from jaxtyping import UInt8
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from dogbreeds import files, paths
from dogbreeds.data.datasets import Dataset
from dogbreeds.data.photo_files import open_photo, shown
from dogbreeds.errors import StudyError

# "centre": the largest central square; "box": the same within the annotated box; "squash": all, aspect ratio lost.
CROPS = ("centre", "box", "squash")
AT_ONCE = 256  # photos that are in memory at the same time during decoding


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


def load(dataset: Dataset, size: int, crop: str = "centre") -> UInt8[np.ndarray, "photos size size 3"]:
    """Returns the pixels of all photos of `dataset` in the order of its table, read-only and memory-mapped.

    The first call decodes the photos in parallel, a few at a time, so that memory does not grow with their number. The
    cache file is atomic. Raises StudyError for an unknown `crop` and for boxes that do not belong to the photos.
    """
    boxes = _boxes(dataset, crop)
    decoder = f"pillow{PIL.__version__}"  # other versions may round differently
    file = paths.data() / "pixels" / f"{dataset.fingerprint}-{size}-{crop}-{decoder}.npy"
    files.once(file, lambda unfinished: _decode_all(dataset, size, crop, boxes, unfinished))
    return np.load(file, mmap_mode="r")


def _boxes(dataset: Dataset, crop: str) -> list:
    if crop not in CROPS:
        raise StudyError(f"unknown crop '{crop}': choose one of {', '.join(CROPS)}")
    table = dataset.photos
    if crop != "box":
        return [None] * len(table)
    if "left" not in table:
        raise StudyError(f"crop 'box' needs the boxes of Stanford Dogs, and {dataset.name} has none: use 'centre'")
    other = table[(table["width"] != table["frame_width"]) | (table["height"] != table["frame_height"])]
    if len(other):
        first = shown(other["path"].iloc[0])
        raise StudyError(f"the box of {first} refers to a frame of a different size: use crop 'centre'")
    return list(table[["left", "top", "right", "bottom"]].itertuples(index=False, name=None))


def _decode_all(dataset: Dataset, size: int, crop: str, boxes: list, file: Path) -> None:
    files = list(dataset.photos["path"])
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(files), size, size, 3)}
    bar = tqdm(total=len(files), desc="decoding photos", unit="photo")
    with file.open("wb") as out, ThreadPoolExecutor() as pool, bar:
        np.lib.format.write_array_header_1_0(out, header)
        for start in range(0, len(files), AT_ONCE):
            chunk = slice(start, start + AT_ONCE)
            for photo in pool.map(lambda path, box: decode(path, size, crop, box), files[chunk], boxes[chunk]):
                out.write(photo.tobytes())
                bar.update()
