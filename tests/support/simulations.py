"""How often the tests of the study err where nothing is to be found, and how often they find what is there.

`python tests/simulations.py` prints the tables at full size, in about ten minutes; `test_simulations` asserts them at a
small size. Luck is given in points of accuracy: its standard deviation over seeds, or over sources.
"""

import sys

import numpy as np
import pandas as pd
from scipy import stats

from dogbreeds.analysis import claims_2020, intervals, metrics

POINTS = 15.0  # of accuracy, for a change of one in the scores below, at about 70 % of the photos right


def correct_answers(generator, seeds, photos, ahead=0.0, of_seeds=0.0, of_source=0.0, shared_source=True):
    """Which photos two networks name right, an array of seeds and photos each; the first is better by `ahead` / POINTS.

    Photos are easy or hard for both and for each. Seeds and sources are lucky or not; a source is one for all seeds, or
    each seed has its own.
    """
    shared, scores = generator.normal(1, 1.2, photos), []
    for better in (ahead / POINTS, 0):
        of_photo = generator.normal(0, 0.8, photos)
        luck = generator.normal(0, of_seeds / POINTS, (seeds, 1))
        luck = luck + generator.normal(0, of_source / POINTS, (1 if shared_source else seeds, 1))
        scores.append(better + shared + of_photo + luck + generator.logistic(size=(seeds, photos)))
    return [score > 0 for score in scores]


def true_gap(ahead, of_seeds=0.0):
    """The difference in accuracy of two such networks over all photos and seeds."""
    generator, deviation = np.random.default_rng(0), np.sqrt(1.2**2 + 0.8**2 + (of_seeds / POINTS) ** 2)
    scores = generator.normal(1, deviation, 10**6) + generator.logistic(size=10**6)
    return np.mean(scores + ahead / POINTS > 0) - np.mean(scores > 0)


def size(studies, seeds, photos=234, **luck):
    """How often two equally good networks are told apart at 5 %."""
    generator = np.random.default_rng(0)
    found = [intervals.difference(*correct_answers(generator, seeds, photos, **luck)) for _ in range(studies)]
    return np.mean([each["p"] < 0.05 for each in found])


def coverage(studies, seeds, photos=234, ahead=6.0, of_seeds=0.0):
    """How often the interval holds the difference between two networks of which one is better."""
    generator, truth = np.random.default_rng(0), true_gap(ahead, of_seeds)
    options = {"ahead": ahead, "of_seeds": of_seeds}
    found = [intervals.difference(*correct_answers(generator, seeds, photos, **options)) for _ in range(studies)]
    return np.mean([each["low"] <= truth <= each["high"] for each in found])


def learning_curve(generator, constant, plateau, epochs=30, noise=0.02):
    """The validation accuracies of a training on five breeds, measured on so few photos that they jump about."""
    levels = 0.2 + (plateau - 0.2) * (1 - np.exp(-np.arange(1, epochs + 1) / constant))
    accuracies = (levels + generator.normal(0, noise, epochs)).clip(0, 1)
    return pd.DataFrame({"epoch": range(1, epochs + 1), "validation_accuracy": accuracies})


def verdicts_on_speed(studies, seeds, constants=(5.0, 5.0), plateaus=(0.7, 0.7)):
    """How often the first network is found faster, slower or neither at 5 %, or not tested. Seeds differ by a tenth."""
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
    """How often so many ResNet50s that name this share of their photos right, of five breeds, come out as what."""
    generator = np.random.default_rng(0)
    right = generator.binomial(photos, accuracy, (studies, networks)).tolist()
    found = [claims_2020.near_chance(each, photos, 0.2) for each in right]
    return {
        name: found.count(name) / studies
        for name in (claims_2020.CONFIRMED, claims_2020.REFUTED, claims_2020.OPEN, claims_2020.FAULT)
    }


def tables(studies):
    seeds = {
        (n, luck): {"size": size(studies, n, of_seeds=luck), "coverage": coverage(studies, n, of_seeds=luck)}
        for n in (2, 3, 5, 10)
        for luck in (0, 4, 7, 10)
    }
    yield "size, and coverage of a difference of six points: seeds, luck of a seed", seeds
    sources = {
        (kind, luck): {"size": size(studies, 3, of_seeds=2, of_source=luck, shared_source=kind == "shared")}
        for kind in ("shared", "own")
        for luck in (0, 1.6, 3.2, 6.4)
    }
    yield "size with three seeds: source, luck of a source", sources
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
        print(f"{title}\n{pd.DataFrame(rows).T.round(3).to_string()}\n", flush=True)
