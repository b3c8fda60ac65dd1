"""Intervals, paired tests, power and baselines; SciPy, statsmodels, torchmetrics and scikit-learn do the arithmetic."""

from itertools import combinations

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int, UInt8
from scipy import optimize, special, stats
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint
from torch.nn import functional as F
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error

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


def paired_difference(
    first: Bool[np.ndarray, " photos"] | Float[np.ndarray, " photos"],
    second: Bool[np.ndarray, " photos"] | Float[np.ndarray, " photos"],
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Accuracy of `first` less that of `second` on the same photos, and its interval, all in -1 to 1.

    Of each photo it is known whether it was named right, or how often by several runs, in 0 to 1. Percentile bootstrap
    over photos, 2,000 resamples (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13): a photo is
    drawn with what both networks made of it.
    """
    gain = first.astype(float) - second.astype(float)
    options = {"n_resamples": 2000, "batch": 100, "method": "percentile", "confidence_level": confidence}
    interval = stats.bootstrap((gain,), np.mean, rng=np.random.default_rng(seed), **options).confidence_interval
    return float(gain.mean()), float(interval.low), float(interval.high)


def over_seeds(accuracies: list[float], confidence: float = 0.95) -> dict[str, float]:
    """Mean, standard deviation and the interval of the mean by Student's t; with one seed only the mean is known."""
    mean, deviation = float(np.mean(accuracies)), float("nan")
    low = high = float("nan")
    if len(accuracies) > 1:
        deviation = float(np.std(accuracies, ddof=1))
        half = float(stats.t.ppf((1 + confidence) / 2, len(accuracies) - 1) * stats.sem(accuracies))
        low, high = mean - half, mean + half
    return {"mean": mean, "sd": deviation, "low": low, "high": high}


def detectable_difference(photos: int, discordant: float, power: float = 0.8, size: float = 0.05) -> float:
    """The smallest gap in accuracy, in 0 to 1, that McNemar's test finds with probability `power`.

    `discordant` is the share of photos that one network alone gets right, in 0 to 1. Connor, Biometrics 43, 1987,
    equation 2, solved for the gap. NaN where not even a gap as large as `discordant` would be found.
    """
    for_size, for_power = stats.norm.ppf(1 - size / 2), stats.norm.ppf(power)

    def excess(gap: float) -> float:
        return gap * np.sqrt(photos) - for_size * np.sqrt(discordant) - for_power * np.sqrt(discordant - gap**2)

    return float(optimize.brentq(excess, 0, discordant)) if excess(discordant) >= 0 else float("nan")


def quality(
    logits: Float[np.ndarray, "photos breeds"], labels: Int[np.ndarray, " photos"], bins: int = 15
) -> dict[str, float]:
    """Top-1, top-5 (with more than five breeds) and mean per-breed accuracy, NLL in nats, calibration error in 0 to 1.

    The calibration error is the expected one of Guo et al. (https://arxiv.org/abs/1706.04599, equation 3), in `bins` of
    equal width.
    """
    scores, truth, breeds = torch.from_numpy(logits).float(), torch.from_numpy(labels), logits.shape[1]
    measured = {"top-1": multiclass_accuracy(scores, truth, breeds, average="micro")}
    if breeds > 5:
        measured["top-5"] = multiclass_accuracy(scores, truth, breeds, top_k=5, average="micro")
    measured["mean per breed"] = multiclass_accuracy(scores, truth, breeds, average="macro")
    measured["NLL"] = F.cross_entropy(scores, truth)
    measured["calibration error"] = multiclass_calibration_error(scores.softmax(dim=1), truth, breeds, n_bins=bins)
    return {name: float(value) for name, value in measured.items()}


def time_to_accuracy(history: pd.DataFrame, accuracy: float) -> tuple[float, float]:
    """Epochs and seconds of training until the validation accuracy first reached `accuracy`; NaN if it never did."""
    reached = np.flatnonzero(history["validation_accuracy"] >= accuracy)
    if len(reached) == 0:
        return float("nan"), float("nan")
    return float(history["epoch"].iloc[reached[0]]), float(history["seconds"].iloc[: reached[0] + 1].sum())


def ensemble(runs: list[Run], split: str = "test") -> Float[np.ndarray, "photos breeds"]:
    """The logarithm of the mean probability that the networks of `runs` give each breed."""
    probabilities = [special.softmax(run.logits(split), axis=1) for run in runs]
    return np.log(np.mean(probabilities, axis=0) + np.finfo(np.float32).tiny)


def agreement(runs: list[Run]) -> pd.DataFrame:
    """For every two runs the share of test photos, in 0 to 1, to which both give the same breed, right or wrong."""
    guesses = np.array([run.logits().argmax(axis=1) for run in runs])
    names = [run.title for run in runs]
    return pd.DataFrame((guesses[:, None] == guesses[None]).mean(axis=2), index=names, columns=names)


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
    """Every two networks of one framework on the same test photos, at the first seed: gaps and p-values.

    The gap in accuracy with its 95 % bootstrap interval and McNemar's exact test for each pair, Holm's correction over
    all of them (Holm, 1979).
    """
    seed = min((run.record["seed"] for run in runs), default=0)
    rows = []
    for first, second in combinations([run for run in runs if run.record["seed"] == seed], 2):
        if first.record["framework"] == second.record["framework"]:
            difference, low, high = paired_difference(first.correct(), second.correct())
            rows.append({
                "framework": TITLES[first.record["framework"]],
                "first": TITLES[first.record["architecture"]],
                "second": TITLES[second.record["architecture"]],
                "difference": difference,
                "low": low,
                "high": high,
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
