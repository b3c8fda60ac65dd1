"""Tables of the runs of a study: results of each network, framework and initial weights, and their comparisons."""

from itertools import combinations

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from statsmodels.stats.multitest import multipletests

from dogbreeds.analysis import intervals, metrics
from dogbreeds.training.runs import Run
from dogbreeds.translation import number

CHOICES = ("network", "framework", "initial weights")  # the names of the parts of `Run.choice` in tables
DIFFERENCE = ("difference", "low", "high", "p", "p (Holm)")  # of two accuracies, with interval and p-values
# Pairs that may be equal: for these, two one-sided tests are made in addition (`intervals.equivalence`).
MAY_BE_EQUAL = ({"Keras", "PyTorch"}, {"ResNet50", "SE-ResNet50"})
COSTS = {"epochs": "epochs", "seconds": "seconds", "photos_per_second": "photos/s", "peak_memory_mb": "memory MB"}


def by_choice(runs: list[Run]) -> dict[tuple[str, str, str], list[Run]]:
    """Runs grouped by their `choice` of network, framework and initial weights, each group in the order of the seeds.

    Raises ValueError if two runs of a group have the same seed, because then they differ in something else.
    """
    groups: dict = {}
    for run in sorted(runs, key=lambda run: run.record["seed"]):
        groups.setdefault(run.choice, []).append(run)
    for choice, mine in groups.items():
        if len({run.record["seed"] for run in mine}) < len(mine):
            raise ValueError(f"{', '.join(choice)}: several runs with the same seed")
    return groups


def correct(runs: list[Run]) -> Bool[np.ndarray, "seeds photos"]:
    """Whether each of `runs` classifies each test photo correctly."""
    return np.stack([run.correct() for run in runs])


def by_seed(runs: list[Run]) -> Bool[np.ndarray, "seeds photos"] | Float[np.ndarray, "seeds photos"]:
    """The share of the runs of each seed, in 0 to 1, that classify each test photo correctly, one row per seed.

    Runs with the same seed share initial weights, batches and augmentation: together they are one sample, not several.
    The rows are in the order of the seeds. With one run per seed, they are booleans.
    """
    seeds = sorted({run.record["seed"] for run in runs})
    if len(seeds) == len(runs):
        return correct(sorted(runs, key=lambda run: run.record["seed"]))
    return np.stack([correct([run for run in runs if run.record["seed"] == seed]).mean(axis=0) for seed in seeds])


def gap(first: list[Run], second: list[Run]) -> dict[str, float]:
    """The difference in accuracy between two sets of runs on the same photos: `intervals.difference` of `by_seed`.

    Raises ValueError if the two sets have different seeds.
    """
    seeds = [sorted({run.record["seed"] for run in runs}) for runs in (first, second)]
    if seeds[0] != seeds[1]:
        raise ValueError(f"runs with seeds {seeds[0]} cannot be compared with runs with seeds {seeds[1]}")
    return intervals.difference(by_seed(first), by_seed(second))


def result_table(runs: list[Run]) -> pd.DataFrame:
    """One row per network, framework and initial weights: test accuracy, its interval, other measures, and the cost.

    Accuracy and interval are those of `intervals.accuracy`; the other measures are those of `metrics.quality`. Measures
    and costs are means over seeds. Memory is the peak of the training process.
    """
    rows = []
    for choice, mine in by_choice(runs).items():
        reached = intervals.accuracy(correct(mine))
        measures = pd.DataFrame([metrics.quality(run.logits(), run.labels()) for run in mine]).mean()
        records = pd.DataFrame([run.record for run in mine])
        row = dict(zip(CHOICES, choice, strict=True)) | {"test accuracy": reached["mean"]}
        row |= {name: reached[name] for name in ("low", "high", "sd")} | measures.drop("top-1").to_dict()
        row |= {title: records[name].mean() for name, title in COSTS.items()}
        row |= {"parameters": records["parameters"][0], "multiply-adds": records["multiply_adds"][0]}
        rows.append(row | {"seeds": len(mine)})
    return pd.DataFrame(rows)


def format_table(table: pd.DataFrame) -> str:
    """The result table as text for a terminal."""
    ends = zip(table["low"], table["high"], strict=True)
    shown = table.assign(**{"95 % interval": [f"{low:.1%} to {high:.1%}" for low, high in ends]})
    formats = {"test accuracy": "{:.1%}".format, "seconds": "{:.0f}".format, "photos/s": "{:.1f}".format}
    columns = [*CHOICES, "test accuracy", "95 % interval", "seconds", "photos/s"]
    return shown.to_string(index=False, columns=columns, formatters=formats)


def comparisons(runs: list[Run], between: str) -> pd.DataFrame:
    """One row per pair of choices that differ only in `between`: "network", "framework" or "initial weights".

    A row has the difference and p-value of `gap`, and p-values after Holm's correction over all tests of the table
    (Holm, Scandinavian Journal of Statistics 6, 1979). `detectable` is the smallest difference that McNemar's test
    detects with 80 % power for one seed, given the share of photos that only one of the two classifies correctly. The
    pairs in MAY_BE_EQUAL also have the p-value of `intervals.equivalence`. The table is empty if there is no pair.
    Raises ValueError if the runs of a pair have different seeds.
    """
    kept, rows = [name for name in CHOICES if name != between], []
    for (one, mine), (other, others) in combinations(by_choice(runs).items(), 2):
        first, second = dict(zip(CHOICES, one, strict=True)), dict(zip(CHOICES, other, strict=True))
        if all(first[name] == second[name] for name in kept):
            row = {name: first[name] for name in kept} | {"first": first[between], "second": second[between]}
            row |= gap(mine, others)
            discordant = correct(mine) != correct(others)
            if {first[between], second[between]} in MAY_BE_EQUAL:
                row["p equal"] = intervals.equivalence(by_seed(mine), by_seed(others))["p"]
            row["detectable"] = intervals.detectable_difference(discordant.shape[1], float(discordant.mean()))
            rows.append(row)
    return _corrected(rows, [*kept, "first", "second", *DIFFERENCE, "p equal", "p equal (Holm)", "detectable"])


def factor_table(runs: list[Run], factor_runs: dict[str, list[Run]]) -> pd.DataFrame:
    """One row per factor, network and framework: what this change of the recipe alone does to the test accuracy.

    `factor_runs` are those of `Study.factor_runs`, and `runs` those with the unchanged recipe. The difference, changed
    minus unchanged, and its p-value are those of `gap`, with Holm's correction over the rows of the table. Epochs and
    seconds are means over seeds. The table is empty without factors. Raises ValueError if the seeds differ.
    """
    unchanged, rows = by_choice(runs), []
    for factor, changed in factor_runs.items():
        for choice, mine in by_choice(changed).items():
            row = {"factor": factor} | dict(zip(CHOICES, choice, strict=True)) | gap(mine, unchanged[choice])
            for name in ("epochs", "seconds"):
                row[name] = np.mean([run.record[name] for run in mine])
                row[f"{name}, unchanged"] = np.mean([run.record[name] for run in unchanged[choice]])
            rows.append(row)
    costs = ["epochs", "epochs, unchanged", "seconds", "seconds, unchanged"]
    return _corrected(rows, ["factor", *CHOICES, *DIFFERENCE, *costs])


def _corrected(rows: list[dict], columns: list[str]) -> pd.DataFrame:
    """The rows as a table with these columns, with p-values after Holm's correction over all of its tests."""
    table = pd.DataFrame(rows, columns=columns)
    names = [name for name in ("p", "p equal") if name in table]
    if rows:
        table[[f"{name} (Holm)" for name in names]] = holm(table[names].to_numpy(float))
    return table


def holm(p_values: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """P-values after Holm's correction over all of them that are not NaN."""
    corrected, tested = np.full(p_values.shape, np.nan), ~np.isnan(p_values)
    if tested.any():
        corrected[tested] = multipletests(p_values[tested], method="holm")[1]
    return corrected


def learning_speed(runs: list[Run]) -> pd.DataFrame:
    """Epochs and seconds until the highest validation accuracy that all `runs` reach, as means over seeds.

    One row per network, framework and initial weights. The column `to` is this accuracy, in 0 to 1.
    """
    target = min(run.history["validation_accuracy"].max() for run in runs)
    rows = []
    for choice, mine in by_choice(runs).items():
        epochs, seconds = np.mean([metrics.time_to_accuracy(run.history, target) for run in mine], axis=0)
        rows.append(dict(zip(CHOICES, choice, strict=True)) | {"to": target, "epochs": epochs, "seconds": seconds})
    return pd.DataFrame(rows)


def variant_table(runs: dict[str, Run]) -> pd.DataFrame:
    """One row per variant of a training: test accuracy with its interval, and the difference from the first variant.

    `ahead`, its interval (`from`, `to`) and `p` are those of `gap`. `best epoch` is the one whose weights are scored
    (with `restore_best`); the validation accuracies of it and of the last epoch are in 0 to 1. `steps` is the number of
    optimiser steps.
    """
    first = next(iter(runs.values()))
    rows = {}
    for name, run in runs.items():
        reached, ahead = intervals.accuracy(correct([run])), {"difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}
        if run is not first:
            ahead = gap([run], [first])
        validation, best = run.history["validation_accuracy"], run.record["best_epoch"]
        photos = (run.history["photos_per_second"] * run.history["seconds"]).sum()
        row = {"test accuracy": reached["mean"], "low": reached["low"], "high": reached["high"]}
        row |= {"ahead": ahead["difference"], "from": ahead["low"], "to": ahead["high"], "p": ahead["p"]}
        row |= {"best epoch": best, "validation, best epoch": validation.iloc[best - 1]}
        row |= {"validation, last epoch": validation.iloc[-1]}
        row |= {"steps": round(photos / run.record["recipe"]["batch_size"]), "seconds": run.record["seconds"]}
        rows[name] = row
    return pd.DataFrame(rows).T.rename_axis("variant")


def readable_results(table: pd.DataFrame) -> pd.DataFrame:
    """A `result_table` as text: one row per network and framework, one column per kind of initial weights.

    The cells are accuracies in per cent with their 95 % intervals: `83.2 [75.2, 89.0]`.
    """
    cells = _with_intervals(table, ["test accuracy", "low", "high"], ".1f")
    rows, column = ["network", "framework"], "initial weights"
    return table.assign(cells=cells).pivot_table("cells", rows, column, "first", sort=False).reset_index()


def readable_costs(table: pd.DataFrame) -> pd.DataFrame:
    """The costs of a `result_table`: measured ones as whole numbers, parameters and multiply-adds in millions."""
    shown = table[[*CHOICES, "photos/s", "seconds", "memory MB"]].round(0)
    counts = ("parameters", "multiply-adds")
    return shown.assign(**{f"million {name}": (table[name] / 1e6).round(1) for name in counts})


def readable_comparisons(table: pd.DataFrame) -> pd.DataFrame:
    """A table of `comparisons` as text, with differences in points of accuracy."""
    shown = table[[name for name in CHOICES if name in table]].assign(pair=table["first"] + " - " + table["second"])
    shown["points [95 % interval]"] = _with_intervals(table, ["difference", "low", "high"], "+.1f")
    shown["p (Holm)"] = readable_p_values(table["p (Holm)"])
    if table["p equal (Holm)"].notna().any():
        shown["p equal within 2 points (Holm)"] = readable_p_values(table["p equal (Holm)"])
    return shown.assign(detectable=(100 * table["detectable"]).map(number, spec=".1f"))


def readable_factors(table: pd.DataFrame) -> pd.DataFrame:
    """A `factor_table` as text, with differences from the unchanged recipe in points of accuracy."""
    shown = table[["factor", *CHOICES]].copy()
    shown["points [95 % interval]"] = _with_intervals(table, ["difference", "low", "high"], "+z.1f")
    shown["p (Holm)"] = readable_p_values(table["p (Holm)"])
    return shown.join(table[["epochs", "epochs, unchanged", "seconds", "seconds, unchanged"]].round(1))


def readable_claims(table: pd.DataFrame) -> pd.DataFrame:
    """A table of `claims_2020.confront` with p-values as text; claims that are not tested have none."""
    columns = ["p (Holm)", "p equal (Holm)"]
    return table.assign(**{name: readable_p_values(table[name]) for name in columns if name in table}).fillna("")


def readable_variants(table: pd.DataFrame) -> pd.DataFrame:
    """A `variant_table` as text: accuracies in per cent, differences from the first variant in points."""
    shown = pd.DataFrame({"variant": table.index}, index=table.index)
    shown["test accuracy"] = _with_intervals(table, ["test accuracy", "low", "high"], ".1f")
    shown["ahead"] = _with_intervals(table, ["ahead", "from", "to"], "+z.1f")
    shown["p"] = readable_p_values(table["p"])
    return shown.join(table[["best epoch", "steps", "seconds"]].map("{:.0f}".format)).reset_index(drop=True)


def _with_intervals(table: pd.DataFrame, columns: list[str], spec: str) -> list[str]:
    """A share and the ends of its interval per row, in per cent: `83.2 [75.2, 89.0]`."""
    shares = (100 * table[columns]).map(number, spec=spec)
    return [f"{share} [{low}, {high}]" for share, low, high in shares.to_numpy()]


def readable_p_values(values: pd.Series) -> pd.Series:
    """P-values as text with two significant digits; tests that were not made have an empty text."""
    return values.map(lambda value: number(value, ".2g"), na_action="ignore").fillna("")
