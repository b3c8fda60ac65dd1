"""`train(config, dataset) -> Run`: one training in either framework, kept in the run store and reused from there."""

import json
import os
import platform
import shutil
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import import_module, metadata
from pathlib import Path

import numpy as np
import pandas as pd

from dogbreeds import models, pixels
from dogbreeds.batches import Batches
from dogbreeds.datasets import SPLITS, Dataset
from dogbreeds.runs import Run, RunConfig

# oneDNN makes TensorFlow's convolutions about 2.5 times as fast on processors where it is off by default; no chatter.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
EVALUATION_BATCH_SIZE = 64


@dataclass
class Fitted:
    """What a framework hands back: one row an epoch, the logits of the best weights, and what it ran on."""

    history: list[dict]
    logits: dict[str, np.ndarray]
    parameters: int
    device: str


def report(row: dict) -> None:
    """One line an epoch, the same in both frameworks."""
    print(
        f"epoch {row['epoch']:2d}  training: loss {row['training_loss']:.3f} accuracy {row['training_accuracy']:.3f}  "
        f"validation: loss {row['validation_loss']:.3f} accuracy {row['validation_accuracy']:.3f}  "
        f"{row['photos_per_second']:.0f} photos/s",
        flush=True,
    )


def batches(config: RunConfig, dataset: Dataset) -> dict[str, Batches]:
    """The training stream of `config`, and validation and test photos in order."""
    array, labels = pixels.load(dataset, config.image_size), dataset.photos["label"].to_numpy()
    shared = {
        "preprocessing": models.PREPROCESSING[config.architecture],
        "channels_last": config.framework == "keras",
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


def framework_module(framework: str):
    """The module that trains in the framework asked for; the other one is not imported."""
    return import_module(f"dogbreeds.training_{framework}")


def train(config: RunConfig, dataset: Dataset, store: Path) -> Run:
    """The run of `config` in the folder `store`: the finished one when there is one, else trained now.

    What a broken-off training left behind is thrown away.
    """
    folder = Path(store) / config.id
    if (folder / "run.json").exists():
        return Run(folder)
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    print(f"training {models.TITLES[config.architecture]} in {models.TITLES[config.framework]}", flush=True)
    streams, start = batches(config, dataset), time.perf_counter()
    fitted = framework_module(config.framework).fit(config, streams, unfinished)
    seconds = time.perf_counter() - start
    pd.DataFrame(fitted.history).to_csv(unfinished / "history.csv", index=False)
    arrays = {}
    for split, logits in fitted.logits.items():
        photos = dataset.photos.iloc[dataset.rows(split)]
        names = [f"{path.parent.name}/{path.name}" for path in photos["path"]]
        arrays |= {f"{split}_photos": np.array(names), f"{split}_labels": photos["label"].to_numpy()}
        arrays[f"{split}_logits"] = logits
    np.savez_compressed(unfinished / "predictions.npz", **arrays)
    record = _record(config, fitted, arrays, seconds)
    (unfinished / "run.json").write_text(json.dumps(record, indent=1) + "\n")
    return Run(unfinished.rename(folder))


def _record(config: RunConfig, fitted: Fitted, arrays: dict, seconds: float) -> dict:
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
        "device": fitted.device,
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
