"""Why a trained network can fail at inference: the same weights with running and with re-estimated statistics.

During training, batch normalisation uses the statistics of each batch; at inference it uses running averages of them.
These averages do not influence the weights, so their effect can be separated from the effect of the weights: if
accuracy changes when the averages are re-estimated for the same weights, the difference was not overfitting.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from dogbreeds.data import pixel_cache
from dogbreeds.data.datasets import Dataset
from dogbreeds.models.batch_norm import reestimate_statistics
from dogbreeds.training import inference, photo_streams
from dogbreeds.training.runs import Run
from dogbreeds.translation import N_

RUNNING, REESTIMATED = N_("running statistics"), N_("re-estimated")
SPLITS = {"training": "train", "validation": "validation"}  # the name in keys and columns, and the split


def logits(runs: dict[str, Run], dataset: Dataset) -> dict[str, np.ndarray]:
    """Logits of the training and validation photos for both sets of statistics of each run, and the photos' labels.

    The keys are such as "rescaled, re-estimated, validation", where "rescaled" is the name of a run, and "labels,
    validation". The running statistics are those at the end of training; the re-estimated ones are plain averages over
    the training photos. Each photo is predicted once, without augmentation. All predictions are made in PyTorch,
    whichever framework trained the run: the weights are identical bit for bit.
    """
    labels = dataset.photos["label"].to_numpy()
    found = {f"labels, {photos}": labels[dataset.rows(split)] for photos, split in SPLITS.items()}
    for name, run in runs.items():
        config, model = replace(run.config, framework="pytorch"), inference.load(run, "pytorch")
        pixels = pixel_cache.load(dataset, config.image_size, config.crop)
        for statistics in (RUNNING, REESTIMATED):
            if statistics == REESTIMATED:
                reestimate_statistics(model, photo_streams.batches(config, dataset)["train"].mixed(64).loader())
            for photos, split in SPLITS.items():
                images, preprocessing = pixels[dataset.rows(split)], config.recipe.preprocessing
                answers = inference.predict(model, images, config.architecture, preprocessing)
                found[f"{name}, {statistics}, {photos}"] = answers
    return found


def two_by_two(runs: dict[str, Run], logits: dict[str, np.ndarray]) -> pd.DataFrame:
    """Accuracy in inference mode, in 0 to 1, by the result of `logits`: one row per run and set of statistics.

    The columns "training" and "validation" are the accuracies on the photos of these splits. The column "while
    training" is the accuracy that the last epoch measured on its training batches.
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
