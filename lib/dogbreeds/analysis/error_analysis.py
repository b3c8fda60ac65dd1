"""Where a network errs, where it looks, and what happens inside it."""

import numpy as np
import pandas as pd
from scipy.special import softmax

from dogbreeds.training.runs import Run


def confused_pairs(run: Run) -> pd.DataFrame:
    """Pairs of breeds (true, predicted) by how many test photos of the one were taken for the other, most first."""
    breeds, labels, guesses = np.array(run.record["breeds"]), run.labels(), run.logits().argmax(axis=1)
    wrong = labels != guesses
    pairs = pd.DataFrame({"true": breeds[labels[wrong]], "predicted": breeds[guesses[wrong]]})
    return pairs.value_counts().rename("photos").reset_index()


def worst_mistakes(run: Run, count: int = 8) -> pd.DataFrame:
    """The test photos that the run was surest about and wrong: true breed, predicted, and with which probability.

    `place` is the photo's among the test photos.
    """
    breeds, labels, logits = np.array(run.record["breeds"]), run.labels(), run.logits()
    table = pd.DataFrame({
        "place": np.arange(len(labels)),
        "true": breeds[labels],
        "predicted": breeds[logits.argmax(axis=1)],
        "probability": softmax(logits, axis=1).max(axis=1),
    })  # fmt: skip
    return table[~run.correct()].nlargest(count, "probability").reset_index(drop=True)
