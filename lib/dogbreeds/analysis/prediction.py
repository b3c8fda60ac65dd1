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
from dogbreeds.data.photo_files import REMEDY, decode, shown
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
        probabilities = softmax(self.logits)
        return {self.breeds[place]: float(probabilities[place]) for place in np.argsort(-probabilities)[:count]}


def find_run(name: str) -> Run:
    """The finished run with this folder, or with this id in the outputs of any profile; StudyError if there is none."""
    for folder in (Path(name).parent, *sorted(paths.outputs().glob("*/runs"))):
        if run := RunStore(folder).open(Path(name).name):
            return run
    raise StudyError(f"no finished run '{name}': give its folder, or an id from {paths.outputs()}/*/runs")


def short_name(photo: Path) -> str:
    """A file name for a figure of a photo: the photo's own name, and a hash of its path that makes it unique."""
    return f"{photo.stem[:60]}-{hashlib.sha256(bytes(photo.resolve())).hexdigest()[:6]}"


def evidence(logits: Float[np.ndarray, "photos breeds"]) -> Float[np.ndarray, " photos"]:
    """The evidence for any known breed in each image: negative energy (Liu et al., arXiv:2010.03759, equation 4)."""
    return logsumexp(logits, axis=1)


def predict(run: Run, photos: list[Path], breed: str | None = None) -> list[Prediction]:
    """Predictions of the network of `run` for photo files, with class activation maps for `breed`.

    Without a `breed`, each map is for the most likely breed. The photos are cropped and resized like those of the run.
    An image is out of distribution if the network finds less evidence in it than in 95 % of the validation photos,
    which it was not trained on either. A user's photos have no bounding box. A network trained with crop "box"
    therefore receives them whole, and a line on standard error says so; they are then compared with whole validation
    photos. Raises StudyError if a file is missing or is not an image, or if such a run has no logits of whole photos.
    """
    crop, known = run.record["crop"], "validation"
    if crop == "box":
        crop, known = "centre", "validation_whole"
        note = "was trained on photos cropped to the dog's box and is less accurate on whole photos"
        print(f"dogbreeds: {run.id} {note}", file=sys.stderr)
    missing = [photo for photo in photos if not photo.is_file()]
    if missing:
        raise StudyError(f"{shown(missing[0])} does not exist: give the path of a photo")
    images = np.stack([_image(photo, run.record["image_size"], crop) for photo in photos])
    try:
        least = np.quantile(evidence(run.logits(known)), OUT_OF_DISTRIBUTION)
    except KeyError as error:
        raise StudyError(f"{run.id} is an older run without logits of whole photos: train it again") from error
    breeds, logits = run.record["breeds"], inference.logits(run, images)
    explained = np.full(len(photos), breeds.index(breed)) if breed else logits.argmax(axis=1)
    maps = activation_maps.class_activation_maps(run, images / 255, explained)
    return [
        Prediction(image, row, breeds, breeds[label], activation, bool(seen < least))
        for image, row, label, activation, seen in zip(images, logits, explained, maps, evidence(logits), strict=True)
    ]


def _image(photo: Path, size: int, crop: str) -> UInt8[np.ndarray, "size size 3"]:
    try:
        return decode(photo, size, crop)
    except StudyError as error:  # the remedies for photos of a data set do not apply here
        raise StudyError(str(error).replace(REMEDY, "choose another")) from error
