"""Tables about the failure of ResNet50, from synthetic trainings with known answers."""

import pytest
from failure_files import training

from dogbreeds.analysis import claims_2020, failure_2020

ROLES = {"comparison": 20, "control": 85}  # images of 100 that are classified correctly


def test_accuracies_and_intervals_by_network_and_preprocessing():
    counts = ((20, 90), (30, 80), (25, 85))
    table = failure_2020.results([training(right=right, repaired=repaired) for right, repaired in counts])
    row = table.iloc[0]
    assert len(table) == 1
    assert row["while training"] == 0.9
    assert row["new images"] == row["training images"] == pytest.approx(0.25)
    assert row["new images, re-estimated"] == pytest.approx(0.85)
    assert row["low"] < 0.25 < row["high"] < row["low, re-estimated"] < 0.85
    assert (row["chance"], row["seeds"]) == (0.2, 3)


@pytest.mark.parametrize(
    ("right", "outcome"),
    [(20, "as expected"), (90, "against the hypothesis"), (38, "not decidable here"), (5, claims_2020.FAULT)],
)
def test_the_hypothesis_is_judged_by_the_verdict_on_chance(right, outcome):
    """Near chance is below twice the chance level of 20 %."""
    two = [training(right=right, seed=seed) for seed in (0, 1)]
    outcomes = outcomes_of([*two, training("xception", right=90)])
    assert outcomes.pop(("ResNet50", "rescaled")) == outcome
    assert outcomes.pop(("Xception", "rescaled")) == "one seed decides nothing"
    assert set(outcomes.values()) == {"not run"}


def outcomes_of(trainings):
    return failure_2020.expectations(trainings).set_index(["network", "preprocessing"])["outcome"].to_dict()


def test_expected_preprocessing_near_chance_refute_the_hypothesis():
    failed = [training(preprocessing=kind, right=20, seed=seed) for kind in ("rescaled", "expected") for seed in (0, 1)]
    outcomes = outcomes_of(failed)
    assert outcomes["ResNet50", "rescaled"] == "as expected"
    assert outcomes["ResNet50", "expected"] == "against the hypothesis"


def test_one_training_of_three_near_chance_leaves_the_outcome_open():
    controls = [training(preprocessing="expected", right=right, seed=seed) for seed, right in enumerate((90, 20, 80))]
    row = failure_2020.expectations(controls).iloc[0]
    assert row.tolist() == ["ResNet50", "expected", "well above chance", "1 of 3", claims_2020.OPEN]


def test_a_control_has_the_same_preprocessing_but_a_row_and_a_column_of_its_own():
    trainings = [training(right=right, role=role, seed=seed) for role, right in ROLES.items() for seed in (0, 1)]
    outcomes = outcomes_of(trainings)
    assert outcomes["ResNet50", "rescaled"] == "as expected"
    assert outcomes["ResNet50", failure_2020.CONTROL] == "as expected"
    shown = failure_2020.readable(failure_2020.results(trainings)).iloc[0]
    assert shown["preprocessing rescaled"].startswith("90; 20.0 [")
    assert shown[f"preprocessing {failure_2020.CONTROL}"].startswith("90; 85.0 [")


def test_steps_until_healed_count_from_the_last_epoch_near_chance():
    healed = training(role="healing", validation=[0.2, 0.5, 0.3, 0.6, 0.9], training=[0.9] * 5)
    ill = training(role="healing", seed=1, validation=[0.2, 0.2], training=[0.9] * 2)
    table = failure_2020.healing([ill, healed, training()])
    assert table["steps"].tolist() == [10, 20, 10, 20, 30, 40, 50]
    assert failure_2020.steps_until_healed(table) == [None, 40]
    assert failure_2020.healed(table)[["seed", "steps"]].to_numpy().tolist() == [[1, "not reached"], [0, "40"]]
    assert failure_2020.steps_until_healed(failure_2020.healing([training()])) == []


def test_the_prediction_follows_from_the_momentum():
    """After that many steps the share of the initial value, 255 squared times too large, equals that of the batches."""
    steps = failure_2020.predicted_steps()
    assert 0.99**steps * 255**2 == pytest.approx(1)


def test_the_sentences_count_and_compare_the_runs_of_resnet50():
    trainings = [training(right=20, repaired=85), training("xception", right=95)]
    assert failure_2020.counted(trainings) == (
        "From weights learned on other breeds and with pixel values divided by 255, 1 of 1 runs of ResNet50 and 0 of 1 "
        "runs of Xception are near chance on new drawn dogs; with the preprocessing that each network expects, no runs "
        "of ResNet50 and no runs of Xception."
    )
    assert failure_2020.repaired(failure_2020.results(trainings)) == (
        "ResNet50 from weights learned on other breeds, on pixel values divided by 255, has an accuracy of 90.0% in "
        "training, 20.0% on new drawn dogs, and 85.0% with re-estimated running statistics."
    )


def test_the_initial_weights_are_named_with_their_files():
    """A file without the name of its initial weights is from the time before there was a choice."""
    trainings = [from_imagenet(network, seed=seed) for seed in (0, 1) for network in ("resnet50", "xception")]
    listed = "ResNet50: resnet50.h5, SHA-256 re12; Xception: xception.h5, SHA-256 xc12."
    assert failure_2020.initial_weights(trainings).endswith(f"ImageNet that keras.applications publishes. {listed}")
    assert "near chance" in failure_2020.counted(trainings)
    assert failure_2020.counted(trainings).startswith("From ImageNet weights and")
    table = failure_2020.results(trainings)
    assert failure_2020.repaired(table).startswith("ResNet50 from ImageNet weights, on")
    assert failure_2020.readable(table)["initial weights"].tolist() == ["imagenet"] * 2
    for training_of_others in (training(), training(weights="other-breeds")):
        said = failure_2020.initial_weights([training_of_others])
        assert "learned on other breeds" in said
        assert "ImageNet weights were not run here; the profile deck_2020_five_breeds" in said
        assert failure_2020.results([training_of_others])["weights"].tolist() == ["other-breeds"]


def from_imagenet(network, **changes):
    file = {"weights file": f"{network}.h5", "weights sha256": f"{network[:2]}12"}
    return training(network, weights="imagenet", **file, **changes)


@pytest.mark.parametrize("trainings", [[], [training(right=20)]])
def test_the_sentence_says_that_a_comparison_was_not_made(trainings):
    assert failure_2020.counted(trainings) == "Why ResNet50 failed in 2020 was not asked here."
    assert failure_2020.repaired(failure_2020.results([])) == "No ResNet50 was trained on rescaled images."
