"""Predictions of a trained network for a user's own photos, with class activation maps."""

import hashlib
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from dogbreeds import paths
from dogbreeds.analysis import activation_maps
from dogbreeds.analysis.classifier import LESS_ACCURATE, evidence, images_of, most_likely, out_of_distribution
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


class TrainedNetwork:
    """The network of a run as a `Classifier`; it is loaded when the first logits are asked for.

    If the training photos were cropped to boxes, a line on standard error says that the network is less accurate on
    whole photos. Raises StudyError if the run lacks what `least_evidence` needs.
    """

    def __init__(self, run: Run):
        self.run, self.breeds, self.image_size = run, run.record["breeds"], run.record["image_size"]
        self.crop, self.least_evidence = crop_without_box(run), least_evidence(run)
        if run.record["crop"] == "box":
            print(f"dogbreeds: {run.id} {LESS_ACCURATE}", file=sys.stderr)

    @cached_property
    def _network(self):
        return inference.load(self.run)

    def logits(self, images: UInt8[np.ndarray, "photos size size 3"]) -> Float[np.ndarray, "photos breeds"]:
        config = self.run.config
        return inference.predict(self._network, images, config.architecture, config.recipe.preprocessing)


def find_run(name: str) -> Run:
    """The finished run with this folder, or with this id in the outputs of any profile; StudyError if there is none."""
    for folder in (Path(name).parent, *sorted(paths.outputs().glob("*/runs"))):
        if run := RunStore(folder).open(Path(name).name):
            return run
    raise StudyError(f"no finished run '{name}': give its folder, or an id from {paths.outputs()}/*/runs")


def short_name(photo: Path) -> str:
    """A file name for a figure of a photo: the photo's own name, and a hash of its path that makes it unique."""
    return f"{photo.stem[:60]}-{hashlib.sha256(bytes(photo.resolve())).hexdigest()[:6]}"


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
    """The crop of photos that have no bounding box: that of `run`, but "centre" if its photos were cropped to boxes."""
    return "centre" if run.record["crop"] == "box" else run.record["crop"]


def predict(run: Run, photos: list[Path], breed: str | None = None) -> list[Prediction]:
    """Predictions of the network of `run` for photo files, with class activation maps for `breed`.

    Without a `breed`, each map is for the most likely breed. The photos are cropped and resized like those of the run,
    or whole if those were cropped to boxes. Raises StudyError if a file is missing or is not an image, or if the run
    lacks what `least_evidence` needs.
    """
    network = TrainedNetwork(run)
    images = images_of(network, photos)
    logits, breeds = network.logits(images), network.breeds
    explained = np.full(len(photos), breeds.index(breed)) if breed else logits.argmax(axis=1)
    maps = activation_maps.class_activation_maps(run, images / 255, explained)
    flagged = out_of_distribution(network, logits)
    return [
        Prediction(image, row, breeds, breeds[label], activation, bool(flag))
        for image, row, label, activation, flag in zip(images, logits, explained, maps, flagged, strict=True)
    ]
