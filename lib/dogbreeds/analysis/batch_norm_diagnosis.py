"""Why a network that learned can fail outside training: its weights held still, its statistics as found or taken anew.

While a network trains, batch normalisation uses the statistics of each batch; afterwards it uses running averages of
them. The weights never see these averages, so that both can be told apart: whatever changes when the averages are
taken anew from the same weights was not overfitting.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Float

from dogbreeds import models
from dogbreeds.data.datasets import Dataset
from dogbreeds.models import weight_conversion, weight_files
from dogbreeds.models.batch_norm import reestimate_statistics
from dogbreeds.training import backends, photo_streams
from dogbreeds.training.runs import Run

AS_TRAINED, TAKEN_ANEW = "as training left them", "taken anew"
SPLITS = {"training": "train", "validation": "validation"}  # and what their photos are called


def logits_by_statistics(run: Run, dataset: Dataset) -> dict[str, Float[np.ndarray, "photos breeds"]]:
    """What the network of `run` answers to its training and validation photos, each once as it is.

    By the statistics, those that training left and the plain average over the training photos, and the split:
    "taken anew, validation". All in PyTorch, whichever framework trained: the weights are the same to the bit.
    """
    config = replace(run.config, framework="pytorch")
    predict = backends.framework_module("pytorch").predict
    streams = {name: stream.in_order(64) for name, stream in photo_streams.batches(config, dataset).items()}
    model = models.build(config.architecture, "pytorch", len(config.breeds))
    weight_conversion.fill(model, weight_files.read(run.weights, config.architecture))
    found = {f"{AS_TRAINED}, {name}": predict(model, streams[split]) for name, split in SPLITS.items()}
    reestimate_statistics(model, streams["train"].mixed(64).loader())
    return found | {f"{TAKEN_ANEW}, {name}": predict(model, streams[split]) for name, split in SPLITS.items()}


def logits(runs: dict[str, Run], dataset: Dataset) -> dict[str, np.ndarray]:
    """`logits_by_statistics` of some runs, with the name of the run before: "rescaled, taken anew, validation".

    Beside them the labels of the photos, as "labels, validation".
    """
    found = {name: logits_by_statistics(run, dataset) for name, run in runs.items()}
    labels = dataset.photos["label"].to_numpy()
    kept = {f"labels, {photos}": labels[dataset.rows(split)] for photos, split in SPLITS.items()}
    return kept | {f"{name}, {kind}": answers for name, mine in found.items() for kind, answers in mine.items()}


def two_by_two(runs: dict[str, Run], logits: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Accuracy of some runs in inference mode, all in 0 to 1: a row a run, by its name, and a set of statistics.

    `logits` are those of the function of that name. Columns: "while training", as the last epoch measured it on
    the batches that it learned from; "training" and "validation", on each photo once as it is.
    """
    rows = {}
    for name, run in runs.items():
        for statistics in (AS_TRAINED, TAKEN_ANEW):
            row = {"while training": run.history["training_accuracy"].iloc[-1]}
            for photos in SPLITS:
                right = logits[f"{name}, {statistics}, {photos}"].argmax(axis=1) == logits[f"labels, {photos}"]
                row[photos] = float(right.mean())
            rows[name, statistics] = row
    return pd.DataFrame(rows).T.rename_axis(["colours", "statistics"])


def renewed(momentum: float, steps: int) -> float:
    """The share of a running average, in 0 to 1, that after so many steps comes from batches and not from the start."""
    return 1 - momentum**steps
