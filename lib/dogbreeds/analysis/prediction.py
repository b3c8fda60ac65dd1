"""Predictions for a user's own photos: breeds with probabilities, a class activation map, and a warning."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from scipy.special import logsumexp, softmax

from dogbreeds import paths
from dogbreeds.analysis import activation_maps
from dogbreeds.data import photo_files
from dogbreeds.data.photo_files import REMEDY, shown
from dogbreeds.errors import StudyError
from dogbreeds.training import inference
from dogbreeds.training.runs import Run, RunStore

OUT_OF_DISTRIBUTION = 0.05  # images with less evidence than this quantile of the validation photos are flagged


@dataclass(frozen=True)
class Prediction:
    """One image as the network received it, the network's prediction, and whether it is out of distribution."""

    image: UInt8[np.ndarray, "size size 3"]
    logits: Float[np.ndarray, " breeds"]
    breeds: list[str]
    explained: str  # the breed that the activation map is for
    activation: Float[np.ndarray, "height width"]  # the evidence for it at each position
    out_of_distribution: bool

    def best(self, count: int = 5) -> dict[str, float]:
        """The most likely breeds, with their probabilities in 0 to 1, most likely first."""
        return most_likely(self.logits, self.breeds, count)


def find_run(name: str) -> Run:
    """The finished run with this folder, or with this id in the outputs of any profile; StudyError if there is none."""
    for folder in (Path(name).parent, *sorted(paths.outputs().glob("*/runs"))):
        if run := RunStore(folder).open(Path(name).name):
            return run
    raise StudyError(f"no finished run '{name}': give its folder, or an id from {paths.outputs()}/*/runs")


def short_name(photo: Path) -> str:
    """A file name for a figure of a photo: the photo's own name, and a hash of its path that makes it unique."""
    return f"{photo.stem[:60]}-{hashlib.sha256(bytes(photo.resolve())).hexdigest()[:6]}"


def most_likely(logits: Float[np.ndarray, " breeds"], breeds: list[str], count: int) -> dict[str, float]:
    """The `count` most likely of `breeds` for the logits of one image, with their probabilities, most likely first."""
    probabilities = softmax(logits)
    return {breeds[place]: float(probabilities[place]) for place in np.argsort(-probabilities)[:count]}


def evidence(logits: Float[np.ndarray, "photos breeds"]) -> Float[np.ndarray, " photos"]:
    """The evidence for any known breed in each image: negative energy (Liu et al., arXiv:2010.03759, equation 4)."""
    return logsumexp(logits, axis=1)


def least_evidence(run: Run) -> float:
    """The evidence below which an image is out of distribution: 95 % of the validation photos of `run` show more.

    The network was not trained on them. They are whole photos if the training photos were cropped to boxes, because a
    user's photos have no box. Raises StudyError if such a run has no logits of whole photos.
    """
    try:
        known = run.logits("validation_whole" if run.record["crop"] == "box" else "validation")
    except KeyError as error:
        raise StudyError(f"{run.id} is an older run without logits of whole photos: train it again") from error
    return float(np.quantile(evidence(known), OUT_OF_DISTRIBUTION))


def crop_without_box(run: Run) -> str:
    """The crop of photos that have no bounding box: that of `run`, but "centre" if its photos were cropped to boxes.

    In that case a line on standard error says that the network is less accurate on whole photos.
    """
    if run.record["crop"] != "box":
        return run.record["crop"]
    note = "was trained on photos cropped to the dog's box and is less accurate on whole photos"
    print(f"dogbreeds: {run.id} {note}", file=sys.stderr)
    return "centre"


def predict(run: Run, photos: list[Path], breed: str | None = None) -> list[Prediction]:
    """Predictions of the network of `run` for photo files, with class activation maps for `breed`.

    Without a `breed`, each map is for the most likely breed. The photos are cropped and resized like those of the run,
    or whole if those were cropped to boxes (`crop_without_box`). An image is out of distribution if the network finds
    less evidence in it than `least_evidence`. Raises StudyError if a file is missing or is not an image, or if the run
    lacks what `least_evidence` needs.
    """
    crop = crop_without_box(run)
    missing = [photo for photo in photos if not photo.is_file()]
    if missing:
        raise StudyError(f"{shown(missing[0])} does not exist: give the path of a photo")
    images = np.stack([decode(photo, run.record["image_size"], crop) for photo in photos])
    least = least_evidence(run)
    breeds, logits = run.record["breeds"], inference.logits(run, images)
    explained = np.full(len(photos), breeds.index(breed)) if breed else logits.argmax(axis=1)
    maps = activation_maps.class_activation_maps(run, images / 255, explained)
    return [
        Prediction(image, row, breeds, breeds[label], activation, bool(seen < least))
        for image, row, label, activation, seen in zip(images, logits, explained, maps, evidence(logits), strict=True)
    ]


def decode(photo: Path, size: int, crop: str) -> UInt8[np.ndarray, "size size 3"]:
    """A user's photo as `photo_files.decode` returns it; a StudyError names the remedy for a user's own photo."""
    try:
        return photo_files.decode(photo, size, crop)
    except StudyError as error:  # the remedies for photos of a data set do not apply here
        raise StudyError(str(error).replace(REMEDY, "choose another")) from error
