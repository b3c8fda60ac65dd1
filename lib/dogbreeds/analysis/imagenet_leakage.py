"""The control for fine-tuning: the accuracy of the original ImageNet classifier on the test photos.

Stanford Dogs is a part of ImageNet's training set (Khosla et al., 2011, section 2), so a network with ImageNet weights
was trained on the test photos and their labels. Its accuracy on them is not an accuracy on unseen photos. The study can
still measure how much fine-tuning gains over the original ImageNet classifier.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from jaxtyping import Float

from dogbreeds import models
from dogbreeds.analysis import intervals, tables
from dogbreeds.data import pixel_cache
from dogbreeds.data.datasets import Dataset
from dogbreeds.errors import StudyError
from dogbreeds.models import imagenet_classes, pretrained
from dogbreeds.training import inference
from dogbreeds.training.runs import Run
from dogbreeds.translation import N_

# A sentence, and words for a column of a table: for the photos of Stanford Dogs, and for any other photographs.
OF_STANFORD_DOGS = (
    N_("Networks with ImageNet weights were trained on the test photos of Stanford Dogs: these are not unseen."),
    "not unseen with ImageNet weights",
)
OF_OTHER_PHOTOS = (
    N_("ImageNet may contain the test photos of this study: networks with its weights may have seen them."),
    "may not be unseen with ImageNet weights",
)


def are_published(kinds: Iterable[str]) -> bool:
    """Whether any of these kinds of initial weights was learned on ImageNet."""
    return not {"imagenet", *pretrained.PUBLISHED}.isdisjoint(kinds)


def seen_before(stanford_dogs: bool) -> tuple[str, str]:
    """OF_STANFORD_DOGS or OF_OTHER_PHOTOS: what networks with ImageNet weights have seen of a set of photographs."""
    return OF_STANFORD_DOGS if stanford_dogs else OF_OTHER_PHOTOS


def networks(dataset: Dataset) -> list[str]:
    """The networks whose ImageNet weights are in the cache; empty if ImageNet lacks a breed of the dataset."""
    try:
        imagenet_classes.outputs(dataset.breeds)
    except StudyError:
        return []
    return [name for name in models.ARCHITECTURES if pretrained.find("imagenet", name).file.path.is_file()]


def original_classifier_logits(
    architecture: str, dataset: Dataset, image_size: int, crop: str = "centre"
) -> Float[np.ndarray, "photos breeds"]:
    """Logits of the original ImageNet classifier on the test photos, without its outputs for other classes.

    The predictions are made in PyTorch; the published weights compute the same function in Keras. Raises StudyError if
    ImageNet lacks a breed of the dataset.
    """
    outputs = imagenet_classes.outputs(dataset.breeds)
    images = pixel_cache.load(dataset, image_size, crop)[dataset.rows("test")]
    network = models.build(architecture, "pytorch", 1000, "imagenet")
    return inference.predict(network, images, architecture)[:, outputs]


def table(runs: list[Run], dataset: Dataset, image_size: int, crop: str = "centre") -> pd.DataFrame:
    """One row per network of `networks` and framework: accuracy of the original classifier and after fine-tuning, gain.

    Only `runs` with the initial weights "imagenet" are used. Accuracies and the gain with its 95 % interval are shares
    of the same test photos. A network without such runs has one row with an empty framework, without gain.
    """
    labels, rows = dataset.photos["label"].to_numpy()[dataset.rows("test")], []
    tuned = tables.by_choice([run for run in runs if run.initial_weights == "imagenet"])
    for architecture in networks(dataset):
        original = original_classifier_logits(architecture, dataset, image_size, crop).argmax(axis=1) == labels
        title = models.TITLES[architecture]
        row = {"network": title, "framework": "", "original classifier": original.mean()}
        mine = {framework: mine for (network, framework, _), mine in tuned.items() if network == title}
        for framework, trained in mine.items():
            right = tables.correct(trained)
            gain = intervals.difference(right, np.repeat(original[None], len(right), axis=0))
            row |= {"framework": framework, "fine-tuned": right.mean(), "gain": gain["difference"]}
            rows.append(row | {"low": gain["low"], "high": gain["high"]})
        if not mine:
            rows.append(row)
    columns = ["network", "framework", "original classifier", "fine-tuned", "gain", "low", "high"]
    return pd.DataFrame(rows, columns=columns)
