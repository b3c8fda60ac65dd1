"""`train(config, dataset, store) -> Run` trains one network in this process, with either framework."""

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
from dogbreeds.data.batches import Batches
from dogbreeds.data.datasets import Dataset
from dogbreeds.errors import StudyError
from dogbreeds.models import freezing, keras_runtime, weight_conversion, weight_files
from dogbreeds.training.backends import framework_module
from dogbreeds.training.devices import ONE, Devices, reset_peak_memory
from dogbreeds.training.epochs import Epochs
from dogbreeds.training.photo_streams import EVALUATION_BATCH_SIZE, batches
from dogbreeds.training.progress import Display, Observer, Progress
from dogbreeds.training.provenance import installed, record_of
from dogbreeds.training.recipe import Phase
from dogbreeds.training.runs import Run, RunConfig, RunStore
from dogbreeds.training.training_state import TrainingState


def initial_weights(config: RunConfig, store: Path) -> weight_conversion.State:
    """Returns the initial weights, the same for both frameworks: random by the seed, or learned from a source.

    PyTorch generates the random weights. A source's head is used only if its run or file names the same breeds, else
    the head is random. Raises StudyError if the weights are missing or do not fit the network.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        state = weight_conversion.read(models.build(config.architecture, "pytorch", len(config.breeds)))
    source = config.initialisation.source
    if not source:
        return state
    run = RunStore(store).open(source)
    file = run.weights if run else weight_files.locate(source, config.architecture)
    learned = weight_files.read(file, config.architecture)
    if weight_files.breeds(file) != config.breeds:
        learned = weight_files.with_head(learned, state)
    try:
        weight_conversion.check(learned, state)
    except StudyError as error:
        raise StudyError(f"{file}: {error}") from error
    return learned


def train(
    config: RunConfig, dataset: Dataset, store: Path, send: Callable[[dict], None] | None = None, devices: Devices = ONE
) -> Run:
    """Returns the run of `config` in the folder `store`, and trains it in this process unless it is finished.

    An interrupted training resumes after its last complete epoch. A second process that needs the same run waits for
    it. `send` receives the events of `progress`; by default they are displayed. Raises StudyError if a loss is not
    finite, a batch does not fit into memory, the store is not writable, the training was started with other package
    versions, or `config` needs another Keras backend than this process has. Finished epochs are always kept.
    """
    devices.check(config)
    if config.backend and config.backend != keras_runtime.backend():
        remedy = f"set KERAS_BACKEND={config.backend}"
        raise StudyError(f"{config.id} needs Keras on {config.backend}, not {keras_runtime.backend()}: {remedy}")
    freezing.frozen_stages(config.architecture, config.recipe.freeze or None)  # raises before anything is written
    folder = store / config.id
    with user_errors(config, folder):
        store.mkdir(parents=True, exist_ok=True)
        with FileLock(store / f"{config.id}.lock") if devices.rank == 0 else nullcontext():
            if not RunStore(store).finished(config):
                _train(config, dataset, store, send or Display(), devices)
            for leftover in folder.glob("checkpoint-*.safetensors"):
                leftover.unlink(missing_ok=True)
    return Run(folder)


def _train(config: RunConfig, dataset: Dataset, store: Path, send: Callable, devices: Devices) -> None:
    """Trains all phases in `<run id>.unfinished`, which is renamed to the id when the run is complete."""
    recipe, first = config.recipe, devices.rank == 0
    reset_peak_memory()  # earlier trainings of this process do not count
    unfinished = store / f"{config.id}.unfinished"
    unfinished.mkdir(exist_ok=True)
    streams = batches(config, dataset, devices)
    # With other versions of these packages the results may differ; PyTorch also generates the initial weights of Keras.
    computing = ("torch", "lightning") if config.framework == "pytorch" else ("torch", "keras", config.backend)
    # The state resumes an interrupted training from its checkpoints; a new training starts from the initial weights.
    training_state = TrainingState(recipe, unfinished, initial_weights(config, store), installed(computing), first)
    photos, epochs = len(streams["train"]) * recipe.batch_size, sum(recipe.phases().values())
    log = store / "tensorboard" / config.id
    progress = Progress(config.id, training_state.history, photos, epochs, log, send) if first else None
    while phase := training_state.next_phase():
        run_phase(phase, config, streams, training_state, progress, devices)
    if not first:
        sys.exit(0)  # only the first process predicts and writes
    progress.close()
    _finish(config, dataset, training_state, streams, unfinished)
    unfinished.rename(store / config.id)  # atomic: a folder with the id of a run is always complete


def _network(config: RunConfig, state: weight_conversion.State, **options):
    """The network of `config` in its framework, filled with the weights of `state`."""
    network = framework_module(config.framework).network(config.architecture, len(config.breeds), **options)
    return weight_conversion.fill(network, state)


def _finish(
    config: RunConfig, dataset: Dataset, training_state: TrainingState, streams: dict[str, Batches], folder: Path
) -> None:
    """Predicts validation and test photos, and writes all files of the run into `folder`."""
    framework, run = framework_module(config.framework), Run(folder)
    state = training_state.best() if config.recipe.restore_best else training_state.state
    model, predictions = _network(config, state), {}
    for split in ("validation", "test"):
        photos = dataset.photos.iloc[dataset.rows(split)]
        predictions[f"{split}_photos"] = photos["name"].to_numpy(str)
        predictions[f"{split}_labels"] = photos["label"].to_numpy()
        predictions[f"{split}_logits"] = framework.predict(model, streams[split])
    if config.crop == "box":  # users' photos have no boxes: `dogbreeds predict` compares them with these
        whole = batches(replace(config, crop="centre"), dataset)["validation"]
        predictions["validation_whole_logits"] = framework.predict(model, whole)
    pd.DataFrame(training_state.history).to_csv(folder / "history.csv", index=False)
    np.savez_compressed(folder / "predictions.npz", **predictions)
    run.weights.write_bytes(weight_files.to_bytes(state, config.breeds))
    record = record_of(config, training_state, run, dataset)
    record |= {"device": framework.device(model), "parameters": models.count_parameters(model)}
    (folder / "run.json").write_text(json.dumps(record, indent=1) + "\n")


def run_phase(
    phase: Phase,
    config: RunConfig,
    streams: dict[str, Batches],
    training_state: TrainingState,
    observer: Observer | None,
    devices: Devices = ONE,
) -> None:
    """Trains one phase, from `training_state` to its end, on the `streams` that `batches` returns."""
    recipe, framework = config.recipe, framework_module(config.framework)
    frozen = "backbone" if phase.name == "head" else recipe.freeze or None
    options = {"freeze": frozen, "batch_norm": recipe.batch_norm, "precision": recipe.precision}
    # Each phase has its own network, because phases freeze different layers.
    model = _network(config, training_state.state, **options)
    if phase.name == "head":  # features are computed once: the backbone is frozen and photos are not augmented
        exact = options | {"precision": "float32"}  # in both frameworks, for every precision of the head
        backbone = _network(config, training_state.state, **exact)
        for split in ("train", "validation"):
            features = framework.features(backbone, streams[split].in_order(EVALUATION_BATCH_SIZE))
            streams = streams | {split: replace(streams[split], features=features)}
    framework.fit(model, recipe, streams, Epochs(phase, streams["train"], training_state, observer), devices)


@contextmanager
def user_errors(config: RunConfig, folder: Path):
    """Converts errors that a user can correct into StudyError; finished epochs are kept."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        place, reason = getattr(error, "filename", None) or folder, getattr(error, "strerror", None) or error
        remedy = "free space, make it writable or choose another folder, then start again: finished epochs are kept"
        raise StudyError(f"{place}: {reason}: {remedy}") from error
    except Exception as error:
        words = "can't allocate memory|not enough memory|resource.?exhausted|OOM when allocating"
        found = re.search(words, f"{type(error).__name__} {error}", re.IGNORECASE)
        if not isinstance(error, (MemoryError, torch.OutOfMemoryError)) and not found:
            raise
        size = f"{config.image_size} x {config.image_size}"
        what = f"{config.id}: a batch of {config.recipe.batch_size} photos of {size} pixels"
        raise StudyError(f"{what} does not fit into memory: lower batch_size or image_size") from error
