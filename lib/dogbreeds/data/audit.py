"""Summarises a set of photos (`describe`) and finds problems that would harm a training (`check`)."""

from pathlib import Path

import pandas as pd
from PIL import Image
from tqdm.contrib.concurrent import thread_map

from dogbreeds.data import near_duplicates
from dogbreeds.data.datasets import Dataset

TINY = 32  # pixels; the last feature maps of all three networks have 1/32 of the side length of their input
COLOUR_MODELS = {"L": "grey", "1": "black and white", "P": "palette", "CMYK": "CMYK", "RGBA": "transparent"}


def check(dataset: Dataset) -> pd.DataFrame:
    """Returns one row per finding: photo, finding, detail, and whether it harms a training or its test.

    Files that were left out, tiny photos, and duplicates in two splits or of two breeds are harmful. Load the dataset
    with `leave_out_broken`, so that an unreadable file is reported as a finding and does not raise an error.
    """
    rows = [(photo, "left out", reason, True) for photo, reason in dataset.left_out.items()]
    inspected = thread_map(_inspect, dataset.photos["path"], desc="checking photos", unit="photo")
    for name, findings in zip(dataset.photos["name"], inspected, strict=True):
        rows += [(name, finding, detail, finding == "tiny") for finding, detail in findings]
    return pd.DataFrame(rows + _duplicates(dataset), columns=["photo", "finding", "detail", "harmful"])


def _inspect(path: Path) -> list[tuple[str, str]]:
    """Returns the findings of one readable photo with their details."""
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


def _duplicates(dataset: Dataset) -> list[tuple]:
    """Returns one finding per pair of photos of the same scene."""
    findings = []
    for pair in near_duplicates.pairs(near_duplicates.hashes(dataset.photos)):
        one, other = dataset.photos.iloc[pair].itertuples()
        finding = "same bytes" if one.digest == other.digest else "near-duplicate"
        detail = f"{other.name} ({one.split}, {other.split})"
        harmful = one.split != other.split or one.breed != other.breed
        findings.append((one.name, finding, detail, harmful))
    return findings


def describe(dataset: Dataset) -> pd.DataFrame:
    """Returns one row per breed: photos in each split, and the medians of width, height and ratio.

    Width and height are in pixels; the ratio is width divided by height. If the dataset has bounding boxes, the column
    "box share" is the median share of the frame that the box covers.
    """
    photos = dataset.photos.assign(ratio=dataset.photos["width"] / dataset.photos["height"])
    table = pd.crosstab(photos["breed"], photos["split"])[["train", "validation", "test"]]
    table = table.join(photos.groupby("breed")[["width", "height", "ratio"]].median())
    if "left" in photos:
        table["box share"] = box_share(dataset).groupby(photos["breed"]).median()
    return table


def box_share(dataset: Dataset) -> pd.Series:
    """Returns the share of the frame that the box covers, in 0 to 1, for each photo of Stanford Dogs."""
    photos = dataset.photos
    area = (photos["right"] - photos["left"]) * (photos["bottom"] - photos["top"])
    return area / (photos["frame_width"] * photos["frame_height"])


def box_summary(dataset: Dataset) -> str:
    """Returns one line that says how much of the frame the boxes cover, or that there are no boxes."""
    if "left" not in dataset.photos:
        return f"These {dataset.kind} have no bounding boxes."
    low, middle, high = box_share(dataset).quantile([0.05, 0.5, 0.95])
    return f"The median box covers {middle:.0%} of the frame; 90% of the boxes cover {low:.0%} to {high:.0%}."
