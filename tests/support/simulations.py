"""Simulated error rates and power of the study's statistical tests.

`python tests/support/simulations.py` prints the tables at full size, in about four minutes; `test_simulations` asserts
them at a small size. Effects of seeds and of sources are given as standard deviations in points of accuracy.
"""

import sys

import numpy as np
import pandas as pd
from scipy import optimize, stats

from dogbreeds.analysis import claims_2020, intervals, metrics

POINTS = 15.0  # of accuracy per unit of the scores below, if the accuracy is about 70 %


def correct_answers(generator, seeds, photos, ahead=0.0, of_seeds=0.0, of_source=0.0, shared_source=True):
    """Which photos two networks classify correctly: one boolean array of seeds and photos per network.

    The first network is better by `ahead` points. Photos have a random effect that both networks share and one for
    each network. Seeds and sources of initial weights have random effects, too; all seeds share one source, or each
    seed has its own.
    """
    shared, scores = generator.normal(1, 1.2, photos), []
    for better in (ahead / POINTS, 0):
        of_photo = generator.normal(0, 0.8, photos)
        effect = generator.normal(0, of_seeds / POINTS, (seeds, 1))
        effect = effect + generator.normal(0, of_source / POINTS, (1 if shared_source else seeds, 1))
        scores.append(better + shared + of_photo + effect + generator.logistic(size=(seeds, photos)))
    return [score > 0 for score in scores]


def true_gap(ahead, of_seeds=0.0):
    """The true difference in accuracy between two such networks, over the population of photos and seeds."""
    generator, deviation = np.random.default_rng(0), np.sqrt(1.2**2 + 0.8**2 + (of_seeds / POINTS) ** 2)
    scores = generator.normal(1, deviation, 10**6) + generator.logistic(size=10**6)
    return np.mean(scores + ahead / POINTS > 0) - np.mean(scores > 0)


def size(studies, seeds, photos=234, **effects):
    """How often a test at 5 % finds a difference between two equally good networks."""
    generator = np.random.default_rng(0)
    found = [intervals.difference(*correct_answers(generator, seeds, photos, **effects)) for _ in range(studies)]
    return np.mean([each["p"] < 0.05 for each in found])


def coverage(studies, seeds, photos=234, ahead=6.0, of_seeds=0.0):
    """How often the interval contains the true difference between two networks, the first of which is better."""
    generator, truth = np.random.default_rng(0), true_gap(ahead, of_seeds)
    options = {"ahead": ahead, "of_seeds": of_seeds}
    found = [intervals.difference(*correct_answers(generator, seeds, photos, **options)) for _ in range(studies)]
    return np.mean([each["low"] <= truth <= each["high"] for each in found])


def ahead_for(gap, of_seeds=0.0):
    """The effect, in points, that makes the true difference between two networks equal to `gap`."""
    return optimize.brentq(lambda ahead: true_gap(ahead, of_seeds) - gap, -20, 20, xtol=0.01)


def found_equal(studies, seeds, photos, gap, of_seeds=0.0):
    """How often two networks whose true difference is `gap` are found to be equal within the margin."""
    generator, ahead = np.random.default_rng(0), ahead_for(gap, of_seeds)
    options = {"ahead": ahead, "of_seeds": of_seeds}
    found = [intervals.equivalence(*correct_answers(generator, seeds, photos, **options)) for _ in range(studies)]
    return np.mean([each["p"] < 0.05 for each in found])


def power_at_the_number_needed(studies, seeds, photos, ahead, of_seeds=0.0):
    """How often studies of the size that is needed find the difference: with more photos, and with more seeds.

    The size is the median over many studies, because that of one study varies by chance. Infinite sizes are left out.
    """
    generator, options = np.random.default_rng(0), {"ahead": ahead, "of_seeds": of_seeds}
    pilots = [
        intervals.photos_and_seeds_needed(*correct_answers(generator, seeds, photos, **options)) for _ in range(studies)
    ]
    more_photos, more_seeds = np.median(pilots, axis=0)
    powers = []
    for size in [(seeds, more_photos), (more_seeds, photos)]:
        if np.isfinite(size).all():
            tried = [int(number) for number in size]
            found = [intervals.difference(*correct_answers(generator, *tried, **options)) for _ in range(studies)]
            powers.append(np.mean([each["p"] < 0.05 for each in found]))
    return powers


def learning_curve(generator, constant, plateau, epochs=30, noise=0.02):
    """Validation accuracies of a training on five breeds, with the `noise` of a small number of photos."""
    levels = 0.2 + (plateau - 0.2) * (1 - np.exp(-np.arange(1, epochs + 1) / constant))
    accuracies = (levels + generator.normal(0, noise, epochs)).clip(0, 1)
    return pd.DataFrame({"epoch": range(1, epochs + 1), "validation_accuracy": accuracies})


def verdicts_on_speed(studies, seeds, constants=(5.0, 5.0), plateaus=(0.7, 0.7)):
    """How often a test at 5 % finds the first network faster, slower or neither, or cannot be computed.

    Time constants vary between seeds with a standard deviation of 10 %.
    """
    generator, signs = np.random.default_rng(0), []
    for _ in range(studies):
        saved = []
        for _ in range(seeds):
            found = [
                metrics.time_constant(learning_curve(generator, constant * generator.normal(1, 0.1), plateau), 0.2)
                for constant, plateau in zip(constants, plateaus, strict=True)
            ]
            saved.append(found[1] - found[0])
        signs.append(np.sign(np.mean(saved)) * (stats.ttest_1samp(saved, 0).pvalue < 0.05))
    signs = np.array(signs)
    verdicts = {"faster": signs > 0, "slower": signs < 0, "neither": signs == 0, "not tested": np.isnan(signs)}
    return {name: np.mean(found) for name, found in verdicts.items()}


def verdicts_on_chance(studies, accuracy, photos, networks=6):
    """How often each verdict is given on ResNet50s with this accuracy on five breeds."""
    generator = np.random.default_rng(0)
    correct = generator.binomial(photos, accuracy, (studies, networks)).tolist()
    found = [claims_2020.near_chance(each, photos, 0.2) for each in correct]
    return {
        name: found.count(name) / studies
        for name in (claims_2020.CONFIRMED, claims_2020.REFUTED, claims_2020.OPEN, claims_2020.FAULT)
    }


def tables(studies):
    seeds = {
        (n, effect): {"size": size(studies, n, of_seeds=effect), "coverage": coverage(studies, n, of_seeds=effect)}
        for n in (2, 3, 5, 10)
        for effect in (0, 4, 7, 10)
    }
    yield "size, and coverage of a difference of six points: seeds, effect of a seed", seeds
    sources = {
        (kind, effect): {"size": size(studies, 3, of_seeds=2, of_source=effect, shared_source=kind == "shared")}
        for kind in ("shared", "own")
        for effect in (0, 1.6, 3.2, 6.4)
    }
    yield "size with three seeds: source, effect of a source", sources
    equal = {
        (n, effect, gap): {"found equal": found_equal(studies // 4, n, 5000, gap, effect)}
        for n in (1, 3, 5)
        for effect in ((0,) if n == 1 else (0, 0.4))
        for gap in (0.0, 0.01, intervals.MARGIN)
    }
    yield "equal within the margin, 5,000 photos: seeds, effect of a seed, true difference", equal
    needed = {
        (n, effect): {"powers": str(np.round(power_at_the_number_needed(studies // 8, n, 1500, 3.0, effect), 2))}
        for n in (1, 2, 3, 5, 10)
        for effect in ((0,) if n == 1 else (0, 1, 2))
    }
    yield "power at the number of photos, and of seeds, that is needed: seeds, effect of a seed", needed
    speed = {
        (n, constants, plateaus): verdicts_on_speed(studies // 4, n, constants, plateaus)
        for n in (3, 5)
        for constants, plateaus in (((5, 5), (0.7, 0.7)), ((5, 5), (0.6, 0.7)), ((4, 6), (0.7, 0.7)))
    }
    yield "learning speed: seeds, time constants, plateaus", speed
    chance = {(a, n): verdicts_on_chance(studies, a, n) for a in (0.05, 0.2, 0.27, 0.45, 0.6) for n in (20, 164, 8580)}
    yield "six ResNet50s near chance: accuracy, photos", chance


if __name__ == "__main__":
    for title, rows in tables(int(sys.argv[1]) if len(sys.argv) > 1 else 4000):
        print(f"{title}\n{pd.DataFrame(rows).T.infer_objects().round(3).to_string()}\n", flush=True)
