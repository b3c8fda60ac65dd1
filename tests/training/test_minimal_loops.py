"""The three training loops of notebook 04 train, and end with the weights of their best epoch."""

import dataclasses
import warnings

import numpy as np
import pytest

from dogbreeds import models
from dogbreeds.models import weight_conversion
from dogbreeds.training import backends, minimal_loops, photo_streams, trainer
from dogbreeds.training.recipe import Recipe
from dogbreeds.training.runs import RunConfig

TRAININGS = {"pytorch": (minimal_loops.pytorch_loop, minimal_loops.lightning_fit), "keras": (minimal_loops.keras_fit,)}


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("framework", models.FRAMEWORKS)
def test_loops_restore_the_best_epoch_and_return_accuracies(dataset, tmp_path, framework):
    recipe = Recipe(batch_size=4, epochs=3, augmentation=False)
    config = RunConfig("resnet50", framework, dataset.name, dataset.fingerprint, dataset.breeds, 32, recipe)
    streams = photo_streams.batches(config, dataset)
    initial = trainer.initial_weights(dataclasses.replace(config, framework="pytorch"), tmp_path)
    for train in TRAININGS[framework]:
        model = weight_conversion.fill(models.build("resnet50", framework, 2), initial)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Lightning's advice about workers and logging intervals
            accuracies = train(model, streams["train"], streams["validation"], 3, 1e-3)
        assert len(accuracies) == 3
        assert streams["train"].epoch == 3  # shuffled again for each epoch
        streams["train"].epoch = 0
        logits = backends.framework_module(framework).predict(model, streams["validation"])
        accuracy = np.mean(logits.argmax(axis=1) == streams["validation"].labels[streams["validation"].rows])
        assert accuracy == pytest.approx(max(accuracies))
