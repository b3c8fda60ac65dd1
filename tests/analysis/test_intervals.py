"""Worked examples, and simulations of the coverage of intervals and of the size and power of tests."""

import numpy as np
import pandas as pd
import pytest
from finished_runs import finished_run
from scipy import stats
from statsmodels.stats.multitest import multipletests

from dogbreeds.analysis import intervals, metrics


@pytest.mark.parametrize(("correct", "low", "high"), [(44, 0.206, 0.341), (161, 0.948, 0.994)])
def test_wilson_intervals_of_the_2020_accuracies(correct, low, high):
    assert intervals.accuracy_interval(correct, 164) == (pytest.approx(low, abs=5e-4), pytest.approx(high, abs=5e-4))


def test_mcnemar_uses_only_discordant_photos():
    """Of ten discordant photos, nine favour one network: (9 - 1)**2 / 10 is 6.4."""
    first = np.array([True] * 9 + [False] + [True] * 20)
    second = np.array([False] * 9 + [True] + [True] * 20)
    assert intervals.paired_test(first, second) == pytest.approx(stats.chi2.sf(6.4, 1))
    assert intervals.paired_test(first, first) == 1


def test_mcnemar_reproduces_the_approval_ratings_example():
    """Agresti, Categorical Data Analysis, 3rd edition, table 11.1: 150 and 86 changed their opinion, z = 4.17."""
    counts = {(True, True): 794, (True, False): 150, (False, True): 86, (False, False): 570}
    pairs = np.array([pair for pair, count in counts.items() for _ in range(count)])
    assert intervals.paired_test(pairs[:, 0], pairs[:, 1]) == pytest.approx(2 * stats.norm.sf(64 / 236**0.5))


@pytest.mark.parametrize(("first_alone", "second_alone"), [(9, 2), (3, 0), (20, 31)])
def test_score_interval_bounds_are_at_the_critical_value(first_alone, second_alone):
    """The most likely share of photos that only the second classifies correctly is found by a grid search."""
    photos, index = 100, np.arange(100)
    first, second = index < first_alone, (index >= first_alone) & (index < first_alone + second_alone)
    neither = photos - first_alone - second_alone
    for gap in intervals.paired_difference(first, second)[1:]:
        shares = np.linspace(max(0, -gap), (1 - gap) / 2, 200_001)[1:-1]
        likelihood = first_alone * np.log(shares + gap) + second_alone * np.log(shares)
        share = shares[np.argmax(likelihood + neither * np.log(1 - 2 * shares - gap))]
        score = (first_alone - second_alone - photos * gap) / np.sqrt(photos * (2 * share + gap - gap**2))
        assert abs(score) == pytest.approx(stats.norm.ppf(0.975), abs=1e-3)


def test_interval_and_test_of_one_seed_agree():
    for first_alone in range(13):
        for second_alone in range(13):
            index = np.arange(max(24, first_alone + second_alone))
            first, second = index < first_alone, (index >= first_alone) & (index < first_alone + second_alone)
            _, low, high = intervals.paired_difference(first, second)
            assert (low <= 0 <= high) == (intervals.paired_test(first, second) > 0.05)


@pytest.mark.parametrize("photos", [3, 10])
def test_paired_difference_if_all_photos_favour_one_network(photos):
    """Three photos are too few for a significant difference, ten are enough."""
    right, wrong = np.ones(photos, bool), np.zeros(photos, bool)
    gap, low, high = intervals.paired_difference(right, wrong)
    assert (gap, high) == (1, 1)
    assert low == pytest.approx((photos - 3.8415) / (photos + 3.8415), abs=1e-4)
    assert (low <= 0) == (intervals.paired_test(right, wrong) > 0.05) == (photos == 3)
    assert intervals.paired_difference(wrong, right) == (-1, -1, -low)


@pytest.mark.parametrize("level", [0.2, 0.7])
def test_flat_learning_curve_has_no_time_constant(level):
    """The curve stays at the chance level, or is flat from the first epoch."""
    generator = np.random.default_rng(0)
    for _ in range(50):
        accuracies = level + generator.normal(0, 0.02, 12)
        history = pd.DataFrame({"epoch": range(1, 13), "validation_accuracy": accuracies})
        assert np.isnan(metrics.time_constant(history, 0.2))


def test_holm_correction_of_four_p_values():
    """By hand: 4 * 0.005, 3 * 0.01, 2 * 0.03, and never less than the previous one."""
    corrected = multipletests([0.01, 0.04, 0.03, 0.005], method="holm")[1]
    np.testing.assert_allclose(corrected, [0.03, 0.06, 0.06, 0.02])


def two_networks(generator, photos, both, first_alone, second_alone):
    """Answers of two networks for the same photos, with the probabilities that both or only one are correct."""
    kind = generator.choice(4, photos, p=[both, first_alone, second_alone, 1 - both - first_alone - second_alone])
    return (kind == 0) | (kind == 1), (kind == 0) | (kind == 2)


def test_wilson_interval_has_nominal_coverage():
    generator, covered = np.random.default_rng(0), []
    for truth in generator.uniform(0.3, 0.95, 2000):
        low, high = intervals.accuracy_interval(generator.binomial(200, truth), 200)
        covered.append(low <= truth <= high)
    assert 0.93 <= np.mean(covered) <= 0.97


def test_score_interval_has_nominal_coverage():
    generator, covered = np.random.default_rng(0), []
    for _ in range(2000):
        _, low, high = intervals.paired_difference(*two_networks(generator, 200, 0.6, 0.15, 0.1))
        covered.append(low <= 0.05 <= high)
    assert 0.93 <= np.mean(covered) <= 0.97


def test_interval_over_seeds_has_nominal_coverage():
    generator, covered = np.random.default_rng(0), []
    for _ in range(2000):
        summary = intervals.over_seeds(generator.normal(0.8, 0.02, 3).tolist())
        covered.append(summary["low"] <= 0.8 <= summary["high"])
    assert 0.93 <= np.mean(covered) <= 0.97


def networks_of_several_seeds(generator, seeds, photos, spread):
    """Answers of two equally good networks, with random effects of photos, shared and of each network, and of seeds.

    `spread` is the standard deviation of the seed effect.
    """
    shared, scores = generator.normal(1, 1.2, photos), []
    for _ in range(2):
        of_photo, of_seed = generator.normal(0, 0.8, photos), generator.normal(0, spread, (seeds, 1))
        scores.append(shared + of_photo + of_seed + generator.logistic(size=(seeds, photos)))
    return [score > 0 for score in scores]


@pytest.mark.parametrize("spread", [0.0, 0.2])
@pytest.mark.parametrize("seeds", [3, 5])
def test_difference_over_seeds_and_photos_has_nominal_coverage_and_size(seeds, spread):
    generator = np.random.default_rng(0)
    found = [intervals.difference(*networks_of_several_seeds(generator, seeds, 200, spread)) for _ in range(2000)]
    assert 0.93 <= np.mean([each["low"] <= 0 <= each["high"] for each in found]) <= 0.97
    assert 0.03 <= np.mean([each["p"] <= 0.05 for each in found]) <= 0.07


def test_accuracy_interval_over_seeds_has_nominal_coverage():
    generator, covered = np.random.default_rng(0), []
    scores = generator.normal(1, np.sqrt(1.2**2 + 0.8**2 + 0.2**2), 10**6) + generator.logistic(size=10**6)
    truth = np.mean(scores > 0)
    for _ in range(2000):
        summary = intervals.accuracy(networks_of_several_seeds(generator, 3, 200, 0.2)[0])
        covered.append(summary["low"] <= truth <= summary["high"])
    assert 0.93 <= np.mean(covered) <= 0.97


def test_interval_over_seeds_and_photos_matches_hand_computation():
    """Three seeds, four photos: the mean squares are 1/4 for seeds, 11/36 for photos and 5/36 for the residual."""
    values = np.array([[1.0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 1, 1]])
    summary = intervals.over_seeds_and_photos(values)
    assert summary["mean"] == 0.75
    assert summary["sd"] == pytest.approx(0.25)
    error, freedom = np.sqrt((1 / 4 + 1 / 6) / 12), 50 / 9
    assert summary["high"] - 0.75 == pytest.approx(error * stats.t.ppf(0.975, freedom))
    assert summary["p"] == pytest.approx(2 * stats.t.sf(0.75 / error, freedom))


def test_two_seeds_leave_one_degree_of_freedom():
    """The mean squares are 1/8 for seeds and, minus the residual one, 1/3 for photos."""
    summary = intervals.over_seeds_and_photos(np.array([[1.0, 1, 1, 0], [1, 0, 1, 0]]))
    error = np.sqrt((1 / 8 + 1 / 3) / 8)
    assert summary["high"] - 0.625 == pytest.approx(error * stats.t.ppf(0.975, 1))


def test_constant_answers_have_zero_sd_and_a_nonzero_interval():
    answers = np.ones((3, 40), bool)
    assert intervals.over_seeds_and_photos(answers.astype(float))["p"] == 0
    assert intervals.difference(answers, answers)["p"] == 1
    summary = intervals.accuracy(answers)
    assert (summary["mean"], summary["sd"]) == (1, 0)
    assert summary["low"] == intervals.accuracy_interval(40, 40)[0] < 0.92


def test_mcnemar_has_nominal_size():
    """Two equally good networks: the test rejects at about its nominal 5 %."""
    generator = np.random.default_rng(0)
    p_values = [intervals.paired_test(*two_networks(generator, 1000, 0.5, 0.2, 0.2)) for _ in range(2000)]
    assert 0.03 <= np.mean(np.array(p_values) <= 0.05) <= 0.07


def test_detectable_difference_has_nominal_power():
    generator = np.random.default_rng(0)
    gap = intervals.detectable_difference(1000, discordant=0.3)
    pairs = [two_networks(generator, 1000, 0.5, 0.15 + gap / 2, 0.15 - gap / 2) for _ in range(1000)]
    found = np.mean([intervals.paired_test(*pair) <= 0.05 for pair in pairs])
    assert 0.75 <= found <= 0.85
    assert np.isnan(intervals.detectable_difference(5, discordant=0.1))


def test_over_seeds_matches_hand_computation():
    """The standard deviation is 0.1; the 0.975 quantile of t with 2 degrees of freedom is 4.3027."""
    summary = intervals.over_seeds([0.5, 0.6, 0.7])
    assert summary["mean"] == pytest.approx(0.6)
    assert summary["high"] - 0.6 == pytest.approx(4.3027 * 0.1 / 3**0.5, abs=1e-4)
    one = intervals.over_seeds([0.5])
    assert one["mean"] == 0.5
    assert np.isnan([one["sd"], one["low"], one["high"]]).all()


def test_quality_matches_hand_computation():
    """Probabilities are 0.8 and 0.2. Three of four photos are correct; the breeds have three photos and one photo."""
    certain = np.log(4.0)
    logits = np.array([[certain, 0], [certain, 0], [0, certain], [0, certain]], np.float32)
    measured = metrics.quality(logits, np.array([0, 0, 0, 1]))
    assert measured["top-1"] == 0.75
    assert measured["mean per breed"] == pytest.approx((2 / 3 + 1) / 2)
    assert measured["NLL"] == pytest.approx(-(3 * np.log(0.8) + np.log(0.2)) / 4)
    assert measured["calibration error"] == pytest.approx(0.05)
    assert "top-5" not in measured
    six = metrics.quality(np.eye(7, dtype=np.float32)[[0, 1]] + np.arange(7, dtype=np.float32) / 100, np.array([1, 1]))
    assert six["top-1"] == 0.5
    assert six["top-5"] == 0.5


def test_time_to_accuracy_includes_the_epoch_that_reaches_it():
    history = pd.DataFrame({"epoch": [1, 2, 3], "seconds": [10.0, 5, 5], "validation_accuracy": [0.3, 0.6, 0.5]})
    assert metrics.time_to_accuracy(history, 0.6) == (2, 15)
    assert all(np.isnan(metrics.time_to_accuracy(history, 0.7)))


def test_an_ensemble_averages_probabilities_not_logits(tmp_path):
    confident, uncertain = (
        finished_run(tmp_path / "a", [[4.0, 0.0]], [0]),
        finished_run(tmp_path / "b", [[0.0, 1.0]], [0]),
    )
    mean = (1 / (1 + np.exp(-4)) + 1 / (1 + np.exp(1))) / 2
    np.testing.assert_allclose(np.exp(metrics.ensemble([confident, uncertain]))[0], [mean, 1 - mean], rtol=1e-5)


def test_agreement_counts_equal_predictions_correct_or_not(tmp_path):
    first = finished_run(tmp_path / "a", np.eye(3)[[0, 1, 2, 2]], [0, 0, 0, 0])
    second = finished_run(tmp_path / "b", np.eye(3)[[0, 1, 1, 0]], [0, 0, 0, 0], architecture="xception")
    table = metrics.agreement([first, second])
    assert table.loc["ResNet50, Keras", "Xception, Keras"] == 0.5
    assert table.loc["ResNet50, Keras", "ResNet50, Keras"] == 1


def test_auroc_is_the_probability_of_the_higher_score():
    assert metrics.auroc(np.array([0.9, 0.5]), np.array([0.4, 0.6])) == 0.75
    assert np.isnan(metrics.auroc(np.array([0.9]), np.array([])))
    np.testing.assert_allclose(metrics.confidence(np.log([[0.7, 0.3]])), [0.7])


def test_interval_without_discordant_photos_is_nonzero():
    """The bound for two networks is 1.96**2 / (100 + 1.96**2); for shares, (1 - bound)**100 is 0.025."""
    correct = np.arange(100) < 60
    for answers, bound in ((correct, 0.0370), (correct / 2, 0.0362)):
        gain, low, high = intervals.paired_difference(answers, answers)
        assert (gain, low) == (0, pytest.approx(-high))
        assert high == pytest.approx(bound, abs=1e-4)


def test_shares_over_several_runs_are_compared_by_t_test():
    generator = np.random.default_rng(0)
    first, second = (generator.integers(0, 3, (1, 50)) / 2 for _ in range(2))
    found = intervals.difference(first, second)
    gaps = (first - second)[0]
    assert found["difference"] == pytest.approx(gaps.mean())
    assert found["p"] == pytest.approx(stats.ttest_rel(first[0], second[0]).pvalue)
    assert intervals.difference(first, first)["p"] == 1


def test_equality_within_the_margin_needs_enough_photos():
    """Of two networks that are equally accurate, only many photos show that they are."""
    for photos, equal in ((100, False), (10_000, True)):
        first = np.arange(photos) % 10 < 8
        second = np.arange(photos) % 10 > 1
        found = intervals.equivalence(first[None], second[None])
        assert (found["p"] < 0.05) is equal
        assert found["low"] == pytest.approx(-found["high"])


def test_a_difference_larger_than_the_margin_is_never_equality():
    first, second = np.arange(100_000) % 100 < 80, np.arange(100_000) % 100 < 77
    assert intervals.equivalence(first[None], second[None])["p"] > 0.5


def test_equality_over_seeds_uses_the_interval_of_seeds_and_photos():
    values = np.random.default_rng(0).random((3, 20_000)) < 0.8
    p, low, high = intervals.equivalence(values, values[:, ::-1]).values()
    wider = intervals.difference(values, values[:, ::-1])
    assert p < 0.05
    assert wider["low"] < low < high < wider["high"]


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("shares", [False, True])
def test_equality_is_significant_exactly_if_the_interval_is_within_the_margin(seeds, shares):
    generator = np.random.default_rng(0)
    decided = []
    for photos in (300, 2000, 4000, 9000):
        first, second = (
            (generator.random((2, 2, seeds, photos)) < 0.8).mean(axis=1)
            if shares
            else (generator.random((2, seeds, photos)) < 0.8)
        )
        found = intervals.equivalence(first, second)
        decided.append(found["p"] < 0.05)
        assert decided[-1] == (found["low"] > -intervals.MARGIN and found["high"] < intervals.MARGIN)
    assert len(set(decided)) == 2


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_few_photos_without_a_difference_do_not_show_equality(seeds):
    """One photo that is classified differently does not make equality more certain, either."""
    for photos, equal in ((100, False), (200, True)):
        same = np.ones((seeds, photos), bool)
        found = intervals.equivalence(same, same)
        assert (found["p"] < 0.05) is equal
        assert bool(found["high"] < intervals.MARGIN) is equal
        other = same.copy()
        other[0, 0] = False
        assert intervals.equivalence(same, other)["p"] >= found["p"]
        shares = np.where(same, 1.0, 0.0)
        shares[0, 0] = 2 / 3
        assert intervals.equivalence(same.astype(float), shares)["p"] >= intervals.equivalence(shares, shares)["p"]


def test_no_number_of_photos_shows_a_difference_of_zero():
    same = np.arange(200) % 3 > 0
    photos, seeds = intervals.photos_and_seeds_needed(same[None], same[None])
    assert photos == np.inf
    assert np.isnan(seeds)
    assert intervals.photos_and_seeds_needed(*[np.stack([same, same[::-1], same])] * 2) == (np.inf, np.inf)


def test_more_photos_of_the_same_seeds_can_be_enough_although_very_many_are_not():
    """With 3 seeds the degrees of freedom fall from 10 to 2 as photos are added, faster than the error."""
    assert intervals._fewest(lambda number: 10_000 <= number < 40_000) == 10_000
    assert intervals._fewest(lambda number: number >= 5, least=2) == 5
    assert intervals._fewest(lambda number: number >= 2, least=2) == 2
    assert intervals._fewest(lambda number: number > intervals.MOST) == np.inf


def test_photos_cannot_make_up_for_seeds_that_vary():
    """Two of three seeds are 10 points better and one is 15 points worse: more photos of these seeds decide nothing."""
    first, second = np.zeros((3, 1000), bool), np.zeros((3, 1000), bool)
    first[:2, :100] = second[2, :150] = True
    photos, seeds = intervals.photos_and_seeds_needed(first, second)
    assert photos == np.inf
    assert 50 < seeds < 5000
