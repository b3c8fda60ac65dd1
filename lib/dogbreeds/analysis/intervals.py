"""Confidence intervals, paired tests and power of accuracies, computed with SciPy and statsmodels."""

import bisect
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from dogbreeds.translation import _, number

MARGIN = 0.02  # accuracies that differ by less are equal for a user: 2 photos in 100
MOST = 10**6  # photos, or seeds, that a study could have


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
        distance, variance = _score(first_alone, second_alone, photos, gap)
        return distance**2 - quantile**2 * variance

    if first_alone == second_alone == 0:
        most = quantile**2 / (photos + quantile**2)
        return 0.0, -most, most
    gap = (first_alone - second_alone) / photos
    if abs(gap) == 1:  # the networks differ on every photo, always in the same direction
        inner = gap * (photos - quantile**2) / (photos + quantile**2)
        return gap, min(gap, inner), max(gap, inner)
    return gap, float(optimize.brentq(excess, -1, gap)), float(optimize.brentq(excess, gap, 1))


def _score(first_alone: int, second_alone: int, photos: int, gap: float) -> tuple[float, float]:
    """The distance of the measured from a supposed gap, times `photos`, and its variance; Tango's equations 5 and 6."""
    b = (2 * photos - first_alone + second_alone) * gap - first_alone - second_alone
    root = np.sqrt(b**2 + 8 * photos * second_alone * gap * (1 - gap))
    return first_alone - second_alone - photos * gap, photos * ((root - b) / (2 * photos) + gap * (1 - gap))


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
    mean, error, freedom = _crossed(values)
    summary = {"mean": mean, "sd": float(values.mean(axis=1).std(ddof=1)), "low": mean, "high": mean}
    if error == 0:
        return summary | {"p": float(mean == 0)}
    low, high = stats.t.interval(confidence, freedom, loc=mean, scale=error)
    return summary | {"low": float(low), "high": float(high), "p": float(2 * stats.t.sf(abs(mean) / error, freedom))}


def _crossed(values: Float[np.ndarray, "seeds photos"]) -> tuple[float, float, float]:
    """The mean over seeds and photos, its standard error and degrees of freedom; see `over_seeds_and_photos`."""
    of_seeds, of_photos, _residual = _mean_squares(values)
    seeds, photos = values.shape
    error = np.sqrt((of_seeds + of_photos) / (seeds * photos))
    return float(values.mean()), float(error), _freedom(of_seeds, of_photos, seeds)


def _mean_squares(values: Float[np.ndarray, "seeds photos"]) -> tuple[float, float, float]:
    """The mean squares of the seeds, of the photos without the residual one, and the residual one."""
    seeds, photos = values.shape
    mean, by_seed, by_photo = values.mean(), values.mean(axis=1), values.mean(axis=0)
    residual = np.sum((values - by_seed[:, None] - by_photo + mean) ** 2) / ((seeds - 1) * (photos - 1))
    of_seeds = max(photos * by_seed.var(ddof=1), residual / 3)
    return float(of_seeds), max(float(seeds * by_photo.var(ddof=1) - residual), 0.0), float(residual)


def _freedom(of_seeds: float, of_photos: float, seeds: int) -> float:
    if seeds == 2:
        return 1.0
    return np.inf if of_seeds == 0 else (of_seeds + of_photos) ** 2 / (of_seeds**2 / (seeds - 1))


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
) -> dict[str, float]:
    """The p-value of two one-sided tests that two accuracies are equal within MARGIN, and the 90 % interval of the gap.

    `p` is the larger p-value of the tests that the difference is below MARGIN and above -MARGIN. It is below 5 %
    exactly if the interval, `low` to `high`, lies within the margin (Schuirmann, Journal of Pharmacokinetics and
    Biopharmaceutics 15, 1987). The arrays are those of `difference`. For two networks the tests are Tango's score
    tests. Otherwise they are t-tests over photos, or over seeds and photos; their standard error is at least
    `_least_error`, because a few photos without a difference prove little.
    """
    values = first.astype(float) - second.astype(float)
    seeds, photos = values.shape
    if seeds == 1 and first.dtype == bool == second.dtype:
        alone = int(np.sum(first & ~second)), int(np.sum(~first & second))
        scores = [_score(*alone, photos, gap) for gap in (-MARGIN, MARGIN)]
        below, above = (distance / np.sqrt(variance) for distance, variance in scores)
        _, low, high = paired_difference(first[0], second[0], 0.9)
        return {"p": float(max(stats.norm.sf(below), stats.norm.cdf(above))), "low": low, "high": high}
    if seeds == 1:
        mean, error, freedom = float(values.mean()), float(stats.sem(values[0])), photos - 1
    else:
        mean, error, freedom = _crossed(values)
    error = max(error, _least_error(photos))
    half = stats.t.ppf(0.95, freedom) * error
    p = stats.t.sf((MARGIN - abs(mean)) / error, freedom)
    return {"p": float(p), "low": float(mean - half), "high": float(mean + half)}


def _least_error(photos: int) -> float:
    """The standard error of the difference if one network is correct on a share MARGIN of the photos more."""
    return float(np.sqrt(MARGIN * (1 - MARGIN) / photos))


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


def photos_and_seeds_needed(
    first: Bool[np.ndarray, "seeds photos"] | Float[np.ndarray, "seeds photos"],
    second: Bool[np.ndarray, "seeds photos"] | Float[np.ndarray, "seeds photos"],
    size: float = 0.05,
    power: float = 0.8,
    margin: float | None = None,
) -> tuple[float, float]:
    """How many test photos, and how many seeds, would show the measured difference with probability `power`.

    With a `margin`, they would show that the accuracies are equal within it. The number of photos is for the measured
    seeds, and the number of seeds for the measured photos. `size` is the significance level of `difference`, or of
    `equivalence`. The measured difference and its variation between photos and between seeds are taken as the true
    ones, so that the numbers from a few seeds are rough (see the simulations in the tests). A number is infinite if it
    would be above MOST, and NaN if the runs do not show it: the number of seeds with one seed, and the number of photos
    with two, which hardly show their variation. With one seed the photos are for these trained networks.
    """
    values = first.astype(float) - second.astype(float)
    gap, (seeds, photos) = abs(float(values.mean())), values.shape
    distance, size, least = (gap, size / 2, 0.0) if margin is None else (margin - gap, size, _least_error(1))
    if margin is not None and gap == 0:
        power = (1 + power) / 2  # both one-sided tests must succeed
    if seeds == 1:
        shown = (stats.norm.ppf(1 - size) + stats.norm.ppf(power)) * max(values[0].std(), least)
        number = np.ceil((shown / distance) ** 2) if distance > 0 else np.inf
        return (float(number) if number <= MOST else np.inf), np.nan
    of_seeds, of_photos, residual = _mean_squares(values)
    between_seeds, between_photos = max(of_seeds - residual, 0) / photos, of_photos / seeds

    def shows(number_of_seeds: int, number_of_photos: int) -> bool:
        squares = residual + number_of_photos * between_seeds, number_of_seeds * between_photos
        freedom = _freedom(*squares, number_of_seeds)
        error = np.sqrt(max(sum(squares) / number_of_seeds, least**2) / number_of_photos)
        return bool(distance > 0 and distance >= (stats.t.ppf(1 - size, freedom) + stats.t.ppf(power, freedom)) * error)

    more_photos = _fewest(lambda number: shows(seeds, number)) if seeds > 2 else np.nan
    return more_photos, _fewest(lambda number: shows(number, photos), least=2)


def _fewest(shows: Callable[[int], bool], least: int = 1) -> float:
    """The smallest number from `least` to MOST for which `shows` is true, or infinity.

    More photos of the same seeds leave fewer degrees of freedom, so that `shows` can be true for some numbers only: the
    search goes through a grid before it bisects.
    """
    grid = [least, *np.unique(np.geomspace(least, MOST, 400).astype(int)).tolist()]
    found = next((place for place, number in enumerate(grid) if shows(number)), None)
    if found is None:
        return np.inf
    low, high = grid[max(found - 1, 0)], grid[found]
    return float(low + bisect.bisect_left(range(low, high), True, key=shows))
