"""What trained and exported networks share when they classify a user's photos.

This module imports neither PyTorch nor Keras.
"""

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy.special import logsumexp, softmax

from dogbreeds.data import photo_files
from dogbreeds.data.photo_files import REMEDY, shown
from dogbreeds.errors import StudyError

LESS_ACCURATE = "was trained on photos cropped to the dog's box and is less accurate on whole photos"


@runtime_checkable
class Classifier(Protocol):
    """A network with its breeds, the preparation of its photos, and the evidence that it finds in most of them."""

    breeds: list[str]
    image_size: int  # height and width of the images in pixels
    crop: str  # one of pixel_cache.CROPS, for photos without a bounding box
    least_evidence: float  # an image with less `evidence` is out of distribution

    def logits(self, images: UInt8[np.ndarray, "photos size size 3"]) -> Float[np.ndarray, "photos breeds"]:
        """Returns the logits of images of `image_size`."""


def images_of(classifier: Classifier, photos: list[Path]) -> UInt8[np.ndarray, "photos size size 3"]:
    """Photo files as the classifier receives them. Raises StudyError if one is missing or is not an image."""
    missing = [photo for photo in photos if not photo.is_file()]
    if missing:
        raise StudyError(f"{shown(missing[0])} does not exist: give the path of a photo")
    return np.stack([decode(photo, classifier.image_size, classifier.crop) for photo in photos])


def decode(photo: Path, size: int, crop: str) -> UInt8[np.ndarray, "size size 3"]:
    """A user's photo as `photo_files.decode` returns it; a StudyError names the remedy for a user's own photo."""
    try:
        return photo_files.decode(photo, size, crop)
    except StudyError as error:  # the remedies for photos of a data set do not apply here
        raise StudyError(str(error).replace(REMEDY, "choose another")) from error


def evidence(logits: Float[np.ndarray, "photos breeds"]) -> Float[np.ndarray, " photos"]:
    """The evidence for any known breed in each image: negative energy (Liu et al., arXiv:2010.03759, equation 4)."""
    return logsumexp(logits, axis=1)


def out_of_distribution(
    classifier: Classifier, logits: Float[np.ndarray, "photos breeds"]
) -> Bool[np.ndarray, " photos"]:
    """Returns for each image whether the network finds less evidence in it than in 95 % of its validation photos."""
    return evidence(logits) < classifier.least_evidence


def most_likely(logits: Float[np.ndarray, " breeds"], breeds: list[str], count: int) -> dict[str, float]:
    """The `count` most likely of `breeds` for the logits of one image, with their probabilities, most likely first."""
    probabilities = softmax(logits)
    return {breeds[place]: float(probabilities[place]) for place in np.argsort(-probabilities)[:count]}
