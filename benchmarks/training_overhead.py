"""What the study's training costs over a bare loop and a bare `fit`, and what features that are kept save: ratios.

`training_overhead.py [--framework keras|pytorch] [--photos-per-breed N] [--rounds N]`. Both sides train the same
network on the same batches in this process, in turns; the first epoch of each turn, which warms up, is left out. A
step is training alone, an epoch has its validation, metrics, history and checkpoint as well.
"""

import argparse
import dataclasses
import statistics
import tempfile
import time
from pathlib import Path

import torch
from torch.nn import functional as F

from dogbreeds import models, training
from dogbreeds.checkpoints import Course
from dogbreeds.models import porting
from dogbreeds.recipe import Recipe
from dogbreeds.study import Study

EPOCHS = 3


class TimedCourse(Course):
    """Notes when an epoch is over and done with."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.ends = []

    def end_epoch(self, row, state, optimizer):
        ends = super().end_epoch(row, state, optimizer)
        self.ends.append(time.perf_counter())
        return ends


class Silence:
    def step(self, *_):
        pass

    def epoch(self, row):
        pass


def ours(config, streams, start):
    """Seconds of the training and of the whole of each epoch but the first."""
    with tempfile.TemporaryDirectory() as folder:
        course = TimedCourse(config.recipe, Path(folder), start)
        training.train_phase(config, streams, course, Silence())
    whole = [after - before for before, after in zip(course.ends, course.ends[1:], strict=False)]
    return [row["seconds"] for row in course.history[1:]], whole


def bare_pytorch(config, streams, start, freeze=None):
    model = models.build(config.architecture, "pytorch", len(config.breeds), freeze=freeze)
    porting.fill(model, start).to(memory_format=torch.channels_last)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=config.recipe.learning_rate, fused=True)
    steps, whole = [], []
    for epoch in range(EPOCHS):
        begin = time.perf_counter()
        streams["train"].epoch = epoch + 1
        model.train()
        for photos, labels in streams["train"].loader():
            loss = F.cross_entropy(model(photos.contiguous(memory_format=torch.channels_last)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        steps.append(time.perf_counter() - begin)
        model.eval()
        with torch.no_grad():
            for photos, labels in streams["validation"].loader():
                F.cross_entropy(model(photos.contiguous(memory_format=torch.channels_last)), labels).item()
        whole.append(time.perf_counter() - begin)
    return steps[1:], whole[1:]


def bare_keras(config, streams, start, freeze=None):
    from dogbreeds.models.quiet_keras import keras

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.begin = time.perf_counter()

        def on_test_begin(self, logs=None):
            steps.append(time.perf_counter() - self.begin)

        def on_epoch_end(self, epoch, logs=None):
            whole.append(time.perf_counter() - self.begin)

    steps, whole = [], []
    model = porting.fill(models.build(config.architecture, "keras", len(config.breeds), freeze=freeze), start)
    optimizer = keras.optimizers.AdamW(config.recipe.learning_rate)
    optimizer.build(model.trainable_variables)
    loss, accuracy = keras.losses.SparseCategoricalCrossentropy(True), keras.metrics.SparseCategoricalAccuracy()
    model.compile(optimizer, loss, metrics=[accuracy], jit_compile=False)
    loaders = {split: stream.loader() for split, stream in streams.items()}
    fit = {"validation_data": loaders["validation"], "epochs": EPOCHS, "shuffle": False, "verbose": 0}
    model.fit(loaders["train"], callbacks=[Clock()], **fit)
    return steps[1:], whole[1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--framework", choices=models.FRAMEWORKS, action="append")
    parser.add_argument("--photos-per-breed", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    study = Study("benchmark", photos_per_breed=arguments.photos_per_breed)
    for framework in arguments.framework or models.FRAMEWORKS:
        plain = Recipe(epochs=EPOCHS, patience=0, augmentation=False)
        config = dataclasses.replace(study.config("resnet50", framework, 0), recipe=plain)
        streams = training.batches(config, study.dataset)
        start = training.starting_weights(config, study.store)
        bare = {"pytorch": bare_pytorch, "keras": bare_keras}[framework]
        taken = {side: ([], []) for side in ("bare", "ours")}
        for _ in range(arguments.rounds):
            for side, train in (("bare", bare), ("ours", ours)):
                for kept, seconds in zip(taken[side], train(config, streams, start), strict=True):
                    kept.extend(seconds)
        for number, what in enumerate(("step", "epoch")):
            side = {name: statistics.median(kept[number]) for name, kept in taken.items()}
            ratio = side["bare"] / side["ours"]
            print(f"{framework}: {what} at {ratio:.1%} of the bare speed ({side['bare']:.2f} s, {side['ours']:.2f} s)")
        probe = dataclasses.replace(config, recipe=dataclasses.replace(plain, freeze="backbone", epochs=8))
        kept = statistics.median(ours(probe, streams, start)[1])
        frozen = statistics.median(bare(config, streams, start, freeze="backbone")[1])
        print(f"{framework}: frozen backbone {frozen / kept:.0f} times as fast an epoch with kept features", flush=True)


if __name__ == "__main__":
    main()
