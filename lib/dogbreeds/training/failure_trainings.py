"""The trainings that ask why ResNet50 failed in 2020: both networks of `keras.applications`, trained with Keras' `fit`.

All trainings of a network start from the same weights of its backbone, which were learned with the preprocessing that
it expects: those of ImageNet, or those that it learns on other breeds first (`failure_start`). The trainings differ in
the layers that are frozen and in the preprocessing of the images; everything else is the same for all: batches of 32,
Adam with Keras' defaults, momentum 0.99 of the running statistics. The seed decides the initial classifier and the
order of the images.
"""

import hashlib
from collections.abc import Iterator
from concurrent.futures import as_completed
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from dogbreeds import files
from dogbreeds.data import pixel_cache
from dogbreeds.data.datasets import Dataset
from dogbreeds.models import keras_applications, keras_runtime
from dogbreeds.models.batch_norm import reestimate_statistics
from dogbreeds.processes import spawn
from dogbreeds.training.capacity import shares
from dogbreeds.training.failure_settings import Settings, Training
from dogbreeds.training.failure_start import ImageNet, OtherBreeds
from dogbreeds.training.parallel import limit_threads

keras = keras_runtime.load_keras()

Start = OtherBreeds | ImageNet
BATCH_SIZE, SPLITS = 32, ("train", "validation", "test")


def train_all(settings: Settings, dataset: Dataset, start: Start, folder: Path) -> list[Path]:
    """Returns the files of all trainings, in a folder in `folder`, and trains those that are missing.

    `capacity.shares` decides how many processes train. If a training fails, the waiting ones are cancelled, except
    those that a process has already taken. Raises StudyError if the initial weights do not match a network.
    """
    trainings, folder = settings.trainings(), folder / _key(dataset, start)
    missing = [training for training in trainings if not (folder / training.file).is_file()]
    if missing:
        _train(missing, dataset, start, folder)
    return [folder / training.file for training in trainings]


def _train(missing: list[Training], dataset: Dataset, start: Start, folder: Path) -> None:
    at_once, threads = shares()
    with spawn(at_once, limit_threads, threads) as processes:
        networks = dict.fromkeys(training.network for training in missing)
        for learned in [processes.submit(_initial_weights, network, start, folder) for network in networks]:
            learned.result()
        started = [processes.submit(_train_and_keep, training, dataset, start, folder) for training in missing]
        try:
            for done in tqdm(as_completed(started), "failure of 2020", len(started), unit="training"):
                done.result()
        except BaseException:
            processes.shutdown(cancel_futures=True)
            raise


def _key(dataset: Dataset, start: Start) -> str:
    """Identifies what all trainings share: the images, the initial weights and the backend."""
    which = f"{dataset.fingerprint} {start.key()} {keras.config.backend()}"
    return hashlib.sha256(which.encode()).hexdigest()[:12]


def _train_and_keep(training: Training, dataset: Dataset, start: Start, folder: Path) -> None:
    """Writes the file of a training."""
    learned = _initial_weights(training.network, start, folder)
    about = {"kind": dataset.kind, "size": start.size(training.network), "threads": torch.get_num_threads()}
    about |= start.record(training.network)
    arrays = asdict(training) | about | train(training, learned, dataset, start)
    with files.atomic(folder / training.file) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _initial_weights(network: str, start: Start, folder: Path) -> list[np.ndarray]:
    """Returns the weights of the backbone; those of other breeds are learned once and kept in `folder`/sources."""
    if isinstance(start, ImageNet):
        return start.backbone(network)
    return _source(network, start, folder / "sources")


def _source(network: str, start: OtherBreeds, folder: Path) -> list[np.ndarray]:
    """Returns the weights of a backbone that was trained on other breeds with the preprocessing that it expects.

    Its running statistics are averages over all its training images, as after a long training. With no epochs, the
    weights are random and only the statistics are those of the images. The weights are kept in `folder`.
    """
    file = folder / f"{network}.npz"
    if not file.is_file():
        keras.utils.set_random_seed(0)
        model = keras_applications.build(network, len(start.dataset.breeds), start.size(network))
        images, labels = _inputs(network, "expected", start.dataset, start, "train")
        if start.epochs:
            rate = keras.optimizers.schedules.CosineDecay(0.001, start.epochs * -(-len(images) // BATCH_SIZE))
            _compile(model, rate).fit(images, labels, batch_size=BATCH_SIZE, epochs=start.epochs, verbose=0)
        reestimate_statistics(model, _batches(images, labels))
        with files.atomic(file) as unfinished, unfinished.open("wb") as stream:
            np.savez(stream, *model.get_weights()[:-2])  # without those of the classifier
    with np.load(file) as kept:
        return list(kept.values())


def train(training: Training, learned: list[np.ndarray], dataset: Dataset, start: Start) -> dict[str, np.ndarray]:
    """Trains a network from the weights `learned` of its backbone, and returns what was measured.

    For each epoch: "training" is the accuracy on its batches, "validation" the accuracy on the validation images in
    inference mode. After the last epoch: the predicted breed of each image of each split with running and with
    re-estimated statistics ("test, running"), and the labels ("test, labels"). "steps" is the number of optimiser steps
    of an epoch.
    """
    keras.utils.set_random_seed(training.seed)
    model, optimizer_state = _compiled(
        training.network, len(dataset.breeds), training.frozen, start.size(training.network)
    )
    kernel, bias = model.get_weights()[-2:]
    model.set_weights([*learned, keras.initializers.GlorotUniform(training.seed)(kernel.shape), np.zeros_like(bias)])
    for variable, value in zip(model.optimizer.variables, optimizer_state, strict=True):
        variable.assign(value)
    inputs = {split: _inputs(training.network, training.preprocessing, dataset, start, split) for split in SPLITS}
    if training.role == "control":
        reestimate_statistics(model, _batches(*inputs["train"]))
    options = {"batch_size": BATCH_SIZE, "epochs": training.epochs, "verbose": 0}
    history = model.fit(*inputs["train"], validation_data=inputs["validation"], **options).history
    found = {"training": history["accuracy"], "validation": history["val_accuracy"]}
    found["steps"] = -(-len(inputs["train"][0]) // BATCH_SIZE)
    for statistics in ("running", "re-estimated"):
        if statistics == "re-estimated":
            reestimate_statistics(model, _batches(*inputs["train"]))
        for split, (images, labels) in inputs.items():
            answers = model.predict(images, batch_size=100, verbose=0).argmax(axis=1)
            found |= {f"{split}, {statistics}": answers.astype(np.uint8), f"{split}, labels": labels.astype(np.uint8)}
    return found


def _inputs(
    network: str, preprocessing: str, dataset: Dataset, start: Start, split: str
) -> tuple[np.ndarray, np.ndarray]:
    rows = dataset.rows(split)
    images = pixel_cache.load(dataset, start.size(network), start.crop)[rows]
    return keras_applications.inputs(network, images, preprocessing), dataset.photos["label"].to_numpy()[rows]


def _batches(images: np.ndarray, labels: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields batches of 64 images, each once, in a fixed random order, so that breeds are mixed."""
    order = np.random.default_rng(0).permutation(len(images))
    for rows in np.array_split(order, -(-len(order) // 64)):
        yield images[rows], labels[rows]


def _compile(model, rate=0.001):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    jit = keras.config.backend() == "jax"  # as in keras_trainer
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"], jit_compile=jit)
    return model


@cache
def _compiled(network: str, num_classes: int, frozen: str, size: int):
    """Returns a compiled model and the state of its optimiser; reused, because compiling takes half a minute."""
    model = _compile(keras_applications.freeze(keras_applications.build(network, num_classes, size), frozen))
    model.optimizer.build(model.trainable_variables)
    return model, [np.array(variable) for variable in model.optimizer.variables]
