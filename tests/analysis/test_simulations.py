"""The statistical tests of the study have their nominal error rates; `simulations` shows this at full size."""

import pytest
import simulations

from dogbreeds.analysis import claims_2020, intervals

STUDIES = 600


@pytest.mark.parametrize("seed_effect", [0, 4, 10])
@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_significance_test_does_not_exceed_its_nominal_size(seeds, seed_effect):
    assert simulations.size(STUDIES, seeds, of_seeds=seed_effect) <= 0.07


@pytest.mark.parametrize("seed_effect", [0, 4, 10])
@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_interval_of_a_difference_reaches_its_nominal_coverage(seeds, seed_effect):
    assert simulations.coverage(STUDIES, seeds, of_seeds=seed_effect) >= 0.93


def test_shared_source_inflates_the_size_and_separate_sources_do_not():
    effects = {"of_seeds": 2, "of_source": 6.4}
    assert simulations.size(STUDIES, 3, shared_source=True, **effects) > 0.2
    assert simulations.size(STUDIES, 3, shared_source=False, **effects) <= 0.07


@pytest.mark.parametrize("plateaus", [(0.7, 0.7), (0.6, 0.7)])
def test_lower_plateau_is_not_mistaken_for_slower_learning(plateaus):
    found = simulations.verdicts_on_speed(150, 3, plateaus=plateaus)
    assert found["faster"] + found["slower"] <= 0.08
    assert found["not tested"] == 0


def test_faster_learning_is_detected():
    assert simulations.verdicts_on_speed(60, 5, constants=(4.0, 6.0))["faster"] >= 0.8


def test_more_photos_decide_the_chance_claim_without_reversing_it():
    few, many = (simulations.verdicts_on_chance(STUDIES, 0.27, photos) for photos in (20, 8580))
    assert few[claims_2020.OPEN] > 0.5
    assert many[claims_2020.CONFIRMED] == 1
    assert few[claims_2020.REFUTED] <= 0.025


@pytest.mark.parametrize(("seeds", "seed_effect"), [(1, 0), (3, 0), (3, 0.4), (5, 0.4)])
def test_networks_at_the_margin_are_rarely_found_equal(seeds, seed_effect):
    """The size of the equivalence test: a true difference of 2 points is not equality."""
    assert 0.005 <= simulations.found_equal(400, seeds, 5000, intervals.MARGIN, seed_effect) <= 0.075


@pytest.mark.parametrize("seeds", [1, 3])
def test_equal_networks_are_found_equal_with_enough_photos(seeds):
    """The power of the equivalence test at a true difference of zero; a small test set shows nothing."""
    assert simulations.found_equal(200, seeds, 20_000 // seeds, 0.0) >= 0.8
    assert simulations.found_equal(200, seeds, 100, 0.0) <= 0.05


@pytest.mark.parametrize(
    ("seeds", "seed_effect", "sizes", "least"), [(1, 0, 1, 0.7), (2, 1, 1, 0.6), (3, 1, 2, 0.45), (10, 2, 2, 0.65)]
)
def test_the_numbers_of_photos_and_seeds_that_are_needed_give_about_the_stated_power(seeds, seed_effect, sizes, least):
    powers = simulations.power_at_the_number_needed(100, seeds, 1500, 3.0, seed_effect)
    assert len(powers) == sizes
    assert all(least <= power <= 0.95 for power in powers)
