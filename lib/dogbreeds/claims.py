"""What the proof of concept of 2020 claimed, each claim beside what the runs of a study say to it."""

import numpy as np
import pandas as pd

from dogbreeds import statistics, tables
from dogbreeds.models import TITLES
from dogbreeds.runs import Run

CONFIRMED, REFUTED, OPEN = "confirmed", "refuted", "not decidable here"
RESNET50_2020 = (44, 164)  # right, of how many: 26.83 %
XCEPTION_2020 = (161, 164)  # 98.17 %


def confront(runs: list[Run]) -> pd.DataFrame:
    """A row a claim and start: what was claimed, what was measured over all frameworks and seeds, and the verdict.

    A claim about a difference is confirmed or refuted where the 95 % interval of the difference leaves zero out.
    """
    by_start: dict[str, list[Run]] = {}
    for run in runs:
        by_start.setdefault(run.record["weights"], []).append(run)
    rows = []
    for start, mine in by_start.items():
        found = [
            _accuracy("Xception stays ahead of ResNet50", mine, "xception", "resnet50"),
            _accuracy("Xception stays ahead of SE-ResNet50", mine, "xception", "se_resnet50"),
            _accuracy("SE-ResNet50 is better than ResNet50", mine, "se_resnet50", "resnet50"),
            _speed("ResNet50 learns faster than Xception", mine, "resnet50", "xception"),
            _speed("SE-ResNet50 learns faster than Xception", mine, "se_resnet50", "xception"),
            _overfitting(mine),
        ]
        rows += [(claim, start, measured, verdict) for claim, measured, verdict in found]
        if start != "scratch" and "scratch" in by_start:
            rows.append(("Learned weights are a better start than none", start, *_gap(mine, by_start["scratch"])))
    return pd.DataFrame(rows, columns=["claim", "start", "measured", "verdict"])


def _of(runs: list[Run], architecture: str) -> list[Run]:
    return [run for run in runs if run.record["architecture"] == architecture]


def _verdict(low: float, high: float) -> str:
    return CONFIRMED if low > 0 else REFUTED if high < 0 else OPEN


def _gap(better: list[Run], worse: list[Run]) -> tuple[str, str]:
    """The gap in accuracy over trainings, paired in their order, and photos; and what it says to the claim."""
    gap = statistics.difference(tables.correct(better), tables.correct(worse))
    del gap["p"]
    return statistics.format_difference(**gap), _verdict(gap["low"], gap["high"])


def _accuracy(claim: str, runs: list[Run], better: str, worse: str) -> tuple[str, str, str]:
    return claim, *_gap(_of(runs, better), _of(runs, worse))


def _speed(claim: str, runs: list[Run], faster: str, slower: str) -> tuple[str, str, str]:
    """Epochs to the highest validation accuracy that both runs of a pair reach, a pair a framework and seed."""
    saved = []
    for pair in zip(_of(runs, faster), _of(runs, slower), strict=True):
        target = min(run.history["validation_accuracy"].max() for run in pair)
        epochs = [statistics.time_to_accuracy(run.history, target)[0] for run in pair]
        saved.append(epochs[1] - epochs[0])
    summary = statistics.over_seeds(saved)
    measured = f"{summary['mean']:+.1f} epochs saved on average over {len(saved)} pairs"
    return claim, measured, _verdict(summary["low"], summary["high"])


def _overfitting(runs: list[Run]) -> tuple[str, str, str]:
    """Refuted when every ResNet50 here is better than the interval of the figure of 2020 allows."""
    highest = statistics.accuracy_interval(*RESNET50_2020)[1]
    right = [run.correct() for run in _of(runs, "resnet50")]
    lowest = min(statistics.accuracy_interval(int(each.sum()), len(each))[0] for each in right)
    shares = [np.mean(each) for each in right]
    claim = f"{TITLES['resnet50']} overfits and stays near chance ({RESNET50_2020[0] / RESNET50_2020[1]:.2%})"
    measured = f"{min(shares):.1%} to {max(shares):.1%} on the test pictures"
    return claim, measured, REFUTED if lowest > highest else OPEN
