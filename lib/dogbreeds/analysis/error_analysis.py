"""The errors of a network: which breeds it confuses, and which errors are most confident."""

import numpy as np
import pandas as pd

from dogbreeds.analysis import metrics
from dogbreeds.training.runs import Run


def confused_pairs(run: Run) -> pd.DataFrame:
    """Pairs of breeds (true, predicted) with the number of misclassified test photos, in descending order."""
    breeds, labels, predicted = np.array(run.record["breeds"]), run.labels(), run.logits().argmax(axis=1)
    wrong = labels != predicted
    pairs = pd.DataFrame({"true": breeds[labels[wrong]], "predicted": breeds[predicted[wrong]]})
    return pairs.value_counts().rename("photos").reset_index()


def most_confident_errors(run: Run, count: int = 8) -> pd.DataFrame:
    """The `count` most confident errors on the test photos: true breed, predicted breed and its probability in 0 to 1.

    The column `place` is the index of the photo among the test photos.
    """
    breeds, labels, logits = np.array(run.record["breeds"]), run.labels(), run.logits()
    table = pd.DataFrame({"place": np.arange(len(labels)), "true": breeds[labels]})
    table = table.assign(predicted=breeds[logits.argmax(axis=1)], probability=metrics.confidence(logits))
    return table[~run.correct()].nlargest(count, "probability").reset_index(drop=True)
