"""A claim is confirmed or refuted only where the interval of what was measured leaves zero out."""

import pytest
from finished_runs import finished_run, right_on_the_first

from dogbreeds import claims


@pytest.fixture
def runs(tmp_path):
    def make(start="scratch", **networks):
        """Three seeds a network: of 100 test photos so many are right, half of validation after so many epochs."""
        made = []
        for name, (right, epochs) in networks.items():
            for seed in range(3):
                learned = [0.2] * (epochs + seed % 2 - 1) + [0.5]
                which = {"architecture": name, "seed": seed, "weights": start, "validation_accuracy": learned}
                made.append(finished_run(tmp_path / f"{name}-{start}-{seed}", *right_on_the_first(right), **which))
        return made

    return make


def test_clear_differences_are_told_apart(runs):
    table = claims.confront(runs(xception=(90, 9), resnet50=(60, 3), se_resnet50=(95, 12))).set_index("claim")
    verdict = table["verdict"]
    assert verdict["Xception stays ahead of ResNet50"] == claims.CONFIRMED
    assert verdict["Xception stays ahead of SE-ResNet50"] == claims.REFUTED
    assert verdict["SE-ResNet50 is better than ResNet50"] == claims.CONFIRMED
    assert verdict["ResNet50 learns faster than Xception"] == claims.CONFIRMED
    assert verdict["SE-ResNet50 learns faster than Xception"] == claims.REFUTED
    assert verdict["ResNet50 overfits and stays near chance (26.83%)"] == claims.REFUTED
    assert "+30.0 points (95 % interval" in table.loc["Xception stays ahead of ResNet50", "measured"]
    assert "+6.0 epochs saved on average over 3 pairs" in table.loc["ResNet50 learns faster than Xception", "measured"]


def test_what_these_photos_cannot_decide_is_left_open(runs):
    table = claims.confront(runs(xception=(31, 4), resnet50=(31, 4), se_resnet50=(31, 4)))
    assert set(table["verdict"]) == {claims.OPEN}


def test_every_start_has_its_verdicts_and_is_held_against_none(runs):
    networks = {"xception": (60, 4), "resnet50": (60, 4), "se_resnet50": (60, 4)}
    better = {name: (90, epochs) for name, (_, epochs) in networks.items()}
    table = claims.confront(runs(**networks) + runs("other-breeds", **better))
    assert table["start"].value_counts().to_dict() == {"scratch": 6, "other-breeds": 7}
    last = table.iloc[-1]
    assert last["claim"] == "Learned weights are a better start than none"
    assert last["verdict"] == claims.CONFIRMED
