"""Intervals, paired tests and baselines; statsmodels and scikit-learn do the arithmetic."""

from itertools import combinations

import numpy as np
import pandas as pd
from jaxtyping import Bool, UInt8
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from dogbreeds.datasets import Dataset
from dogbreeds.models import ARCHITECTURES, FRAMEWORKS, TITLES
from dogbreeds.runs import Run


def accuracy_interval(correct: int, photos: int, confidence: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of an accuracy (Wilson, JASA 22, 1927), both ends in 0 to 1."""
    low, high = proportion_confint(correct, photos, alpha=1 - confidence, method="wilson")
    return float(low), float(high)


def format_accuracy(correct: Bool[np.ndarray, " photos"] | tuple[int, int]) -> str:
    """`87.0 % of 138 (95 % interval 80.3 % to 91.6 %)`, from which are right or (how many, of how many)."""
    right, photos = correct if isinstance(correct, tuple) else (int(correct.sum()), len(correct))
    low, high = accuracy_interval(right, photos)
    return f"{right / photos:.1%} of {photos} (95 % interval {low:.1%} to {high:.1%})"


def paired_test(first: Bool[np.ndarray, " photos"], second: Bool[np.ndarray, " photos"]) -> float:
    """The p-value of McNemar's exact test that two networks err alike on the same photos (McNemar, 1947)."""
    table = [[np.sum(first & second), np.sum(first & ~second)], [np.sum(~first & second), np.sum(~first & ~second)]]
    return float(mcnemar(table, exact=True).pvalue)


def result_table(runs: list[Run]) -> pd.DataFrame:
    """One row a network and framework: test accuracy with its 95 % interval, seconds, photos a second, parameters.

    Runs that differ in their seed alone are pooled: photos are counted once a seed, times are means.
    """
    rows = []
    for architecture in ARCHITECTURES:
        for framework in FRAMEWORKS:
            mine = [r for r in runs if (r.record["architecture"], r.record["framework"]) == (architecture, framework)]
            if not mine:
                continue
            correct = np.concatenate([run.correct() for run in mine])
            low, high = accuracy_interval(int(correct.sum()), len(correct))
            rows.append({
                "network": TITLES[architecture],
                "framework": TITLES[framework],
                "test accuracy": correct.mean(),
                "low": low,
                "high": high,
                "seconds": np.mean([run.record["seconds"] for run in mine]),
                "photos/s": np.mean([run.record["photos_per_second"] for run in mine]),
                "parameters": mine[0].record["parameters"],
                "seeds": len(mine),
            })  # fmt: skip
    return pd.DataFrame(rows)


def format_table(table: pd.DataFrame) -> str:
    """The result table as text for a terminal."""
    shown = table[["network", "framework"]].copy()
    shown["test accuracy"] = table["test accuracy"].map("{:.1%}".format)
    shown["95 % interval"] = [f"{low:.1%} to {high:.1%}" for low, high in zip(table["low"], table["high"], strict=True)]
    shown["seconds"] = table["seconds"].map("{:.0f}".format)
    shown["photos/s"] = table["photos/s"].map("{:.1f}".format)
    return shown.to_string(index=False)


def paired_comparisons(runs: list[Run]) -> pd.DataFrame:
    """Every two networks of one framework on the same test photos, at the first seed: accuracies and p-values.

    McNemar's exact test for each pair, Holm's correction over all of them (Holm, 1979).
    """
    seed = min((run.record["seed"] for run in runs), default=0)
    rows = []
    for first, second in combinations([run for run in runs if run.record["seed"] == seed], 2):
        if first.record["framework"] == second.record["framework"]:
            rows.append({
                "framework": TITLES[first.record["framework"]],
                "first": TITLES[first.record["architecture"]],
                "second": TITLES[second.record["architecture"]],
                "difference": first.correct().mean() - second.correct().mean(),
                "p": paired_test(first.correct(), second.correct()),
            })  # fmt: skip
    table = pd.DataFrame(rows)
    table["p (Holm)"] = multipletests(table["p"], method="holm")[1]
    return table


def colour_only_correct(
    dataset: Dataset, pixels: UInt8[np.ndarray, "photos size size 3"]
) -> Bool[np.ndarray, " test_photos"]:
    """Which test photos a logistic regression gets right from colour histograms, eight bins a channel."""
    bins = np.asarray(pixels).reshape(len(pixels), -1, 3) // 32
    histograms = np.stack([(bins == value).mean(axis=1) for value in range(8)], axis=1).reshape(len(pixels), -1)
    labels, train, test = dataset.photos["label"].to_numpy(), dataset.rows("train"), dataset.rows("test")
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(histograms[train], labels[train])
    return model.predict(histograms[test]) == labels[test]
