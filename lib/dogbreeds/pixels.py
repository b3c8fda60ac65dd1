"""Photos decoded and resized once, to a memory-mapped array of bytes that every run reads."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from filelock import FileLock
from jaxtyping import UInt8
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from dogbreeds import paths
from dogbreeds.datasets import Dataset
from dogbreeds.errors import StudyError


def decode(path: Path, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """One photo as RGB bytes: its short side resized to `size` with antialiasing, then the centre cut out.

    Raises StudyError for a photo that cannot be decoded to its end.
    """
    try:
        with Image.open(path) as photo:
            return np.asarray(ImageOps.fit(photo.convert("RGB"), (size, size), Image.Resampling.BILINEAR))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise StudyError(f"{path} cannot be decoded ({error}): repair it or take it out") from error


def load(dataset: Dataset, size: int) -> UInt8[np.ndarray, "photos size size 3"]:
    """The photos of `dataset` in the order of its table, read-only and memory-mapped.

    Decoded in parallel the first time; the file appears only when it is complete.
    """
    file = paths.data() / "pixels" / f"{dataset.fingerprint}-{size}.npy"
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_suffix(".lock")):  # a second process waits for the first
        if not file.exists():
            unfinished = file.with_suffix(".unfinished")
            try:
                _decode_all(dataset, size, unfinished)
            except BaseException:
                unfinished.unlink(missing_ok=True)
                raise
            unfinished.rename(file)
    return np.load(file, mmap_mode="r")


def _decode_all(dataset: Dataset, size: int, file: Path) -> None:
    array = np.lib.format.open_memmap(file, "w+", np.uint8, (len(dataset.photos), size, size, 3))
    with ThreadPoolExecutor() as pool:
        decoded = pool.map(lambda path: decode(path, size), dataset.photos["path"])
        for row, photo in enumerate(tqdm(decoded, total=len(array), desc="decoding photos", unit="photo")):
            array[row] = photo
    array.flush()
