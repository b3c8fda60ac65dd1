"""The three trainings that notebook 04 shows learn, alike, and end with the weights of their best epoch."""

import dataclasses
import warnings

import numpy as np
import pytest

from dogbreeds import bare, models, training
from dogbreeds.models import porting
from dogbreeds.recipe import Recipe
from dogbreeds.runs import RunConfig

TRAININGS = {"pytorch": (bare.pytorch_loop, bare.lightning_fit), "keras": (bare.keras_fit,)}


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("framework", models.FRAMEWORKS)
def test_each_leaves_the_best_epoch_and_tells_its_accuracies(dataset, tmp_path, framework):
    recipe = Recipe(batch_size=4, epochs=3, augmentation=False)
    config = RunConfig("resnet50", framework, dataset.name, dataset.fingerprint, dataset.breeds, 32, recipe)
    streams = training.batches(config, dataset)
    start = training.starting_weights(dataclasses.replace(config, framework="pytorch"), tmp_path)
    for train in TRAININGS[framework]:
        model = porting.fill(models.build("resnet50", framework, 2), start)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Lightning's advice on workers and logging intervals
            accuracies = train(model, streams["train"], streams["validation"], 3, 1e-3)
        assert len(accuracies) == 3
        assert streams["train"].epoch == 3  # shuffled anew for each
        streams["train"].epoch = 0
        logits = training.framework_module(framework).predict(model, streams["validation"])
        right = np.mean(logits.argmax(axis=1) == streams["validation"].labels[streams["validation"].rows])
        assert right == pytest.approx(max(accuracies))
