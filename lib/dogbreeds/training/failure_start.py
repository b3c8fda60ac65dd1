"""Where the trainings of `failure_trainings` start: the initial weights of their networks, and their images."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from dogbreeds import files
from dogbreeds.data.datasets import Dataset
from dogbreeds.models import keras_applications, pretrained
from dogbreeds.models.names import IMAGE_SIZES, SMALLEST_SIZES


@dataclass(frozen=True)
class OtherBreeds:
    """Weights that each network first learns on the breeds of `dataset`, for `epochs`. The images are small."""

    dataset: Dataset
    epochs: int
    crop: ClassVar[str] = "centre"

    def key(self) -> str:
        """Identifies the initial weights and how the images are made."""
        return f"{self.dataset.fingerprint} {self.epochs}"

    def size(self, network: str) -> int:
        """Returns the height and width of the images in pixels."""
        return IMAGE_SIZES[network]

    def record(self, network: str) -> dict[str, str]:
        """Returns what the file of a training says about its initial weights."""
        return {"weights": "other-breeds"}


@dataclass(frozen=True)
class ImageNet:
    """The published weights of `keras.applications`, with the images of the study.

    `image_size` (pixels per side) and `crop` are those of the study; images are larger if the network does not accept
    that size. `published` has the weights file of each network.
    """

    image_size: int
    crop: str
    published: dict[str, Path]

    @classmethod
    def fetched(cls, image_size: int, crop: str) -> "ImageNet":
        """Downloads the files that are not in the cache. Raises StudyError if one cannot be had."""
        published = pretrained.OF_KERAS_APPLICATIONS.items()
        return cls(image_size, crop, {network: pretrained.fetch(weights) for network, weights in published})

    def key(self) -> str:
        """Identifies the initial weights and how the images are made."""
        digests = " ".join(files.remembered_digest(file) for file in self.published.values())
        return f"imagenet {self.image_size} {self.crop} {digests}"

    def size(self, network: str) -> int:
        """Returns the height and width of the images in pixels."""
        return max(self.image_size, SMALLEST_SIZES[network])

    def record(self, network: str) -> dict[str, str]:
        """Returns what the file of a training says about its initial weights."""
        file = self.published[network]
        return {"weights": "imagenet", "weights file": file.name, "weights sha256": files.remembered_digest(file)}

    def backbone(self, network: str) -> list[np.ndarray]:
        """Returns the published weights in the order of Keras. Raises StudyError if the file does not match."""
        model = keras_applications.build(network, 1, self.size(network), self.published[network])
        return model.get_weights()[:-2]  # without those of the classifier
