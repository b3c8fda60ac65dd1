"""Synthetic files of `training.failure_trainings`, with known answers."""

import numpy as np

LABELS = np.arange(100, dtype=np.uint8) % 5


def training(network="resnet50", preprocessing="rescaled", right=100, repaired=100, **changes):
    """The arrays of a training that classifies `right` of 100 images correctly, and `repaired` after re-estimation."""
    found = {
        "network": network,
        "frozen": "nothing",
        "preprocessing": preprocessing,
        "seed": 0,
        "role": "comparison",
        "steps": 10,
        "kind": "drawn dogs",
    }
    found |= {"training": [0.5, 0.9], "validation": [0.2, 0.2]}
    for split in ("train", "validation", "test"):
        found[f"{split}, labels"] = LABELS
        for statistics, count in (("running", right), ("re-estimated", repaired)):
            found[f"{split}, {statistics}"] = np.where(np.arange(100) < count, LABELS, (LABELS + 1) % 5)
    return {name: np.asarray(value) for name, value in (found | changes).items()}
