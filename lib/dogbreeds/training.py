"""`train(config, dataset, store) -> Run`: one training in either framework, in this process."""

import json
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib import import_module, metadata
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from filelock import FileLock
from safetensors import SafetensorError

from dogbreeds import models, paths, pixels
from dogbreeds.batches import Batches, FeatureBatches
from dogbreeds.checkpoints import Course
from dogbreeds.datasets import Dataset
from dogbreeds.devices import ONE, Devices, peak_memory, reset_peak_memory
from dogbreeds.errors import StudyError
from dogbreeds.models import cost, keras_backend, porting, stages, weights
from dogbreeds.progress import Display, Progress
from dogbreeds.runs import Run, RunConfig, finished
from dogbreeds.splits import SPLITS

EVALUATION_BATCH_SIZE = 64


def batches(config: RunConfig, dataset: Dataset, devices: Devices = ONE) -> dict[str, Batches]:
    """The training stream of `config`, and validation and test photos in order."""
    array, labels = pixels.load(dataset, config.image_size, config.crop), dataset.photos["label"].to_numpy()
    shared = {
        "preprocessing": models.preprocessing(config.architecture, config.recipe.preprocessing),
        "channels_last": config.framework == "keras",
        # Where batches are augmented: where PyTorch trains; TensorFlow and JAX take them from the processor.
        "device": devices.of_this_process() if on_pytorch(config.framework) else "cpu",
    }
    part = (devices.rank, devices.processes)
    training = {"seed": config.seed, "augmentation": config.recipe.augmentation, "part": part}
    rows = dataset.rows("train")
    if config.recipe.batch_size > len(rows):
        raise StudyError(
            f"batch_size {config.recipe.batch_size} is more than the {len(rows)} training photos: lower it"
        )
    return {
        split: Batches(
            array,
            labels,
            dataset.rows(split),
            config.recipe.batch_size if split == "train" else EVALUATION_BATCH_SIZE,
            **shared,
            **(training if split == "train" else {}),
        )
        for split in SPLITS
    }


def on_pytorch(framework: str) -> bool:
    """Whether PyTorch does the arithmetic of a framework, and so takes its batches wherever they lie."""
    return framework == "pytorch" or framework_module("keras").keras.backend.backend() == "torch"


def framework_module(framework: str):
    """The module that trains in the framework asked for; the other one is not imported."""
    return import_module(f"dogbreeds.training_{framework}")


def starting_weights(config: RunConfig, store: Path) -> porting.State:
    """What both frameworks start from: drawn in PyTorch by the seed, then `config.start` in place of all it has.

    A head is left out unless its file says that it is for the same breeds. Raises StudyError for weights that are
    missing or do not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        state = porting.read(models.build(config.architecture, "pytorch", len(config.breeds)))
    if not config.start:
        return state
    run = Run(Path(store) / config.start)
    of_a_run = (run.folder / "run.json").is_file()
    file = run.weights if of_a_run else weights.locate(config.start, config.architecture)
    learned = weights.read(file, config.architecture)
    known = tuple(run.record["breeds"]) if of_a_run else weights.breeds(file)
    if known != config.breeds:
        own_head = {key: value for key, value in state.items() if key.startswith(weights.HEAD)}
        learned = {key: value for key, value in learned.items() if not key.startswith(weights.HEAD)} | own_head
    try:
        porting.check(learned, {key: tuple(value.shape) for key, value in state.items()})
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
    stages.frozen_stages(config.architecture, config.recipe.freeze or None)  # refused before anything is written
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
    model = porting.fill(framework.network(config.architecture, len(config.breeds)), state)
    logits = {split: framework.predict(model, streams[split]) for split in ("validation", "test")}
    predictions = _predictions(dataset, logits)
    if config.crop == "box":  # a photo of one's own has no box: `predict` compares it with these, taken whole
        whole = batches(replace(config, crop="centre"), dataset)["validation"]
        predictions["validation_whole_logits"] = framework.predict(model, whole)
    pd.DataFrame(course.history).to_csv(folder / "history.csv", index=False)
    np.savez_compressed(folder / "predictions.npz", **predictions)
    Run(folder).weights.write_bytes(weights.to_bytes(state, config.breeds))
    record = _record(config, course, predictions, dataset.left_out)
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
    model = porting.fill(framework.network(config.architecture, len(config.breeds), **options), course.state)
    if head:  # features are computed once: the backbone does not change, and each photo is taken as it is
        exact = options | {"precision": "float32"}  # in both frameworks, whatever the head computes in
        backbone = porting.fill(framework.network(config.architecture, len(config.breeds), **exact), course.state)
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


def _record(config: RunConfig, course: Course, arrays: dict, left_out: dict[str, str]) -> dict:
    accuracies = {
        f"{split}_accuracy": float((arrays[f"{split}_logits"].argmax(axis=1) == arrays[f"{split}_labels"]).mean())
        for split in ("validation", "test")
    }
    speeds = [row["photos_per_second"] for row in course.history]
    packages = ("torch", "torchvision", "lightning", "keras", "tensorflow", "jax", "numpy")
    return asdict(config) | {
        "multiply_adds": cost.multiply_adds(config.architecture, config.image_size, len(config.breeds)),
        "epochs": len(course.history),
        "best_epoch": config.recipe.best_epoch(course.history),
        "seconds": round(course.seconds, 2),
        # The first epoch carries a framework's warm-up (tracing, allocation); with a single epoch there is no other.
        "photos_per_second": round(float(np.median(speeds[1:] or speeds)), 2),
        "peak_memory_mb": peak_memory(on_pytorch(config.framework)) // 10**6,
        **accuracies,
        "test_photos": len(arrays["test_labels"]),
        "left_out": list(left_out),
        "threads": torch.get_num_threads(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "versions": {"python": platform.python_version()} | installed(packages),
    }


def _commit() -> str | None:
    """The commit of the code that trained, where it is a git checkout."""
    command = ["git", "-C", str(paths.REPOSITORY), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def installed(packages: Iterable[str]) -> dict[str, str]:
    """Versions of those of `packages` that are installed: a GPU image may do without TensorFlow."""
    return {name: metadata.version(name) for name in packages if any(metadata.distributions(name=name))}


def load(run: Run, framework: str | None = None):
    """The trained network of a run in inference mode, with the weights it predicted with.

    It is of the framework that trained it, unless another is named. Raises StudyError for a run that is kept without
    weights.
    """
    if not run.weights.is_file():
        raise StudyError(f"{run.id} is kept without its weights: train it with dogbreeds study, or ask for another run")
    record = run.record
    model = models.build(record["architecture"], framework or record["framework"], len(record["breeds"]))
    porting.fill(model, weights.read(run.weights, record["architecture"]))
    return model if porting.is_keras(model) else model.eval()
