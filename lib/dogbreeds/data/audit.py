"""What a set of photos holds, and what in it would harm a training: `describe` and `check`."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
from PIL import Image
from tqdm.auto import tqdm

from dogbreeds.data import near_duplicates
from dogbreeds.data.datasets import Dataset
from dogbreeds.data.photo_files import photo_name

TINY = 32  # pixels: the last feature maps of all three networks are a thirty-second of their input
COLOUR_MODELS = {"L": "grey", "1": "black and white", "P": "palette", "CMYK": "CMYK", "RGBA": "transparent"}


def check(dataset: Dataset) -> pd.DataFrame:
    """One row a finding: photo, finding, detail, and whether it harms a training or its test.

    Load the dataset with `leave_out_broken`, so that what cannot be read is a finding and not an error. Harmful are
    files that were left out, tiny photos, and duplicates under two breeds.
    """
    rows = [(photo, "left out", reason, True) for photo, reason in dataset.left_out.items()]
    files = list(dataset.photos["path"])
    with ThreadPoolExecutor() as pool:
        looked_at = list(tqdm(pool.map(_look_at, files), total=len(files), desc="checking photos", unit="photo"))
    for path, findings in zip(files, looked_at, strict=True):
        rows += [(photo_name(path), finding, detail, finding == "tiny") for finding, detail in findings]
    same_bytes = _same_bytes(dataset)
    similar = {
        (int(first), int(second)) for first, second in near_duplicates.pairs(near_duplicates.hashes(dataset.photos))
    }
    rows += _duplicate_rows(dataset, same_bytes, "same bytes")
    rows += _duplicate_rows(dataset, similar - same_bytes, "near-duplicate")
    return pd.DataFrame(rows, columns=["photo", "finding", "detail", "harmful"])


def _look_at(path: Path) -> list[tuple[str, str]]:
    """Findings of one readable photo."""
    findings = []
    with Image.open(path) as photo:
        if min(photo.size) < TINY:
            findings.append(("tiny", f"{photo.width} x {photo.height} pixels"))
        if photo.mode != "RGB":
            findings.append(("not RGB", f"{COLOUR_MODELS.get(photo.mode, photo.mode)}, converted"))
        if photo.getexif().get(0x0112, 1) != 1:
            findings.append(("rotated by EXIF", "turned upright"))
        if getattr(photo, "n_frames", 1) > 1:
            findings.append(("animated", f"first of {photo.n_frames} frames"))
        if Image.registered_extensions().get(path.suffix.lower()) != photo.format:
            findings.append(("name of another format", f"is {photo.format}"))
    return findings


def _same_bytes(dataset: Dataset) -> set[tuple[int, int]]:
    groups = dataset.photos.groupby("digest").indices.values()
    return {(int(rows[0]), int(other)) for rows in groups for other in rows[1:]}


def _duplicate_rows(dataset: Dataset, pairs: set[tuple[int, int]], finding: str) -> list[tuple]:
    photos, rows = dataset.photos, []
    for first, second in sorted(pairs):
        one, other = photos.iloc[first], photos.iloc[second]
        harmful = bool(one["split"] != other["split"] or one["breed"] != other["breed"])
        detail = f"{photo_name(other['path'])} ({one['split']}, {other['split']})"
        rows.append((photo_name(one["path"]), finding, detail, harmful))
    return rows


def describe(dataset: Dataset) -> pd.DataFrame:
    """One row a breed: photos in each split, median width, height and ratio, and the share of the frame in the box."""
    photos = dataset.photos.assign(ratio=dataset.photos["width"] / dataset.photos["height"])
    table = pd.crosstab(photos["breed"], photos["split"])[["train", "validation", "test"]]
    table = table.join(photos.groupby("breed")[["width", "height", "ratio"]].median())
    if "left" in photos:
        table["box share"] = box_share(dataset).groupby(photos["breed"]).median()
    return table


def box_share(dataset: Dataset) -> pd.Series:
    """For each photo of Stanford Dogs the share of its frame that its box covers, in 0 to 1."""
    photos = dataset.photos
    area = (photos["right"] - photos["left"]) * (photos["bottom"] - photos["top"])
    return (area / (photos["frame_width"] * photos["frame_height"])).rename("box share")


def box_summary(dataset: Dataset) -> str:
    """One line on how much of their photos the dogs fill, where boxes are known."""
    if "left" not in dataset.photos:
        return f"No boxes: these {dataset.kind} carry none."
    low, middle, high = box_share(dataset).quantile([0.05, 0.5, 0.95])
    return f"Boxes cover {middle:.0%} of the frame in the median, {low:.0%} to {high:.0%} in nine photos of ten."
