"""Finished runs that predict photos and that no training made, for the tests of predictions."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from dogbreeds import models
from dogbreeds.models import weight_conversion, weight_files
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
