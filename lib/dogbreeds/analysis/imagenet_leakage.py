"""The control of fine-tuning: what a network trained on ImageNet names right with its untouched head.

Stanford Dogs was cut from ImageNet's training set (Khosla et al., 2011, section 2), so a network with ImageNet weights
has been shown the test photos with their labels. Its accuracy on them is no accuracy on unseen photos; what fine-tuning
adds to the untouched head is what the study can still measure.
"""

import numpy as np
import pandas as pd
from jaxtyping import Float

from dogbreeds import models
from dogbreeds.analysis import intervals, tables
from dogbreeds.data import pixel_cache
from dogbreeds.data.batches import Batches
from dogbreeds.data.datasets import Dataset
from dogbreeds.errors import StudyError
from dogbreeds.models import imagenet_classes, pretrained
from dogbreeds.training.backends import framework_module
from dogbreeds.training.devices import ONE
from dogbreeds.training.photo_streams import EVALUATION_BATCH_SIZE
from dogbreeds.training.runs import Run


def networks(dataset: Dataset) -> list[str]:
    """The networks whose ImageNet weights lie in the cache; none where ImageNet lacks a breed of the dataset."""
    try:
        imagenet_classes.outputs(dataset.breeds)
    except StudyError:
        return []
    return [name for name in models.ARCHITECTURES if pretrained.on_disk(pretrained.find("imagenet", name))]


def untouched_logits(
    architecture: str, dataset: Dataset, image_size: int, crop: str = "centre"
) -> Float[np.ndarray, "photos breeds"]:
    """What the 1000-way ImageNet head says to the test photos, of its outputs only those of the dataset's breeds.

    In PyTorch: the published weights are the same function in Keras. Raises StudyError for a breed that ImageNet lacks.
    """
    outputs = imagenet_classes.outputs(dataset.breeds)
    array, labels = pixel_cache.load(dataset, image_size, crop), dataset.photos["label"].to_numpy()
    colours, device = models.preprocessing(architecture), ONE.of_this_process()
    stream = Batches(array, labels, dataset.rows("test"), EVALUATION_BATCH_SIZE, colours, device=device)
    network = models.build(architecture, "pytorch", 1000, "imagenet")
    return framework_module("pytorch").predict(network, stream)[:, outputs]


def table(runs: list[Run], dataset: Dataset, image_size: int, crop: str = "centre") -> pd.DataFrame:
    """A row a network of `networks` and a framework: the untouched head, fine-tuning, and the gain.

    Of `runs` those that started from "imagenet" count. Accuracies and the gain with its 95 % interval (`low`, `high`)
    are shares of the same test photos; without such runs fine-tuning and gain are missing.
    """
    labels, rows = dataset.photos["label"].to_numpy()[dataset.rows("test")], []
    tuned = tables.by_choice([run for run in runs if run.record["weights"] == "imagenet"])
    for architecture in networks(dataset):
        untouched = untouched_logits(architecture, dataset, image_size, crop).argmax(axis=1) == labels
        title = models.TITLES[architecture]
        row = {"network": title, "framework": "", "untouched head": untouched.mean()}
        mine = {framework: mine for (network, framework, _), mine in tuned.items() if network == title}
        for framework, trained in mine.items():
            right = tables.correct(trained)
            gain = intervals.difference(right, np.repeat(untouched[None], len(right), axis=0))
            row |= {"framework": framework, "fine-tuned": right.mean(), "gain": gain["difference"]}
            rows.append(row | {"low": gain["low"], "high": gain["high"]})
        if not mine:
            rows.append(row)
    columns = ["network", "framework", "untouched head", "fine-tuned", "gain", "low", "high"]
    return pd.DataFrame(rows, columns=columns)
