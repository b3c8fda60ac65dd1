"""Why a network that learned can fail outside training: its weights held still, its statistics as found or taken anew.

While a network trains, batch normalisation uses the statistics of each batch; afterwards it uses running averages of
them. The weights never see these averages, so that both can be told apart: whatever changes when the averages are
taken anew from the same weights was not overfitting.
"""

from dataclasses import replace

import pandas as pd
import torch

from dogbreeds import models, training
from dogbreeds.batches import Batches
from dogbreeds.datasets import Dataset
from dogbreeds.models import porting, weights
from dogbreeds.models.batch_norm import reestimate_statistics
from dogbreeds.runs import Run
from dogbreeds.training_pytorch import predict

AS_TRAINED, TAKEN_ANEW = "as training left them", "taken anew"


def accuracy_by_statistics(run: Run, dataset: Dataset) -> pd.DataFrame:
    """Accuracy of the last weights of `run` in inference mode, all in 0 to 1: a row a set of statistics.

    The statistics are those training left or, taken anew, the plain average over its training photos. Columns: "while
    training", as the last epoch measured it on the batches that it learned from; "training" and "validation", on each
    photo once as it is. All in PyTorch, whichever framework trained: the weights are the same to the bit.
    """
    config = replace(run.config, framework="pytorch")
    streams = {name: stream.in_order(64) for name, stream in training.batches(config, dataset).items()}
    model = models.build(config.architecture, "pytorch", len(config.breeds))
    porting.fill(model, weights.read(run.folder / "last.safetensors", config.architecture))
    rows = {AS_TRAINED: _accuracies(model, streams)}
    rows[TAKEN_ANEW] = _accuracies(reestimate_statistics(model, streams["train"].loader()), streams)
    table = pd.DataFrame(rows).T
    table.insert(0, "while training", run.history["training_accuracy"].iloc[-1])
    return table.rename_axis("statistics")


def _accuracies(model: torch.nn.Module, streams: dict[str, Batches]) -> dict[str, float]:
    found = {}
    for name, split in {"training": "train", "validation": "validation"}.items():
        stream = streams[split]
        found[name] = float((predict(model, stream).argmax(axis=1) == stream.labels[stream.rows]).mean())
    return found


def two_by_two(runs: dict[str, Run], dataset: Dataset) -> pd.DataFrame:
    """`accuracy_by_statistics` of several runs, one under the other, by their names."""
    return pd.concat({name: accuracy_by_statistics(run, dataset) for name, run in runs.items()}, names=["colours"])


def renewed(momentum: float, steps: int) -> float:
    """The share of a running average, in 0 to 1, that after so many steps comes from batches and not from the start."""
    return 1 - momentum**steps
