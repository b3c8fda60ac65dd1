"""Finished runs that predict photos and that no training made, for the tests of predictions."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from dogbreeds import models
from dogbreeds.data import pixel_cache
from dogbreeds.data.datasets import Dataset
from dogbreeds.models import weight_conversion, weight_files
from dogbreeds.training import inference
from dogbreeds.training.recipe import Recipe
from dogbreeds.training.runs import Run, RunConfig


def write_run_with_weights(folder: Path, framework: str, breeds: tuple[str, ...], crop: str = "centre") -> Run:
    """Writes what a prediction needs of a finished run of ResNet50, with random weights, and returns the run.

    Its images have 32 x 32 pixels. Its validation photos show so little evidence that no photo is out of distribution.
    """
    config = RunConfig("resnet50", framework, "photos", "fingerprint", breeds, 32, Recipe(), crop=crop)
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(asdict(config)))
    np.savez(folder / "predictions.npz", validation_logits=np.full((20, len(breeds)), -100, np.float32))
    run, network = Run(folder), models.build(config.architecture, framework, len(breeds))
    run.weights.write_bytes(weight_files.to_bytes(weight_conversion.read(network), breeds))
    return run


def write_run_on(dataset: Dataset, store: Path, architecture: str, framework: str, crop: str = "centre") -> Run:
    """Writes a finished run with random weights and its true logits on the photos of `dataset`, and returns it."""
    which = (architecture, framework, dataset.name, dataset.fingerprint, dataset.breeds)
    config = RunConfig(*which, 32, Recipe(), crop=crop)
    torch.manual_seed(0)
    network = models.build(architecture, framework, len(dataset.breeds))
    folder, logits = store / config.id, {}
    folder.mkdir(parents=True)
    labels = dataset.photos["label"].to_numpy()
    for split in ("validation", "test"):
        pixels = pixel_cache.load(dataset, 32, crop)[dataset.rows(split)]
        logits[f"{split}_logits"] = inference.predict(network, pixels, architecture)
        logits[f"{split}_labels"] = labels[dataset.rows(split)]
    if crop == "box":
        logits["validation_whole_logits"] = logits["validation_logits"]
    np.savez(folder / "predictions.npz", **logits)
    (folder / "run.json").write_text(json.dumps(asdict(config) | {"commit": "0123abc"}))
    run = Run(folder)
    run.weights.write_bytes(weight_files.to_bytes(weight_conversion.read(network), dataset.breeds))
    return run
