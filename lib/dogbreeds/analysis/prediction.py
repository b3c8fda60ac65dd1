"""What a trained network says to one's own photos: breeds with probabilities, where it looked, and a warning."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from scipy.special import logsumexp, softmax

from dogbreeds import paths
from dogbreeds.analysis import activation_maps
from dogbreeds.data import pixel_cache
from dogbreeds.data.photo_files import REMEDY, shown
from dogbreeds.errors import StudyError
from dogbreeds.training import inference
from dogbreeds.training.runs import Run

UNLIKE = 0.05  # a picture with less evidence than this share of the validation photos is called unlike them


@dataclass(frozen=True)
class Prediction:
    """One picture as the network got it, what it answered, and the warning if there is one."""

    picture: UInt8[np.ndarray, "size size 3"]
    logits: Float[np.ndarray, " breeds"]
    breeds: list[str]
    spoken_for: str  # the breed that the activation is about
    activation: Float[np.ndarray, "height width"]  # how strongly each place spoke for it
    unlike: bool

    def best(self, count: int = 5) -> dict[str, float]:
        """The most likely breeds, with their probabilities in 0 to 1, most likely first."""
        probabilities = softmax(self.logits)
        return {self.breeds[place]: float(probabilities[place]) for place in np.argsort(-probabilities)[:count]}


def find_run(name: str) -> Run:
    """A run by its folder or by its id in any profile's outputs; raises StudyError for one that is not there."""
    folders = [Path(name), *sorted(paths.outputs().glob(f"*/runs/{name}"))]
    for folder in folders:
        if (folder / "run.json").is_file():
            return Run(folder)
    raise StudyError(f"no finished run '{name}': name its folder, or an id from {paths.outputs()}/*/runs")


def short_name(photo: Path) -> str:
    """A name for what is drawn of a photo: its own, and what tells it from others of that name."""
    return f"{photo.stem[:60]}-{hashlib.sha256(bytes(photo.resolve())).hexdigest()[:6]}"


def evidence(logits: Float[np.ndarray, "photos breeds"]) -> Float[np.ndarray, " photos"]:
    """How much of anything it knows a network sees: the negative energy of Liu et al. (arXiv:2010.03759, eq. 4)."""
    return logsumexp(logits, axis=1)


def predict(run: Run, photos: list[Path], breed: str | None = None) -> list[Prediction]:
    """What the network of `run` says to each photo, cut and resized as its own were, and where it saw `breed`.

    Without one, where it saw the breed that it finds most likely.

    A picture is called unlike the training photos where the network finds less evidence in it than in 95 % of the
    validation photos, which it was not trained on either. Photos of one's own have no box: a network that was trained
    with crop "box" gets them whole, which standard error tells, and they are compared with validation photos that are
    whole, too. Raises StudyError for a file that is no picture, and for such a run that did not keep the logits of
    whole photos.
    """
    record = run.record
    crop, known = record["crop"], "validation"
    if crop == "box":
        crop, known = "centre", "validation_whole"
        told = "was trained on dogs cut out by their boxes and answers worse to whole photos"
        print(f"dogbreeds: {run.id} {told}", file=sys.stderr)
    missing = [photo for photo in photos if not photo.is_file()]
    if missing:
        raise StudyError(f"{shown(missing[0])} is not there: name a photo")
    pictures = np.stack([_picture(photo, record["image_size"], crop) for photo in photos])
    try:
        least = np.quantile(evidence(run.logits(known)), UNLIKE)
    except KeyError as error:
        raise StudyError(f"{run.id} kept no logits of whole photos, as runs do since: train it again") from error
    breeds, logits = list(record["breeds"]), inference.logits(run, pictures)
    spoken_for = np.full(len(photos), breeds.index(breed)) if breed else logits.argmax(axis=1)
    maps = activation_maps.class_activation_maps(run, pictures / 255, spoken_for)
    return [
        Prediction(picture, row, breeds, breeds[label], activation, bool(seen < least))
        for picture, row, label, activation, seen in zip(
            pictures, logits, spoken_for, maps, evidence(logits), strict=True
        )
    ]


def _picture(photo: Path, size: int, crop: str) -> UInt8[np.ndarray, "size size 3"]:
    try:
        return pixel_cache.decode(photo, size, crop)
    except StudyError as error:  # one's own photo cannot be left out of a data set
        raise StudyError(str(error).replace(REMEDY, "choose another")) from error
