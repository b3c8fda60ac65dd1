"""A claim is confirmed or refuted only where the interval of what was measured leaves zero out."""

import numpy as np
import pandas as pd
import pytest

from dogbreeds import claims
from dogbreeds.runs import Run


def run_of(folder, architecture, right, seed, epochs_to_learn):
    """Of 100 test photos the first `right` are named right; half of validation is right after so many epochs."""
    folder.mkdir()
    logits = np.eye(5, dtype=np.float32)[np.where(np.arange(100) < right, 0, 1)]
    np.savez(folder / "predictions.npz", test_labels=np.zeros(100, int), test_logits=logits)
    run = Run(folder)
    accuracies = [0.2] * (epochs_to_learn - 1) + [0.5]
    run.__dict__["record"] = {"architecture": architecture, "framework": "pytorch", "seed": seed}
    run.__dict__["history"] = pd.DataFrame(
        {"epoch": range(1, epochs_to_learn + 1), "seconds": 1.0, "validation_accuracy": accuracies}
    )
    return run


@pytest.fixture
def verdicts(tmp_path):
    def confront(xception, resnet50, se_resnet50):
        runs = []
        for name, (right, epochs) in {"xception": xception, "resnet50": resnet50, "se_resnet50": se_resnet50}.items():
            runs += [run_of(tmp_path / f"{name}{seed}", name, right, seed, epochs + seed % 2) for seed in range(3)]
        return claims.confront(runs).set_index("claim")

    return confront


def test_clear_differences_are_told_apart(verdicts):
    table = verdicts(xception=(90, 9), resnet50=(60, 3), se_resnet50=(95, 12))
    verdict = table["verdict"]
    assert verdict["Xception stays ahead of ResNet50"] == claims.CONFIRMED
    assert verdict["Xception stays ahead of SE-ResNet50"] == claims.REFUTED
    assert verdict["SE-ResNet50 is better than ResNet50"] == claims.CONFIRMED
    assert verdict["ResNet50 learns faster than Xception"] == claims.CONFIRMED
    assert verdict["SE-ResNet50 learns faster than Xception"] == claims.REFUTED
    assert verdict["ResNet50 overfits and stays near chance (26.83%)"] == claims.REFUTED
    assert "+30.0 points" in table.loc["Xception stays ahead of ResNet50", "measured"]
    assert "+6.0 epochs saved on average over 3 pairs" in table.loc["ResNet50 learns faster than Xception", "measured"]


def test_what_these_photos_cannot_decide_is_left_open(verdicts):
    table = verdicts(xception=(31, 4), resnet50=(31, 4), se_resnet50=(31, 4))
    assert set(table["verdict"]) == {claims.OPEN}
