"""What the proof of concept of 2020 claimed, each claim beside what the runs of a study say to it."""

import numpy as np
import pandas as pd

from dogbreeds import statistics
from dogbreeds.models import TITLES
from dogbreeds.runs import Run

CONFIRMED, REFUTED, OPEN = "confirmed", "refuted", "not decidable here"
RESNET50_2020 = (44, 164)  # right, of how many: 26.83 %


def confront(runs: list[Run]) -> pd.DataFrame:
    """A row a claim: what was claimed, what was measured over all frameworks and seeds of `runs`, and the verdict.

    A claim about a difference is confirmed or refuted when the 95 % interval of the difference leaves zero out.
    """
    rows = [
        _accuracy("Xception stays ahead of ResNet50", runs, "xception", "resnet50"),
        _accuracy("Xception stays ahead of SE-ResNet50", runs, "xception", "se_resnet50"),
        _accuracy("SE-ResNet50 is better than ResNet50", runs, "se_resnet50", "resnet50"),
        _speed("ResNet50 learns faster than Xception", runs, "resnet50", "xception"),
        _speed("SE-ResNet50 learns faster than Xception", runs, "se_resnet50", "xception"),
        _overfitting(runs),
    ]
    return pd.DataFrame(rows, columns=["claim", "measured", "verdict"])


def _of(runs: list[Run], architecture: str) -> list[Run]:
    return [run for run in runs if run.record["architecture"] == architecture]


def _verdict(low: float, high: float) -> str:
    return CONFIRMED if low > 0 else REFUTED if high < 0 else OPEN


def _accuracy(claim: str, runs: list[Run], better: str, worse: str) -> tuple[str, str, str]:
    shares = [np.mean([run.correct() for run in _of(runs, name)], axis=0) for name in (better, worse)]
    difference, low, high = statistics.paired_difference(*shares)
    measured = f"{100 * difference:+.1f} points of accuracy ({100 * low:+.1f} to {100 * high:+.1f})"
    return claim, measured, _verdict(low, high)


def _speed(claim: str, runs: list[Run], faster: str, slower: str) -> tuple[str, str, str]:
    """Epochs to the highest validation accuracy that both runs of a pair reach, a pair a framework and seed."""
    saved = []
    for run in _of(runs, faster):
        same = [run.record["framework"], run.record["seed"]]
        for other in _of(runs, slower):
            if [other.record["framework"], other.record["seed"]] == same:
                target = min(each.history["validation_accuracy"].max() for each in (run, other))
                epochs = [statistics.time_to_accuracy(each.history, target)[0] for each in (run, other)]
                saved.append(epochs[1] - epochs[0])
    summary = statistics.over_seeds(saved)
    measured = f"{summary['mean']:+.1f} epochs saved on average over {len(saved)} pairs"
    return claim, measured, _verdict(summary["low"], summary["high"])


def _overfitting(runs: list[Run]) -> tuple[str, str, str]:
    """Refuted when every ResNet50 here is better than the interval of the figure of 2020 allows."""
    highest = statistics.accuracy_interval(*RESNET50_2020)[1]
    accuracies = [run.correct().mean() for run in _of(runs, "resnet50")]
    intervals = [statistics.accuracy_interval(int(r.correct().sum()), len(r.correct())) for r in _of(runs, "resnet50")]
    measured = f"{min(accuracies):.1%} to {max(accuracies):.1%} on the test pictures, from scratch"
    claim = f"{TITLES['resnet50']} overfits and stays near chance ({RESNET50_2020[0] / RESNET50_2020[1]:.2%})"
    return claim, measured, REFUTED if min(low for low, _ in intervals) > highest else OPEN
