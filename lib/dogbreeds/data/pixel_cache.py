"""Decodes and resizes photos once, to a memory-mapped array of bytes that every run reads."""

from pathlib import Path

import numpy as np
import PIL
from jaxtyping import UInt8

from dogbreeds import files, paths
from dogbreeds.data import parallel_decoding
from dogbreeds.data.datasets import Dataset
from dogbreeds.data.photo_files import shown, write_pixels
from dogbreeds.errors import StudyError

# "centre": the largest central square; "box": the same within the annotated box; "squash": all, aspect ratio lost.
CROPS = ("centre", "box", "squash")


def load(dataset: Dataset, size: int, crop: str = "centre") -> UInt8[np.ndarray, "photos size size 3"]:
    """Returns the pixels of all photos of `dataset` in the order of its table, read-only and memory-mapped.

    The first call decodes the photos on all cores; see `decode_all`. The cache file is atomic. Raises StudyError for an
    unknown `crop`, for boxes that do not belong to the photos, and if a photo cannot be decoded.
    """
    boxes = _boxes(dataset, crop)
    decoder = f"pillow{PIL.__version__}"  # other versions may round differently
    file = paths.data() / "pixels" / f"{dataset.fingerprint}-{size}-{crop}-{decoder}.npy"
    files.once(file, lambda unfinished: decode_all(list(dataset.photos["path"]), size, crop, boxes, unfinished))
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


def decode_all(photos: list[Path], size: int, crop: str, boxes: list, file: Path, processes: int | None = None) -> None:
    """Writes the pixels of all photos to `file`, in the format of NumPy; for `processes` see `parallel_decoding`.

    Each thread or process holds one photo and writes it to its place in the file, so that memory does not grow with
    the number of photos. Raises StudyError if a photo cannot be decoded.
    """
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(photos), size, size, 3)}
    with file.open("wb") as out:
        np.lib.format.write_array_header_1_0(out, header)
        first = out.tell()
    tasks = [
        (file, first + row * size * size * 3, path, size, crop, box)
        for row, (path, box) in enumerate(zip(photos, boxes, strict=True))
    ]
    parallel_decoding.run(write_pixels, tasks, processes, desc="decoding photos")
