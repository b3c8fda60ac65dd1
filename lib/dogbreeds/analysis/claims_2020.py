"""The claims of the proof of concept of 2020, each compared with the runs of a study."""

import numpy as np
import pandas as pd
from scipy import stats

from dogbreeds.analysis import intervals, metrics, tables
from dogbreeds.training.runs import SCRATCH, Run
from dogbreeds.translation import N_, _, number

CONFIRMED, REFUTED, OPEN = N_("confirmed"), N_("refuted"), N_("not decidable here")
EQUAL = N_("equal within 2 points")  # intervals.MARGIN, as in the next two
THESE_EQUAL = N_("these trained networks are equal within 2 points")
EQUAL_FROM_THESE = N_("equal within 2 points from these initial weights")
NOT_TESTED, FAULT = N_("not tested"), N_("below chance: look for a fault")
# With one seed: another training of the same network may give another result.
HOLDS, FAILS = N_("true of these trained networks"), N_("not true of these trained networks")
# With several seeds that share their initial weights: other initial weights may give another result.
HOLDS_FROM_THESE = N_("true from these initial weights")
FAILS_FROM_THESE = N_("not true from these initial weights")
ANY = N_("any")  # initial weights of a claim that is not about accuracies
RESNET50_2020 = (44, 164)  # correctly classified, number of photos: 26.83 %
RESNET50_CURVES_2020 = (0.897, 0.183)  # training and validation accuracy at epoch 9
XCEPTION_2020 = (161, 164)  # 98.17 %
LEARNED = N_("Learned weights are a better start than none")
P_VALUES = ["p (Holm)", "p equal (Holm)"]
NEAR_CHANCE = 2.0  # an accuracy below this multiple of the chance level is near chance


def confront(runs: list[Run]) -> pd.DataFrame:
    """One row per claim and initial weights: the claim, the measurement, its p-values after Holm, and the verdict.

    Runs of both frameworks with the same seed count as one sample (`tables.by_seed`). A claim about a difference is
    confirmed or refuted if its p-value, corrected over all tests of the table, is below 0.05. For SE-ResNet50 against
    ResNet50 there is a second p-value, of two one-sided tests (`intervals.equivalence`): if it is below 0.05, they are
    equal within 2 points, unless their difference is significant. For an accuracy claim that is not decided, the column
    "would decide" has the number of test photos, or of seeds, that would decide it with 80 % power if the measured
    difference and variation were the true ones (`intervals.photos_and_seeds_needed`). Runs of a single seed
    cannot confirm or refute a claim about networks: the verdict is then about these trained networks only. If all seeds
    share their pretrained initial weights, the interval over seeds does not include the variation between initial
    weights: the verdict is then about these initial weights only. "Learns faster" compares the time constants of
    learning curves. It is not tested if a curve has no plateau. Measurements are in the active language; names of
    columns, claims and verdicts are in English (`translation.N_`).
    """
    by_weights: dict[str, list[Run]] = {}
    for run in runs:
        by_weights.setdefault(run.initial_weights, []).append(run)
    rows = []
    for weights, mine in by_weights.items():
        xception, resnet50, se_resnet50 = (_of(mine, name) for name in ("xception", "resnet50", "se_resnet50"))
        found = {
            N_("Xception stays ahead of ResNet50"): _ahead(xception, resnet50),
            N_("Xception stays ahead of SE-ResNet50"): _ahead(xception, se_resnet50),
            N_("SE-ResNet50 is better than ResNet50"): _ahead(se_resnet50, resnet50, may_be_equal=True),
            N_("ResNet50 learns faster than Xception"): _faster(resnet50, xception),
            N_("SE-ResNet50 learns faster than Xception"): _faster(se_resnet50, xception),
        }
        if weights != SCRATCH and SCRATCH in by_weights:
            found[LEARNED] = _ahead(mine, by_weights[SCRATCH])
        verdicts = _verdicts(mine)
        rows += [
            {"claim": claim, "initial weights": weights, "verdicts": verdicts} | row for claim, row in found.items()
        ]
    table = pd.DataFrame(rows)
    table[P_VALUES] = tables.holm(table[P_VALUES].to_numpy(float))
    tests = int(table[P_VALUES].notna().sum().sum())
    table["verdict"] = [_verdict(row) for _index, row in table.iterrows()]
    table["would decide"] = [
        _needed(row["arrays"], tests, not np.isnan(row["p equal (Holm)"])) if row["verdict"] == OPEN else np.nan
        for _index, row in table.iterrows()
    ]
    chance = [
        {"claim": N_("ResNet50 stays near chance (26.83%)"), "initial weights": weights} | _near_chance(each)
        for weights, each in by_weights.items()
    ]
    columns = [N_("claim"), "initial weights", N_("measured"), *P_VALUES, "verdict", "would decide"]
    return pd.concat([table[columns], pd.DataFrame(chance)], ignore_index=True)


def _verdict(row: pd.Series) -> str:
    if np.isnan(row["p (Holm)"]):
        return NOT_TESTED
    if row["p (Holm)"] < 0.05:
        return row["verdicts"][row["sign"]]
    return row["verdicts"][0] if row["p equal (Holm)"] < 0.05 else OPEN


def _needed(arrays: tuple[np.ndarray, np.ndarray] | None, tests: int, may_be_equal: bool) -> str | float:
    """The smaller numbers of `intervals.photos_and_seeds_needed` in words, for a difference or for equality.

    The level is divided by the number of `tests`, which is at least as strict as Holm's correction. NaN without arrays.
    """
    if arrays is None:
        return np.nan
    margins = (None, intervals.MARGIN) if may_be_equal else (None,)
    found = [intervals.photos_and_seeds_needed(*arrays, size=0.05 / tests, margin=margin) for margin in margins]
    photos, seeds = (min(numbers) for numbers in zip(*found, strict=True))
    counts = {"photos": number(photos, ",.0f"), "seeds": number(seeds, ",.0f")}
    if np.isfinite([photos, seeds]).all():
        return _("{photos} test photos or {seeds} seeds").format(**counts)
    if np.isfinite(photos):
        return _("{photos} test photos").format(**counts)
    return _("{seeds} seeds").format(**counts) if np.isfinite(seeds) else _("no feasible number")


def _verdicts(runs: list[Run]) -> dict[int, str]:
    """The verdict for a significant difference by its sign, and for equality (0), for runs from one kind of weights."""
    seeds = {run.record["seed"] for run in runs}
    if len(seeds) == 1:
        return {1: HOLDS, -1: FAILS, 0: THESE_EQUAL}
    sources = [(run.record["initialisation"]["source"], run.record["seed"]) for run in runs]
    learned = {(source, seed) for source, seed in sources if source}
    if len(learned) > len({source for source, _ in learned}):
        return {1: HOLDS_FROM_THESE, -1: FAILS_FROM_THESE, 0: EQUAL_FROM_THESE}
    return {1: CONFIRMED, -1: REFUTED, 0: EQUAL}


def _of(runs: list[Run], architecture: str) -> list[Run]:
    return [run for run in runs if run.record["architecture"] == architecture]


def _ahead(better: list[Run], worse: list[Run], may_be_equal: bool = False) -> dict:
    """The difference in accuracy with its interval as text, its sign, the p-values, and what was compared."""
    gap, arrays = tables.gap(better, worse), (tables.by_seed(better), tables.by_seed(worse))
    row = {"sign": int(np.sign(gap["difference"])), "p (Holm)": gap.pop("p"), "p equal (Holm)": np.nan}
    if may_be_equal:
        row["p equal (Holm)"] = intervals.equivalence(*arrays)["p"]
    return row | {"measured": intervals.format_difference(**gap), "arrays": arrays}


def _faster(faster: list[Run], slower: list[Run]) -> dict:
    """The difference between the time constants of two learning curves in epochs as text, its sign, and its p-value.

    The difference is positive if the first network learns faster. Runs are paired by seed and framework, and the pairs
    of a seed are averaged. The p-value is that of a t-test over seeds; with fewer than three seeds it is 1. It is NaN,
    and the claim is not tested, if a curve has no plateau (`metrics.time_constant`).
    """
    constants = [
        {_pair(run): metrics.time_constant(run.history, _chance(run)) for run in runs} for runs in (faster, slower)
    ]
    if constants[0].keys() != constants[1].keys():
        raise ValueError("runs cannot be paired by seed and framework")
    rising = int(np.isnan([*constants[0].values(), *constants[1].values()]).sum())
    if rising:
        measured = _("runs without a plateau: {count} of {runs}").format(count=rising, runs=2 * len(constants[0]))
        return _speed(measured, 0, np.nan)
    saved = pd.Series({pair: constants[1][pair] - constants[0][pair] for pair in constants[0]}).groupby(level=0).mean()
    mean, seeds = float(saved.mean()), len(saved)
    if seeds < 3:
        return _speed(_("{mean} epochs, seeds: {seeds}").format(mean=number(mean, "+.1f"), seeds=seeds), 0, 1.0)
    summary, error = intervals.over_seeds(saved.to_list()), float(saved.sem())
    measured = _("{mean} epochs (95 % interval {low} to {high})").format(
        mean=number(mean, "+.1f"), low=number(summary["low"], "+.1f"), high=number(summary["high"], "+.1f")
    )
    p = 2 * stats.t.sf(abs(mean) / error, seeds - 1) if error else mean == 0
    return _speed(measured, int(np.sign(mean)), float(p))


def _speed(measured: str, sign: int, p: float) -> dict:
    return {"measured": measured, "sign": sign, "p (Holm)": p, "p equal (Holm)": np.nan, "arrays": None}


def _pair(run: Run) -> tuple[int, str]:
    return run.record["seed"], run.record["framework"]


def _chance(run: Run) -> float:
    return 1 / len(run.record["breeds"])


def _near_chance(runs: list[Run]) -> dict[str, str]:
    """The range of the accuracies of the ResNet50 runs as text, and the verdict.

    The claim is about the training of 2020, so that runs of another recipe do not test it; notebook 02 does.
    """
    mine, chance = [run.correct() for run in _of(runs, "resnet50")], _chance(runs[0])
    lowest, highest = (number(end(map(np.mean, mine)), ".1%") for end in (min, max))
    measured = _("with this recipe {lowest} to {highest}, chance {chance}").format(
        lowest=lowest, highest=highest, chance=number(chance, ".1%")
    )
    return {"measured": measured, "verdict": NOT_TESTED}


def near_chance(right: list[int], photos: int, chance: float) -> str:
    """The verdict on the claim that all networks are near chance, that is, below twice the chance level.

    `right` is the number of correctly classified photos of each network, out of `photos`. The claim is confirmed if
    every 95 % interval ends below twice the chance level, and refuted if every interval begins above it. An accuracy
    below chance does not confirm the claim: it indicates a fault, such as labels in another order. The verdict is
    `FAULT` if an interval is entirely below chance. The confidence of these intervals is corrected for the number of
    networks, so that the probability of a false alarm over all networks is at most 5 %.
    """
    careful = 1 - 0.05 / len(right)
    if any(intervals.accuracy_interval(each, photos, careful)[1] < chance for each in right):
        return FAULT
    found = [intervals.accuracy_interval(each, photos) for each in right]
    if all(high < NEAR_CHANCE * chance for _, high in found):
        return CONFIRMED
    return REFUTED if all(low > NEAR_CHANCE * chance for low, _ in found) else OPEN
