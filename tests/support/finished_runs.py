"""Finished runs with only predictions, history and record, for the tests of tables, claims and notebooks."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from dogbreeds.data.datasets import Dataset
from dogbreeds.training.runs import Run, RunConfig

COST = {"photos_per_second": 10.0, "peak_memory_mb": 1000, "parameters": 7, "multiply_adds": 9}


def finished_run(
    folder: Path, logits, labels, validation_accuracy=(0.5,), weights="scratch", source="", **record
) -> Run:
    """Returns a run in `folder` with these test `logits` and `labels`; `record` replaces entries of its run.json."""
    folder.mkdir(parents=True)
    np.savez(folder / "predictions.npz", test_labels=np.array(labels), test_logits=np.array(logits, np.float32))
    run, epochs = Run(folder), len(validation_accuracy)
    run.__dict__["record"] = {
        "architecture": "resnet50",
        "framework": "keras",
        "initialisation": {"kind": weights, "source": source, "fingerprint": ""},
        "seed": 0,
        "breeds": ["a", "b", "c", "d", "e"],
        "epochs": epochs,
        "seconds": 2.0 * epochs,
    } | (COST | record)
    run.__dict__["history"] = pd.DataFrame(
        {"epoch": range(1, epochs + 1), "seconds": 1.0, "validation_accuracy": validation_accuracy}
    )
    return run


def logits_and_labels(correct: int, photos: int = 100):
    """Returns logits for five breeds, and labels: the first `correct` of `photos` photos are classified correctly."""
    return np.eye(5)[np.where(np.arange(photos) < correct, 0, 1)], np.zeros(photos, int)


def write_finished_run(config: RunConfig, dataset: Dataset, store: Path, validation: int, test: int, **record) -> Run:
    """Writes the files of a finished run of `config`, without weights, and returns the run.

    `validation` and `test` are the numbers of correctly classified photos of these splits, the first ones. `record`
    replaces entries of run.json.
    """
    epochs, folder, breeds = config.recipe.epochs, store / config.id, len(config.breeds)
    arrays = {}
    for split, correct in (("validation", validation), ("test", test)):
        labels = dataset.photos["label"].to_numpy()[dataset.rows(split)]
        wrong = np.arange(len(labels)) >= correct
        arrays |= {
            f"{split}_labels": labels,
            f"{split}_logits": np.eye(breeds, dtype=np.float32)[(labels + wrong) % breeds],
        }
    folder.mkdir(parents=True)
    np.savez(folder / "predictions.npz", **arrays)
    curve = np.linspace(0.2, 0.8, epochs)
    history = {"epoch": range(1, epochs + 1), "phase": "all", "seconds": 1.0, "photos_per_second": 10.0}
    history |= {f"{split}_accuracy": curve for split in ("training", "validation")}
    history |= {f"{split}_loss": 2 - curve for split in ("training", "validation")}
    pd.DataFrame(history).to_csv(folder / "history.csv", index=False)
    results = {"epochs": epochs, "best_epoch": epochs, "seconds": 2.0 * epochs, "device": "cpu", "threads": 1}
    (folder / "run.json").write_text(json.dumps(asdict(config) | COST | results | record))
    return Run(folder)
