"""Confidence intervals, paired tests and power of accuracies, computed with SciPy and statsmodels."""

import numpy as np
from jaxtyping import Bool, Float
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from dogbreeds.translation import _, number

MARGIN = 0.02  # accuracies that differ by less are equal for a user: 2 photos in 100


def accuracy_interval(correct: int, photos: int, confidence: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of an accuracy (Wilson, JASA 22, 1927), both ends in 0 to 1."""
    low, high = proportion_confint(correct, photos, alpha=1 - confidence, method="wilson")
    return float(low), float(high)


def format_accuracy(correct: Bool[np.ndarray, " photos"] | tuple[int, int]) -> str:
    """An accuracy as text: `87.0 % (n = 138, 95 % interval 80.3 % to 91.6 %)`.

    `correct` says for each photo whether it is correctly classified, or is the pair (number correct, number of photos).
    """
    right, photos = correct if isinstance(correct, tuple) else (int(correct.sum()), len(correct))
    low, high = accuracy_interval(right, photos)
    return _("{accuracy} (n = {photos}, 95 % interval {low} to {high})").format(
        accuracy=number(right / photos, ".1%"), photos=photos, low=number(low, ".1%"), high=number(high, ".1%")
    )


def format_interval(value: float, low: float, high: float, spec: str) -> str:
    """A value and the ends of its interval as text, each formatted by `spec`: `81.6% (79.1% to 83.9%)`."""
    value, low, high = (number(each, spec) for each in (value, low, high))
    return _("{value} ({low} to {high})").format(value=value, low=low, high=high)


def paired_test(first: Bool[np.ndarray, " photos"], second: Bool[np.ndarray, " photos"]) -> float:
    """The p-value of McNemar's test that two networks are equally accurate on the same photos (McNemar, 1947).

    It is the score test without continuity correction. Its size is closer to the nominal level than that of the exact
    test (Fagerland, Lydersen and Laake, https://doi.org/10.1186/1471-2288-13-91).
    """
    table = [[np.sum(first & second), np.sum(first & ~second)], [np.sum(~first & second), np.sum(~first & ~second)]]
    if table[0][1] == table[1][0]:
        return 1.0
    return float(mcnemar(table, exact=False, correction=False).pvalue)


def paired_difference(
    first: Bool[np.ndarray, " photos"] | Float[np.ndarray, " photos"],
    second: Bool[np.ndarray, " photos"] | Float[np.ndarray, " photos"],
    confidence: float = 0.95,
) -> tuple[float, float, float]:
    """Accuracy of `first` minus that of `second` on the same photos, and the ends of its interval, all in -1 to 1.

    The arrays say for each photo whether it is correctly classified, or which share of several runs, in 0 to 1,
    classifies it correctly. The interval contains every difference that the corresponding test does not reject. For two
    networks it is Tango's score interval (Statistics in Medicine 17, 1998, 891 to 908), which contains zero exactly if
    the p-value of `paired_test` is above 5 %. For shares it is Student's interval. If the shares differ on no photo,
    its half-width is the exact upper limit of a proportion that was observed zero times in this number of photos.
    """
    if first.dtype == bool == second.dtype:
        return _score_interval(int(np.sum(first & ~second)), int(np.sum(~first & second)), len(first), confidence)
    gain = first.astype(float) - second.astype(float)
    if not gain.any():
        most = 1 - ((1 - confidence) / 2) ** (1 / len(gain))
        return 0.0, -most, most
    low, high = stats.ttest_1samp(gain, 0).confidence_interval(confidence)
    return float(gain.mean()), float(low), float(high)


def _score_interval(first_alone: int, second_alone: int, photos: int, confidence: float) -> tuple[float, float, float]:
    quantile = stats.norm.ppf((1 + confidence) / 2)

    def excess(gap: float) -> float:
        """Squared score at this gap minus the squared quantile, times the variance; Tango's equations 5 and 6."""
        b = (2 * photos - first_alone + second_alone) * gap - first_alone - second_alone
        root = np.sqrt(b**2 + 8 * photos * second_alone * gap * (1 - gap))
        variance = photos * ((root - b) / (2 * photos) + gap * (1 - gap))
        return (first_alone - second_alone - photos * gap) ** 2 - quantile**2 * variance

    if first_alone == second_alone == 0:
        most = quantile**2 / (photos + quantile**2)
        return 0.0, -most, most
    gap = (first_alone - second_alone) / photos
    if abs(gap) == 1:  # the networks differ on every photo, always in the same direction
        inner = gap * (photos - quantile**2) / (photos + quantile**2)
        return gap, min(gap, inner), max(gap, inner)
    return gap, float(optimize.brentq(excess, -1, gap)), float(optimize.brentq(excess, gap, 1))


def over_seeds(accuracies: list[float], confidence: float = 0.95) -> dict[str, float]:
    """Mean, standard deviation (`sd`) and Student's interval of the mean; with one seed all but the mean are NaN."""
    mean, deviation = float(np.mean(accuracies)), float("nan")
    low = high = float("nan")
    if len(accuracies) > 1:
        deviation = float(np.std(accuracies, ddof=1))
        half = float(stats.t.ppf((1 + confidence) / 2, len(accuracies) - 1) * stats.sem(accuracies))
        low, high = mean - half, mean + half
    return {"mean": mean, "sd": deviation, "low": low, "high": high}


def over_seeds_and_photos(values: Float[np.ndarray, "seeds photos"], confidence: float = 0.95) -> dict[str, float]:
    """The mean over two or more seeds and the same photos, its interval, and the p-value for a true mean of zero.

    Seeds and photos are crossed random effects, in a mixed model without replication that is estimated from its mean
    squares. The degrees of freedom are those of Hillis (Statistics in Medicine 26, 2007,
    https://doi.org/10.1002/sim.2532). For two seeds they are one, because Hillis' formula would give intervals that are
    too narrow. A few seeds can be similar by chance, so their mean square is set to at least a third of the residual
    one. The interval then has the nominal coverage from three seeds on, and is wide for two seeds (see the simulations
    in the tests). `sd` is the standard deviation of the seeds' means; `low` and `high` are the ends of the interval.
    """
    seeds, photos = values.shape
    mean, by_seed, by_photo = values.mean(), values.mean(axis=1), values.mean(axis=0)
    residual = np.sum((values - by_seed[:, None] - by_photo + mean) ** 2) / ((seeds - 1) * (photos - 1))
    of_seeds = max(photos * by_seed.var(ddof=1), residual / 3)
    of_photos = max(seeds * by_photo.var(ddof=1) - residual, 0)
    error = np.sqrt((of_seeds + of_photos) / (seeds * photos))
    summary = {"mean": float(mean), "sd": float(by_seed.std(ddof=1)), "low": float(mean), "high": float(mean)}
    if error == 0:
        return summary | {"p": float(mean == 0)}
    freedom = np.inf if of_seeds == 0 else (of_seeds + of_photos) ** 2 / (of_seeds**2 / (seeds - 1))
    if seeds == 2:
        freedom = 1
    low, high = stats.t.interval(confidence, freedom, loc=mean, scale=error)
    return summary | {"low": float(low), "high": float(high), "p": float(2 * stats.t.sf(abs(mean) / error, freedom))}


def accuracy(correct: Bool[np.ndarray, "seeds photos"]) -> dict[str, float]:
    """Mean accuracy over all seeds, `sd` over seeds and the 95 % interval (`low`, `high`), all in 0 to 1.

    With one seed it is Wilson's interval, which treats the trained network as fixed. With several seeds it is the
    interval over seeds and photos.
    """
    low, high = accuracy_interval(int(correct[0].sum()), correct.shape[1])
    summary = {"mean": float(correct.mean()), "sd": float("nan"), "low": low, "high": high}
    if len(correct) > 1:
        both = over_seeds_and_photos(correct.astype(float))
        summary["sd"] = both["sd"]
        if both["low"] < both["high"]:  # otherwise all are right or all wrong: Wilson's interval stays
            summary |= {"low": max(both["low"], 0.0), "high": min(both["high"], 1.0)}
    return summary


def difference(
    first: Bool[np.ndarray, "seeds photos"] | Float[np.ndarray, "seeds photos"],
    second: Bool[np.ndarray, "seeds photos"] | Float[np.ndarray, "seeds photos"],
) -> dict[str, float]:
    """Accuracy of `first` minus that of `second` on the same photos and seeds, with 95 % interval and p-value.

    The keys are `difference`, `low`, `high` and `p`. The arrays say for each seed and photo whether the photo is
    correctly classified, or which share of several runs classifies it correctly. With one seed the test is McNemar's,
    or a t-test for shares, with the corresponding interval; both treat the trained networks as fixed. With several
    seeds there is one interval and one test over seeds and photos.
    """
    if len(first) == 1:
        gain, low, high = paired_difference(first[0], second[0])
        apart = first[0].astype(float) - second[0].astype(float)
        if first.dtype == bool == second.dtype:
            p = paired_test(first[0], second[0])
        else:
            p = float(stats.ttest_1samp(apart, 0).pvalue) if apart.any() else 1.0
        return {"difference": gain, "low": low, "high": high, "p": p}
    both = over_seeds_and_photos(first.astype(float) - second.astype(float))
    return {"difference": both["mean"], "low": both["low"], "high": both["high"], "p": both["p"]}


def equivalence(
    first: Bool[np.ndarray, "seeds photos"] | Float[np.ndarray, "seeds photos"],
    second: Bool[np.ndarray, "seeds photos"] | Float[np.ndarray, "seeds photos"],
) -> tuple[bool, float, float]:
    """Whether two accuracies are equal within MARGIN, and the ends of the 90 % interval of their difference.

    They are equal if this interval lies within the margin: two one-sided tests at 5 % (Schuirmann, Journal of
    Pharmacokinetics and Biopharmaceutics 15, 1987). The arrays are those of `difference`.
    """
    if len(first) == 1:
        _, low, high = paired_difference(first[0], second[0], 0.9)
    else:
        both = over_seeds_and_photos(first.astype(float) - second.astype(float), 0.9)
        low, high = both["low"], both["high"]
    return low > -MARGIN and high < MARGIN, low, high


def format_difference(difference: float, low: float, high: float) -> str:
    """A difference of shares as text: `+6.5 points (95 % interval +1.4 to +12.3)`."""
    difference, low, high = (number(100 * each, "+.1f") for each in (difference, low, high))
    return _("{difference} points (95 % interval {low} to {high})").format(difference=difference, low=low, high=high)


def detectable_difference(photos: int, discordant: float, power: float = 0.8, size: float = 0.05) -> float:
    """The smallest difference in accuracy, in 0 to 1, that McNemar's test detects with probability `power`.

    `discordant` is the share of photos, in 0 to 1, that exactly one of the networks classifies correctly; `size` is the
    significance level. The formula is equation 2 of Connor (Biometrics 43, 1987), solved for the difference. Returns
    NaN if the test would not detect even a difference as large as `discordant`.
    """
    for_size, for_power = stats.norm.ppf(1 - size / 2), stats.norm.ppf(power)

    def excess(gap: float) -> float:
        return gap * np.sqrt(photos) - for_size * np.sqrt(discordant) - for_power * np.sqrt(discordant - gap**2)

    return float(optimize.brentq(excess, 0, discordant)) if excess(discordant) >= 0 else float("nan")
