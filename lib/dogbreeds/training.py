"""`train(config, dataset, store) -> Run`: one training in either framework; `train_all`: several, in processes."""

import json
import os
import platform
import shutil
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import import_module, metadata
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from filelock import FileLock

from dogbreeds import models, pixels
from dogbreeds.batches import Batches
from dogbreeds.datasets import SPLITS, Dataset
from dogbreeds.errors import StudyError
from dogbreeds.runs import Run, RunConfig

EVALUATION_BATCH_SIZE = 64


@dataclass
class Fitted:
    """What a framework hands back: one row an epoch, the logits of the best weights, and what it ran on."""

    history: list[dict]
    logits: dict[str, np.ndarray]
    parameters: int
    device: str


def report(config: RunConfig, row: dict) -> None:
    """One line an epoch, the same in both frameworks."""
    stages = "  ".join(
        f"{stage}: loss {row[f'{stage}_loss']:.3f} accuracy {row[f'{stage}_accuracy']:.3f}"
        for stage in ("training", "validation")
    )
    print(f"{config.id}  epoch {row['epoch']:2d}  {stages}  {row['photos_per_second']:.0f} photos/s", flush=True)


def batches(config: RunConfig, dataset: Dataset) -> dict[str, Batches]:
    """The training stream of `config`, and validation and test photos in order."""
    array, labels = pixels.load(dataset, config.image_size, config.crop), dataset.photos["label"].to_numpy()
    shared = {
        "preprocessing": models.PREPROCESSING[config.architecture],
        "channels_last": config.framework == "keras",
        "device": _device(config.framework),
    }
    training = {"seed": config.seed, "augmentation": config.recipe.augmentation}
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


def _device(framework: str) -> str:
    """Where batches are augmented: where Lightning trains; Keras takes them from the processor on every backend."""
    if framework == "pytorch" and torch.accelerator.is_available():
        return str(torch.accelerator.current_accelerator())
    return "cpu"


def framework_module(framework: str):
    """The module that trains in the framework asked for; the other one is not imported."""
    return import_module(f"dogbreeds.training_{framework}")


def train(config: RunConfig, dataset: Dataset, store: Path) -> Run:
    """The run of `config` in the folder `store`: the finished one when there is one, else trained now, in here.

    What a broken-off training left behind is thrown away. A second process that wants the same run waits for it.
    """
    folder = Path(store) / config.id
    unfinished = folder.with_name(folder.name + ".unfinished")
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(folder.name + ".lock")):
        if (folder / "run.json").exists():
            return Run(folder)
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        streams, start = batches(config, dataset), time.perf_counter()
        fitted = framework_module(config.framework).fit(config, streams, unfinished)
        seconds = time.perf_counter() - start
        pd.DataFrame(fitted.history).to_csv(unfinished / "history.csv", index=False)
        predictions = _predictions(dataset, fitted.logits)
        np.savez_compressed(unfinished / "predictions.npz", **predictions)
        record = _record(config, fitted, predictions, dataset.left_out, seconds)
        (unfinished / "run.json").write_text(json.dumps(record, indent=1) + "\n")
        return Run(unfinished.rename(folder))


def train_all(configs: list[RunConfig], dataset: Dataset, store: Path) -> list[Run]:
    """The runs of `configs` in their order; each that is not finished is trained in a process of its own.

    In one process the threads of one framework halve the speed of the other's, and memory stays taken. Without a
    GPU two trainings share the processors, half each, always, so that the number of threads, and with it the last
    bits of a result, does not depend on what else there is to train.
    Raises StudyError when a process is killed; the other trainings under way are finished and kept.
    """
    missing = [config for config in configs if not (Path(store) / config.id / "run.json").exists()]
    if missing:
        for size, crop in {(config.image_size, config.crop) for config in missing}:
            pixels.load(dataset, size, crop)  # decoded here, once, before the processes read it
        processors = torch.get_num_threads()
        at_once = 1 if torch.accelerator.is_available() else min(2, processors)
        arguments = (at_once, get_context("spawn"), _start_process, (processors // at_once,))
        try:
            with ProcessPoolExecutor(*arguments, max_tasks_per_child=1) as pool:
                list(pool.map(train, missing, repeat(dataset), repeat(store)))
        except BrokenProcessPool as error:
            remedy = "free some memory or lower batch_size, then start again: finished runs are kept"
            raise StudyError(f"a training process was killed, most likely for want of memory: {remedy}") from error
    return [Run(Path(store) / config.id) for config in configs]


def _start_process(threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    torch.set_num_threads(threads)
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)


def _predictions(dataset: Dataset, logits: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Photos (breed/file), labels and logits of each split."""
    arrays = {}
    for split, values in logits.items():
        photos = dataset.photos.iloc[dataset.rows(split)]
        names = [f"{path.parent.name}/{path.name}" for path in photos["path"]]
        arrays |= {f"{split}_photos": np.array(names), f"{split}_labels": photos["label"].to_numpy()}
        arrays[f"{split}_logits"] = values
    return arrays


def _record(config: RunConfig, fitted: Fitted, arrays: dict, left_out: tuple[str, ...], seconds: float) -> dict:
    accuracies = {
        f"{split}_accuracy": float((arrays[f"{split}_logits"].argmax(axis=1) == arrays[f"{split}_labels"]).mean())
        for split in fitted.logits
    }
    # The first epoch carries a framework's warm-up (tracing, allocation); with a single epoch there is no other.
    steady = [row["photos_per_second"] for row in fitted.history[1:]] or [fitted.history[0]["photos_per_second"]]
    packages = ("torch", "torchvision", "lightning", "keras", "tensorflow", "numpy")
    return asdict(config) | {
        "parameters": fitted.parameters,
        "epochs": len(fitted.history),
        "seconds": round(seconds, 2),
        "photos_per_second": round(float(np.median(steady)), 2),
        **accuracies,
        "test_photos": len(arrays["test_labels"]),
        "left_out": list(left_out),
        "device": fitted.device,
        "threads": torch.get_num_threads(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version()} | _installed(packages),
    }


def _installed(packages) -> dict[str, str]:
    """Versions of those of `packages` that are installed: a GPU image may do without TensorFlow."""
    return {name: metadata.version(name) for name in packages if any(metadata.distributions(name=name))}


def load(run: Run):
    """The trained network of a run, in its framework, in inference mode, with its best weights."""
    architecture, framework = run.record["architecture"], run.record["framework"]
    model = models.build(architecture, framework, len(run.record["breeds"]))
    return framework_module(framework).load_weights(model, run.folder)
