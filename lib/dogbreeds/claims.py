"""What the proof of concept of 2020 claimed, each claim beside what the runs of a study say to it."""

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from dogbreeds import statistics, tables
from dogbreeds.runs import Run

CONFIRMED, REFUTED, OPEN = "confirmed", "refuted", "not decidable here"
# Of one seed: another training of the same network may come out otherwise.
HOLDS, FAILS = "true of these trained networks", "not true of these trained networks"
RESNET50_2020 = (44, 164)  # right, of how many: 26.83 %
RESNET50_CURVES_2020 = (0.897, 0.183)  # its accuracy in training and validation at epoch 9
XCEPTION_2020 = (161, 164)  # 98.17 %
BREEDS_2020 = 5
NEAR_CHANCE = statistics.accuracy_interval(*RESNET50_2020)[1] * BREEDS_2020  # as many times chance, or less, is near it
LEAST_SPREAD = (1 / 12) ** 0.5  # of a number of epochs over seeds: that of rounding to a whole one


def confront(runs: list[Run]) -> pd.DataFrame:
    """A row a claim and start: what was claimed, what was measured, its p-value after Holm, and the verdict.

    Runs of one seed and both frameworks count as one (`tables.by_seed`). A claim about a difference is confirmed or
    refuted where its p-value, corrected over the rows of the table, is below 0.05. Trainings of one seed give no such
    verdict on networks: then it says what is true of these trained networks.
    """
    by_start: dict[str, list[Run]] = {}
    for run in runs:
        by_start.setdefault(run.record["weights"], []).append(run)
    rows = []
    for start, mine in by_start.items():
        xception, resnet50, se_resnet50 = (_of(mine, name) for name in ("xception", "resnet50", "se_resnet50"))
        found = [
            ("Xception stays ahead of ResNet50", *_ahead(xception, resnet50)),
            ("Xception stays ahead of SE-ResNet50", *_ahead(xception, se_resnet50)),
            ("SE-ResNet50 is better than ResNet50", *_ahead(se_resnet50, resnet50)),
            ("ResNet50 learns faster than Xception", *_faster(resnet50, xception)),
            ("SE-ResNet50 learns faster than Xception", *_faster(se_resnet50, xception)),
        ]
        if start != "scratch" and "scratch" in by_start:
            found.append(("Learned weights are a better start than none", *_ahead(mine, by_start["scratch"])))
        rows += [(claim, start, measured, sign, p) for claim, measured, sign, p in found]
    table = pd.DataFrame(rows, columns=["claim", "start", "measured", "sign", "p (Holm)"])
    table["p (Holm)"] = multipletests(table["p (Holm)"], method="holm")[1]
    several = len({run.record["seed"] for run in runs}) > 1
    decided = {1: CONFIRMED, -1: REFUTED} if several else {1: HOLDS, -1: FAILS}
    signs = table.pop("sign").where(table["p (Holm)"] < 0.05)
    table["verdict"] = [decided.get(sign, OPEN) for sign in signs]
    chance = [("ResNet50 stays near chance (26.83%)", start, *_near_chance(each)) for start, each in by_start.items()]
    return pd.concat(
        [table, pd.DataFrame(chance, columns=["claim", "start", "measured", "verdict"])], ignore_index=True
    )


def _of(runs: list[Run], architecture: str) -> list[Run]:
    return [run for run in runs if run.record["architecture"] == architecture]


def _ahead(better: list[Run], worse: list[Run]) -> tuple[str, int, float]:
    """The gap in accuracy with its interval, the side it is on, and its p-value."""
    gap = tables.gap(better, worse)
    p = gap.pop("p")
    return statistics.format_difference(**gap), int(np.sign(gap["difference"])), p


def _faster(faster: list[Run], slower: list[Run]) -> tuple[str, int, float]:
    """Epochs to the highest validation accuracy that both runs of a pair reach: the mean that is saved over seeds.

    The pairs of a seed, one a framework, are averaged. Fewer than three seeds decide nothing, and they differ by no
    less than whole numbers do by rounding.
    """
    saved: dict[int, list[float]] = {}
    for pair in zip(faster, slower, strict=True):
        target = min(run.history["validation_accuracy"].max() for run in pair)
        epochs = [statistics.time_to_accuracy(run.history, target)[0] for run in pair]
        saved.setdefault(pair[0].record["seed"], []).append(epochs[1] - epochs[0])
    means = [float(np.mean(each)) for each in saved.values()]
    mean, seeds = float(np.mean(means)), len(means)
    measured = f"{mean:+.1f} epochs saved, seeds: {seeds}"
    if seeds < 3:
        return measured, 0, 1.0
    error = max(float(np.std(means, ddof=1)), LEAST_SPREAD) / seeds**0.5
    low, high = stats.t.interval(0.95, seeds - 1, loc=mean, scale=error)
    measured = f"{mean:+.1f} epochs saved (95 % interval {low:+.1f} to {high:+.1f})"
    return measured, int(np.sign(mean)), float(2 * stats.t.sf(abs(mean) / error, seeds - 1))


def _near_chance(runs: list[Run]) -> tuple[str, str]:
    """Near is as many times chance as the upper end of the interval of 2020, on five breeds.

    Refuted when every ResNet50's interval lies above that; confirmed when every one reaches down to chance.
    """
    mine = [run.correct() for run in _of(runs, "resnet50")]
    chance = 1 / len(runs[0].record["breeds"])
    lowest = [statistics.accuracy_interval(int(each.sum()), len(each))[0] for each in mine]
    measured = f"runs: {min(map(np.mean, mine)):.1%} to {max(map(np.mean, mine)):.1%}, by guessing {chance:.1%}"
    return measured, REFUTED if min(lowest) > NEAR_CHANCE * chance else CONFIRMED if max(lowest) <= chance else OPEN
