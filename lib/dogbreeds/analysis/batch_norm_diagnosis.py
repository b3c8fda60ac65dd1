"""Why a trained network can fail at inference: the same weights with running and with re-estimated statistics.

During training, batch normalisation uses the statistics of each batch; at inference it uses running averages of them.
These averages do not influence the weights, so their effect can be separated from the effect of the weights: if
accuracy changes when the averages are re-estimated for the same weights, the difference was not overfitting.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Float

from dogbreeds.data import pixel_cache
from dogbreeds.data.datasets import Dataset
from dogbreeds.models.batch_norm import reestimate_statistics
from dogbreeds.training import inference, photo_streams
from dogbreeds.training.runs import Run
from dogbreeds.translation import N_

RUNNING, REESTIMATED = N_("running statistics"), N_("re-estimated")
SPLITS = {"training": "train", "validation": "validation"}  # the name in keys and columns, and the split


def logits_by_statistics(run: Run, dataset: Dataset) -> dict[str, Float[np.ndarray, "photos breeds"]]:
    """Logits of the network of `run` on its training and validation photos, for both sets of statistics.

    The running statistics are those at the end of training; the re-estimated ones are plain averages over the training
    photos. The keys name the statistics and the split: "re-estimated, validation". Each photo is predicted once,
    without augmentation. All predictions are made in PyTorch, whichever framework trained the run: the weights are
    identical bit for bit.
    """
    config, model = replace(run.config, framework="pytorch"), inference.load(run, "pytorch")
    pixels, found = pixel_cache.load(dataset, config.image_size, config.crop), {}
    for statistics in (RUNNING, REESTIMATED):
        if statistics == REESTIMATED:
            reestimate_statistics(model, photo_streams.batches(config, dataset)["train"].mixed(64).loader())
        for name, split in SPLITS.items():
            images = pixels[dataset.rows(split)]
            answers = inference.predict(model, images, config.architecture, config.recipe.preprocessing)
            found[f"{statistics}, {name}"] = answers
    return found


def logits(runs: dict[str, Run], dataset: Dataset) -> dict[str, np.ndarray]:
    """`logits_by_statistics` of several runs, and the labels of the photos.

    The keys begin with the name of the run: "rescaled, re-estimated, validation". The labels have keys such as
    "labels, validation".
    """
    found = {name: logits_by_statistics(run, dataset) for name, run in runs.items()}
    labels = dataset.photos["label"].to_numpy()
    kept = {f"labels, {photos}": labels[dataset.rows(split)] for photos, split in SPLITS.items()}
    return kept | {f"{name}, {kind}": answers for name, mine in found.items() for kind, answers in mine.items()}


def two_by_two(runs: dict[str, Run], logits: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Accuracy in inference mode, in 0 to 1: one row per run and set of statistics.

    `logits` is the result of the function `logits`. The column "while training" is the accuracy that the last epoch
    measured on its training batches. The columns "training" and "validation" are the accuracies on the photos of these
    splits, each predicted once, without augmentation.
    """
    rows = {}
    for name, run in runs.items():
        for statistics in (RUNNING, REESTIMATED):
            row = {"while training": run.history["training_accuracy"].iloc[-1]}
            for photos in SPLITS:
                right = logits[f"{name}, {statistics}, {photos}"].argmax(axis=1) == logits[f"labels, {photos}"]
                row[photos] = float(right.mean())
            rows[name, statistics] = row
    return pd.DataFrame(rows).T.rename_axis(["colours", "statistics"])


def renewed(momentum: float, steps: int) -> float:
    """The share of a running average, in 0 to 1, that comes from batches and not from its initial value.

    `momentum` follows Keras' convention (0.99 or 0.9); `steps` is the number of training steps.
    """
    return 1 - momentum**steps
