"""What the proof of concept of 2020 claimed, each claim beside what the runs of a study say to it."""

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from dogbreeds.analysis import intervals, metrics, tables
from dogbreeds.training.runs import Run

CONFIRMED, REFUTED, OPEN = "confirmed", "refuted", "not decidable here"
NOT_TESTED, FAULT = "not tested", "below chance: look for a fault"
# Of one seed: another training of the same network may come out otherwise.
HOLDS, FAILS = "true of these trained networks", "not true of these trained networks"
# Of several seeds that share their initial weights: others may come out otherwise.
HOLDS_FROM_THESE, FAILS_FROM_THESE = "true from these initial weights", "not true from these initial weights"
RESNET50_2020 = (44, 164)  # right, of how many: 26.83 %
RESNET50_CURVES_2020 = (0.897, 0.183)  # its accuracy in training and validation at epoch 9
XCEPTION_2020 = (161, 164)  # 98.17 %
NEAR_CHANCE = 2.0  # an accuracy below so many times the chance level is near it


def confront(runs: list[Run]) -> pd.DataFrame:
    """A row a claim and start: what was claimed, what was measured, its p-value after Holm, and the verdict.

    Runs of one seed and both frameworks count as one (`tables.by_seed`). A claim about a difference is confirmed or
    refuted where its p-value, corrected over the rows that are tested, is below 0.05. Trainings of one seed give no
    such verdict on networks: then it says what is true of these trained networks. Where all seeds share the learned
    weights that they start from, whose luck no interval over seeds holds, it says what is true from those weights.
    "Learns faster" compares the time constants of learning curves. It is not tested where a curve has no plateau.
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
    tested = table["p (Holm)"].notna()
    table.loc[tested, "p (Holm)"] = multipletests(table.loc[tested, "p (Holm)"], method="holm")[1]
    decided = {start: _verdicts(mine) for start, mine in by_start.items()}
    signs = table.pop("sign").where(table["p (Holm)"] < 0.05)
    table["verdict"] = [decided[start].get(sign, OPEN) for start, sign in zip(table["start"], signs, strict=True)]
    table.loc[~tested, "verdict"] = NOT_TESTED
    chance = [("ResNet50 stays near chance (26.83%)", start, *_near_chance(each)) for start, each in by_start.items()]
    return pd.concat(
        [table, pd.DataFrame(chance, columns=["claim", "start", "measured", "verdict"])], ignore_index=True
    )


def _verdicts(runs: list[Run]) -> dict[int, str]:
    """What a significant difference is called by its sign, for runs that share a kind of start."""
    seeds = {run.record["seed"] for run in runs}
    if len(seeds) == 1:
        return {1: HOLDS, -1: FAILS}
    learned = {(run.record["start"], run.record["seed"]) for run in runs if run.record["start"]}
    if len(learned) > len({start for start, _ in learned}):
        return {1: HOLDS_FROM_THESE, -1: FAILS_FROM_THESE}
    return {1: CONFIRMED, -1: REFUTED}


def _of(runs: list[Run], architecture: str) -> list[Run]:
    return [run for run in runs if run.record["architecture"] == architecture]


def _ahead(better: list[Run], worse: list[Run]) -> tuple[str, int, float]:
    """The gap in accuracy with its interval, the side it is on, and its p-value."""
    gap = tables.gap(better, worse)
    p = gap.pop("p")
    return intervals.format_difference(**gap), int(np.sign(gap["difference"])), p


def _faster(faster: list[Run], slower: list[Run]) -> tuple[str, int, float]:
    """How much shorter the time constant of the first network's learning curve is, in epochs: the mean over seeds.

    Runs are paired by seed and framework, and the pairs of a seed are averaged. The p-value is that of a t-test over
    seeds. Fewer than three seeds decide nothing. NaN, and not tested, where a curve has no plateau
    (`statistics.time_constant`).
    """
    constants = [
        {_pair(run): metrics.time_constant(run.history, _chance(run)) for run in runs} for runs in (faster, slower)
    ]
    if constants[0].keys() != constants[1].keys():
        raise ValueError("runs cannot be paired by seed and framework")
    rising = int(np.isnan([*constants[0].values(), *constants[1].values()]).sum())
    if rising:
        return f"runs without a plateau: {rising} of {2 * len(constants[0])}", 0, float("nan")
    saved = pd.Series({pair: constants[1][pair] - constants[0][pair] for pair in constants[0]}).groupby(level=0).mean()
    mean, seeds = float(saved.mean()), len(saved)
    if seeds < 3:
        return f"{mean:+.1f} epochs, seeds: {seeds}", 0, 1.0
    summary, error = intervals.over_seeds(saved.to_list()), float(saved.sem())
    measured = f"{mean:+.1f} epochs (95 % interval {summary['low']:+.1f} to {summary['high']:+.1f})"
    p = 2 * stats.t.sf(abs(mean) / error, seeds - 1) if error else mean == 0
    return measured, int(np.sign(mean)), float(p)


def _pair(run: Run) -> tuple[int, str]:
    return run.record["seed"], run.record["framework"]


def _chance(run: Run) -> float:
    return 1 / len(run.record["breeds"])


def _near_chance(runs: list[Run]) -> tuple[str, str]:
    """The range of the ResNet50s' accuracies, and the verdict on them."""
    mine, chance = [run.correct() for run in _of(runs, "resnet50")], _chance(runs[0])
    measured = f"runs: {min(map(np.mean, mine)):.1%} to {max(map(np.mean, mine)):.1%}, by guessing {chance:.1%}"
    return measured, near_chance([int(each.sum()) for each in mine], len(mine[0]), chance)


def near_chance(right: list[int], photos: int, chance: float) -> str:
    """The verdict on networks that named `right` of so many photos right: are all near chance, below twice its level?

    Confirmed where every 95 % interval ends below that, refuted where every one begins above it. An accuracy below
    chance confirms nothing: it is the mark of a fault, such as labels in another order. It is called so where an
    interval lies wholly below chance, at a confidence that makes 5 % of such alarms false over all networks.
    """
    careful = 1 - 0.05 / len(right)
    if any(intervals.accuracy_interval(each, photos, careful)[1] < chance for each in right):
        return FAULT
    found = [intervals.accuracy_interval(each, photos) for each in right]
    if all(high < NEAR_CHANCE * chance for _, high in found):
        return CONFIRMED
    return REFUTED if all(low > NEAR_CHANCE * chance for low, _ in found) else OPEN
