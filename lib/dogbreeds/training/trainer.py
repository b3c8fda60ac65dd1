"""`train(config, dataset, store) -> Run`: one training in either framework, in this process."""

import json
import re
import sys
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from filelock import FileLock
from safetensors import SafetensorError

from dogbreeds import models
from dogbreeds.data.batches import Batches, FeatureBatches
from dogbreeds.data.datasets import Dataset
from dogbreeds.errors import StudyError
from dogbreeds.models import freezing, keras_backend, weight_conversion, weight_files
from dogbreeds.training.backends import framework_module
from dogbreeds.training.devices import ONE, Devices, reset_peak_memory
from dogbreeds.training.photo_streams import EVALUATION_BATCH_SIZE, batches
from dogbreeds.training.progress import Display, Progress
from dogbreeds.training.provenance import installed, record_of
from dogbreeds.training.runs import Run, RunConfig, finished
from dogbreeds.training.training_state import Course


def starting_weights(config: RunConfig, store: Path) -> weight_conversion.State:
    """What both frameworks start from: drawn in PyTorch by the seed, then `config.start` in place of all it has.

    A head is left out unless its file says that it is for the same breeds. Raises StudyError for weights that are
    missing or do not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        state = weight_conversion.read(models.build(config.architecture, "pytorch", len(config.breeds)))
    if not config.start:
        return state
    run = Run(Path(store) / config.start)
    of_a_run = (run.folder / "run.json").is_file()
    file = run.weights if of_a_run else weight_files.locate(config.start, config.architecture)
    learned = weight_files.read(file, config.architecture)
    known = tuple(run.record["breeds"]) if of_a_run else weight_files.breeds(file)
    if known != config.breeds:
        own_head = {key: value for key, value in state.items() if key.startswith(weight_files.HEAD)}
        learned = {key: value for key, value in learned.items() if not key.startswith(weight_files.HEAD)} | own_head
    try:
        weight_conversion.check(learned, {key: tuple(value.shape) for key, value in state.items()})
    except StudyError as error:
        raise StudyError(f"{file}: {error}") from error
    return learned


def train(
    config: RunConfig, dataset: Dataset, store: Path, send: Callable[[dict], None] | None = None, devices: Devices = ONE
) -> Run:
    """The run of `config` in the folder `store`: the finished one when there is one, else trained now, in here.

    What broke off goes on after its last whole epoch. A second process that wants the same run waits for it. `send`
    gets the events of `progress`; without it they are shown. Raises StudyError, with all finished epochs kept, for a
    loss that is no number, a batch that does not fit into memory, a store that cannot be written to, and a training
    that was begun with other versions of what computes; and for a backend of Keras that this process does not have.
    """
    devices.check(config)
    if config.backend not in ("", keras_backend.chosen()):
        remedy = f"set KERAS_BACKEND={config.backend}"
        raise StudyError(f"{config.id} is for Keras on {config.backend}, here is {keras_backend.chosen()}: {remedy}")
    freezing.frozen_stages(config.architecture, config.recipe.freeze or None)  # refused before anything is written
    folder = Path(store) / config.id
    with _in_plain_words(config, folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(folder.name + ".lock")) if devices.rank == 0 else nullcontext():
            if not finished(store, config):
                _train(config, dataset, folder, send or Display(), devices)
            for leftover in folder.glob("checkpoint-*.safetensors"):
                leftover.unlink(missing_ok=True)
    return Run(folder)


def _train(config: RunConfig, dataset: Dataset, folder: Path, send: Callable, devices: Devices) -> None:
    """Trains phase after phase in a folder of another name, which in the end becomes `folder`."""
    recipe = config.recipe
    reset_peak_memory()  # it counts no other training of this process
    unfinished = folder.with_name(folder.name + ".unfinished")
    unfinished.mkdir(exist_ok=True)
    streams = batches(config, dataset, devices)
    start = starting_weights(config, folder.parent)
    course = Course(recipe, unfinished, start, installed(_computed_with(config)), writes=devices.rank == 0)
    photos, epochs = len(streams["train"]) * recipe.batch_size, sum(recipe.phases().values())
    log = folder.parent / "tensorboard" / config.id
    progress = Progress(config.id, course.history, photos, epochs, log, send) if devices.rank == 0 else None
    while course.phase():
        train_phase(config, streams, course, progress, devices)
    if devices.rank > 0:
        sys.exit(0)  # the first process finishes
    progress.close()
    _finish(config, dataset, course, streams, unfinished)
    unfinished.rename(folder)


def _computed_with(config: RunConfig) -> set[str]:
    """The packages whose version may change the bits of a training."""
    if config.framework == "pytorch":
        return {"torch", "lightning"}
    return {"torch", "keras", config.backend}  # initial weights are drawn in PyTorch


def _finish(config: RunConfig, dataset: Dataset, course: Course, streams: dict[str, Batches], folder: Path) -> None:
    """Predicts, and writes all that a finished run has into `folder`."""
    framework = framework_module(config.framework)
    state = course.best() if config.recipe.restore_best else course.state
    model = weight_conversion.fill(framework.network(config.architecture, len(config.breeds)), state)
    logits = {split: framework.predict(model, streams[split]) for split in ("validation", "test")}
    predictions = _predictions(dataset, logits)
    if config.crop == "box":  # a photo of one's own has no box: `predict` compares it with these, taken whole
        whole = batches(replace(config, crop="centre"), dataset)["validation"]
        predictions["validation_whole_logits"] = framework.predict(model, whole)
    pd.DataFrame(course.history).to_csv(folder / "history.csv", index=False)
    np.savez_compressed(folder / "predictions.npz", **predictions)
    Run(folder).weights.write_bytes(weight_files.to_bytes(state, config.breeds))
    record = record_of(config, course, predictions, dataset.left_out)
    record |= {"device": framework.device(model), "parameters": models.count_parameters(model)}
    (folder / "run.json").write_text(json.dumps(record, indent=1) + "\n")


def train_phase(
    config: RunConfig, streams: dict[str, Batches], course: Course, progress: Progress | None, devices: Devices = ONE
) -> None:
    """Trains what is next by `course`, on `streams` as `batches` makes them."""
    recipe, framework = config.recipe, framework_module(config.framework)
    head = course.phase()[0] == "head"
    frozen = "backbone" if head else recipe.freeze or None
    options = {"freeze": frozen, "batch_norm": recipe.batch_norm, "precision": recipe.precision}
    model = weight_conversion.fill(framework.network(config.architecture, len(config.breeds), **options), course.state)
    if head:  # features are computed once: the backbone does not change, and each photo is taken as it is
        exact = options | {"precision": "float32"}  # in both frameworks, whatever the head computes in
        backbone = weight_conversion.fill(
            framework.network(config.architecture, len(config.breeds), **exact), course.state
        )
        streams = {
            split: FeatureBatches(
                streams[split], framework.features(backbone, streams[split].in_order(EVALUATION_BATCH_SIZE))
            )
            for split in ("train", "validation")
        }
    framework.train_phase(model, recipe, streams, course, progress, devices)


@contextmanager
def _in_plain_words(config: RunConfig, folder: Path):
    """What a person can put right, as a StudyError; what was finished is kept by then."""
    try:
        yield
    except StudyError:
        raise
    except (OSError, SafetensorError) as error:
        place, reason = getattr(error, "filename", None) or folder, getattr(error, "strerror", None) or error
        remedy = "make room, let it be written to, or name another place; then start again: finished epochs are kept"
        raise StudyError(f"{place}: {reason}: {remedy}") from error
    except Exception as error:
        words = "can't allocate memory|not enough memory|resource.?exhausted|OOM when allocating"
        told = re.search(words, f"{type(error).__name__} {error}", re.IGNORECASE)
        if not isinstance(error, (MemoryError, torch.OutOfMemoryError)) and not told:
            raise
        what = f"{config.id}: a batch of {config.recipe.batch_size} photos of {config.image_size} pixels a side"
        raise StudyError(f"{what} does not fit into memory: lower batch_size or image_size") from error


def _predictions(dataset: Dataset, logits: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Photos (breed/file), labels and logits of each split."""
    arrays = {}
    for split, values in logits.items():
        photos = dataset.photos.iloc[dataset.rows(split)]
        names = [f"{path.parent.name}/{path.name}" for path in photos["path"]]
        arrays |= {f"{split}_photos": np.array(names), f"{split}_labels": photos["label"].to_numpy()}
        arrays[f"{split}_logits"] = values
    return arrays
