"""A table of predictions for any number of photos: a CSV file with one row per photo."""

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from dogbreeds.analysis.classifier import Classifier, decode, most_likely, out_of_distribution
from dogbreeds.data.photo_files import shown
from dogbreeds.errors import Interrupted, StudyError
from dogbreeds.files import atomic

AT_ONCE = 64  # photos that are in memory at the same time
BREEDS = 3  # per photo
RANKED = [f"{column}_{rank}" for rank in range(1, BREEDS + 1) for column in ("breed", "probability")]
COLUMNS = ["photo", *RANKED, "out_of_distribution", "error"]


def write(classifier: Classifier, photos: list[Path], file: Path) -> tuple[int, int]:
    """Writes the predictions of a classifier for photo files to the table `file`, one row per photo in order.

    Returns the number of photos with an error and the number of photos out of distribution. The columns are COLUMNS,
    and the probabilities have six decimals. A photo that cannot be decoded has its error instead of a prediction. A
    byte of a path that is not UTF-8 is written as `\\udc` and its two hexadecimal digits. The images of AT_ONCE photos
    are in memory at a time. `file` appears when all rows are written. Raises StudyError if `file` cannot be written or
    if the network cannot be loaded, and Interrupted at Ctrl-C.
    """
    if file.suffix.lower() != ".csv" or file.is_dir():  # a table must not replace a photo
        raise StudyError(f"{shown(file)} is no name for a table: give the name of a file that ends in .csv")
    text = {"encoding": "utf-8", "errors": "backslashreplace", "newline": ""}
    bar = {"total": len(photos), "desc": "predicting breeds", "unit": "photo"}
    done = errors = outside = 0
    try:
        with atomic(file) as unfinished, unfinished.open("w", **text) as out, tqdm(**bar) as watched:
            table = csv.DictWriter(out, COLUMNS, restval="")
            table.writeheader()
            while done < len(photos):
                rows = _rows(classifier, photos[done : done + AT_ONCE])
                table.writerows(rows)
                done += len(rows)
                errors += sum("error" in row for row in rows)
                outside += sum(row.get("out_of_distribution", False) for row in rows)
                watched.update(len(rows))
    except OSError as error:
        raise StudyError(f"{shown(file)} cannot be written ({error.strerror}): choose another place") from error
    except KeyboardInterrupt as error:
        message = f"interrupted after {done} of {len(photos)} photos: {shown(file)} was not written"
        raise Interrupted(f"{message}; run the command again, or once per sub-folder") from error
    return errors, outside


def _rows(classifier: Classifier, photos: list[Path]) -> list[dict]:
    """The rows of some photos, which are in memory together."""
    images, errors = _decode(photos, classifier.image_size, classifier.crop)
    rows = {photo: {"photo": str(photo), "error": error} for photo, error in errors.items()}
    if images:
        logits = classifier.logits(np.stack(list(images.values())))
        for photo, each, flagged in zip(images, logits, out_of_distribution(classifier, logits), strict=True):
            breeds = _ranked(most_likely(each, classifier.breeds, BREEDS))
            rows[photo] = {"photo": str(photo), "out_of_distribution": bool(flagged)} | breeds
    return [rows[photo] for photo in photos]


def _ranked(breeds: dict[str, float]) -> dict[str, str]:
    """The columns RANKED of the most likely breeds; those of a third breed are absent if the run has only two."""
    cells = [cell for breed, probability in breeds.items() for cell in (breed, f"{probability:.6f}")]
    return dict(zip(RANKED, cells, strict=False))


def _decode(photos: list[Path], size: int, crop: str) -> tuple[dict[Path, np.ndarray], dict[Path, str]]:
    """The images of the photos that can be decoded, and the errors of the others."""

    def decode_or_error(photo: Path) -> np.ndarray | StudyError:
        try:
            return decode(photo, size, crop)
        except StudyError as error:
            return error

    with ThreadPoolExecutor() as pool:
        decoded = dict(zip(photos, pool.map(decode_or_error, photos), strict=True))
    errors = {photo: str(found) for photo, found in decoded.items() if isinstance(found, StudyError)}
    return {photo: image for photo, image in decoded.items() if photo not in errors}, errors
