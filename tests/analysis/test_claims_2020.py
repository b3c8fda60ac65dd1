"""A claim is confirmed or refuted only if the measured difference is significant after Holm's correction."""

import re

import numpy as np
import pytest
from finished_runs import finished_run, logits_and_labels

from dogbreeds.analysis import claims_2020, intervals, tables


def learning_curve(constant, plateau=0.5, epochs=30):
    """Validation accuracies that rise from the chance level of five breeds to a plateau."""
    return (0.2 + (plateau - 0.2) * (1 - np.exp(-np.arange(1, epochs + 1) / constant))).tolist()


@pytest.fixture
def runs(tmp_path):
    def make(weights="scratch", own_sources=True, **networks):
        """Three seeds per network; each network is given as (correct photos of 100, time constant in epochs)."""
        created = []
        for name, (correct, constant) in networks.items():
            for seed in range(3):
                curve = learning_curve(constant * (1 + 0.02 * seed))
                settings = {"architecture": name, "seed": seed, "weights": weights, "validation_accuracy": curve}
                if weights != "scratch":
                    settings["source"] = f"source-{name}-{seed if own_sources else 0}"
                created.append(
                    finished_run(tmp_path / f"{name}-{weights}-{seed}", *logits_and_labels(correct), **settings)
                )
        return created

    return make


def test_large_differences_are_confirmed_or_refuted(runs):
    table = claims_2020.confront(runs(xception=(90, 6), resnet50=(60, 3), se_resnet50=(95, 9))).set_index("claim")
    verdict = table["verdict"]
    assert verdict["Xception stays ahead of ResNet50"] == claims_2020.CONFIRMED
    assert verdict["Xception stays ahead of SE-ResNet50"] == claims_2020.REFUTED
    assert verdict["SE-ResNet50 is better than ResNet50"] == claims_2020.CONFIRMED
    assert verdict["ResNet50 learns faster than Xception"] == claims_2020.CONFIRMED
    assert verdict["SE-ResNet50 learns faster than Xception"] == claims_2020.REFUTED
    assert "+30.0 points (95 % interval" in table.loc["Xception stays ahead of ResNet50", "measured"]
    faster = table.loc["ResNet50 learns faster than Xception", "measured"]
    assert faster == "+3.1 epochs (95 % interval +2.9 to +3.2)"  # 3.06, plus or minus 4.303 * 0.06 / sqrt(3)


def test_equal_results_leave_all_claims_open(runs):
    table = claims_2020.confront(runs(xception=(31, 4), resnet50=(31, 4), se_resnet50=(31, 4)))
    assert set(table["verdict"][:-1]) == {claims_2020.OPEN}


@pytest.fixture
def squeezed(tmp_path):
    """Returns the row on SE-ResNet50 and ResNet50, from the accuracies of both and the number of photos."""

    def row(se_resnet50, resnet50, photos, seeds=3, **settings):
        created = []
        for name, share in (("xception", 0.9), ("resnet50", resnet50), ("se_resnet50", se_resnet50)):
            for seed in range(seeds):
                folder = tmp_path / f"{se_resnet50}-{photos}-{seeds}-{name}-{seed}-{len(settings)}"
                curve = learning_curve(4 * (1 + 0.02 * seed))
                more = {"architecture": name, "seed": seed, "validation_accuracy": curve} | settings
                created.append(finished_run(folder, *logits_and_labels(round(share * photos), photos), **more))
        return claims_2020.confront(created).set_index("claim").loc["SE-ResNet50 is better than ResNet50"]

    return row


def test_equal_networks_are_equal_within_the_margin_if_there_are_enough_photos(squeezed):
    few, many = squeezed(0.5, 0.5, 100), squeezed(0.5, 0.5, 2000)
    assert many["verdict"] == claims_2020.EQUAL == f"equal within {100 * intervals.MARGIN:.0f} points"
    assert many["p equal (Holm)"] < 0.05 < few["p equal (Holm)"]
    assert few["verdict"] == claims_2020.OPEN
    needed = int(re.match(r"[\d,]+(?= test photos)", few["would decide"])[0].replace(",", ""))
    assert 200 < needed < 2000


def test_equality_is_about_what_was_trained(squeezed):
    assert squeezed(0.5, 0.5, 2000, seeds=1)["verdict"] == claims_2020.THESE_EQUAL
    shared = {"weights": "other-breeds", "source": "one"}
    assert squeezed(0.5, 0.5, 2000, **shared)["verdict"] == claims_2020.EQUAL_FROM_THESE


@pytest.mark.parametrize(("ahead", "verdict"), [(0.01, claims_2020.CONFIRMED), (-0.01, claims_2020.REFUTED)])
def test_a_significant_difference_keeps_its_direction_within_the_margin(squeezed, ahead, verdict):
    row = squeezed(0.5 + ahead, 0.5, 20_000)
    assert row["verdict"] == verdict
    assert row["p equal (Holm)"] < 0.05


def test_undecided_claims_say_what_would_decide_them(runs):
    table = claims_2020.confront(runs(xception=(62, 4), resnet50=(60, 4), se_resnet50=(60, 4))).set_index("claim")
    undecided = table[table["verdict"] == claims_2020.OPEN]
    assert table.loc[table["verdict"] != claims_2020.OPEN, "would decide"].isna().all()
    ahead = undecided.loc["Xception stays ahead of ResNet50", "would decide"]
    assert re.fullmatch(r"[\d,]+ test photos( or \d+ seeds)?", ahead)
    photos = int(ahead.partition(" ")[0].replace(",", ""))
    assert 100 < photos < 5000


def test_near_chance_is_not_tested_by_another_recipe(runs):
    """The claim is about the training of 2020; notebook 02 judges it on a training with the suspected faults."""
    row = claims_2020.confront(runs(xception=(90, 6), resnet50=(60, 3), se_resnet50=(95, 9))).iloc[-1]
    assert row["claim"] == "ResNet50 stays near chance (26.83%)"
    assert (row["measured"], row["verdict"]) == ("with this recipe 60.0% to 60.0%, chance 20.0%", "not tested")


def test_each_initialisation_has_verdicts_and_is_compared_with_scratch(runs):
    networks = {"xception": (60, 4), "resnet50": (60, 4), "se_resnet50": (60, 4)}
    better = {name: (90, epochs) for name, (_, epochs) in networks.items()}
    table = claims_2020.confront(runs(**networks) + runs("other-breeds", **better))
    assert table["initial weights"].value_counts().to_dict() == {"scratch": 6, "other-breeds": 7}
    comparison = table[table["claim"] == "Learned weights are a better start than none"]
    assert comparison[["initial weights", "verdict"]].to_numpy().tolist() == [["other-breeds", claims_2020.CONFIRMED]]


def test_shared_initial_weights_limit_the_verdict_to_these_weights(runs):
    networks = {"xception": (90, 4), "resnet50": (60, 4), "se_resnet50": (60, 4)}
    for own_sources, verdict in ((True, claims_2020.CONFIRMED), (False, "true from these initial weights")):
        weights = f"other-breeds-{own_sources}"
        table = claims_2020.confront(runs(weights, own_sources, **networks)).set_index("claim")
        assert table.loc["Xception stays ahead of ResNet50", "verdict"] == verdict


def test_runs_with_the_same_seed_count_as_one_sample(tmp_path):
    """A second framework with equal results adds no information, and one seed gives no verdict on learning speed."""
    runs = []
    for name, constant in (("xception", 5), ("resnet50", 3), ("se_resnet50", 4)):
        for framework in ("keras", "pytorch"):
            curve = learning_curve(constant)
            settings = {"architecture": name, "framework": framework, "validation_accuracy": curve}
            runs.append(finished_run(tmp_path / f"{name}-{framework}", *logits_and_labels(40), **settings))
    table = claims_2020.confront(runs).set_index("claim")
    assert table.loc["ResNet50 learns faster than Xception", "verdict"] == claims_2020.OPEN
    assert table.loc["ResNet50 learns faster than Xception", "measured"] == "+2.0 epochs, seeds: 1"
    assert tables.by_seed(runs).shape == (1, 100)


def test_learning_speed_is_not_tested_without_a_plateau(runs):
    """Holm's correction of the other p-values does not count this claim."""
    networks = {"xception": (60, 4), "resnet50": (60, 20), "se_resnet50": (60, 4)}
    table = claims_2020.confront(runs(**networks)).set_index("claim")
    assert table.loc["ResNet50 learns faster than Xception", "verdict"] == claims_2020.NOT_TESTED
    assert table.loc["ResNet50 learns faster than Xception", "measured"] == "runs without a plateau: 3 of 6"
    assert table.loc["SE-ResNet50 learns faster than Xception", "verdict"] == claims_2020.OPEN


def test_learning_speed_pairs_runs_by_seed_and_framework(runs):
    created = runs(xception=(60, 6), resnet50=(60, 3), se_resnet50=(60, 3))
    assert claims_2020.confront(created[::-1]).iloc[:5].equals(claims_2020.confront(created).iloc[:5])
    with pytest.raises(ValueError, match="cannot be paired"):
        claims_2020._faster(created[3:6], created[:2])


def test_single_seed_limits_the_verdict_to_the_trained_networks(runs):
    """However large the difference is, the verdict is about these trained networks only."""
    networks = {"xception": (90, 9), "resnet50": (60, 3), "se_resnet50": (60, 3)}
    one_seed = [run for run in runs(**networks) if run.record["seed"] == 0]
    verdict = claims_2020.confront(one_seed).set_index("claim")["verdict"]
    assert verdict["Xception stays ahead of ResNet50"] == claims_2020.HOLDS == "true of these trained networks"
    assert verdict["SE-ResNet50 is better than ResNet50"] == claims_2020.OPEN
    assert claims_2020.CONFIRMED not in set(verdict)


@pytest.mark.parametrize(
    ("correct", "photos", "verdict"),
    [
        (44, 164, claims_2020.CONFIRMED),  # the result of 2020
        (1810, 8580, claims_2020.CONFIRMED),
        (7, 20, claims_2020.OPEN),  # too few photos for a verdict
        (8, 164, claims_2020.FAULT),
        (90, 164, claims_2020.REFUTED),
    ],
)
def test_near_chance_means_between_chance_and_twice_chance(correct, photos, verdict):
    assert claims_2020.near_chance([correct], photos, 0.2) == verdict


def test_near_chance_depends_on_the_chance_level():
    """An accuracy of 50 % is the chance level for two breeds, and far above it for 120."""
    assert claims_2020.near_chance([50], 100, 1 / 2) == claims_2020.CONFIRMED
    assert claims_2020.near_chance([50], 100, 1 / 120) == claims_2020.REFUTED


def test_near_chance_corrects_for_the_number_of_networks():
    """22 of 164 is below 20 % at 95 % confidence, but not at the corrected confidence for six networks."""
    assert intervals.accuracy_interval(22, 164)[1] < 0.2
    assert claims_2020.near_chance([22], 164, 0.2) == claims_2020.FAULT
    assert claims_2020.near_chance([22, 33, 33, 33, 33, 33], 164, 0.2) == claims_2020.CONFIRMED


def test_verdicts_use_holm_corrected_p_values(runs, monkeypatch):
    monkeypatch.setattr(claims_2020.tables, "gap", lambda *_: {"difference": 0.1, "low": 0.01, "high": 0.2, "p": 0.02})
    table = claims_2020.confront(runs(xception=(60, 4), resnet50=(60, 4), se_resnet50=(60, 4)))
    ahead = table[table["measured"].str.startswith("+10.0 points")]
    # three p-values of 0.02, two of 1, and that of equality
    assert ahead["p (Holm)"].to_list() == pytest.approx([0.12, 0.12, 0.12])
    assert set(ahead["verdict"]) == {claims_2020.OPEN}
