"""The record of a run: configuration, accuracies, cost, versions and commit."""

import platform
import re
import subprocess
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np
import torch

from dogbreeds import paths
from dogbreeds.data.datasets import Dataset
from dogbreeds.models import complexity
from dogbreeds.training.devices import peak_memory
from dogbreeds.training.runs import Run, RunConfig
from dogbreeds.training.training_state import TrainingState


def record_of(config: RunConfig, training_state: TrainingState, run: Run, dataset: Dataset) -> dict:
    """Returns the contents of `run.json`, from a finished training and the stored predictions of its `run`."""
    speeds = [row["photos_per_second"] for row in training_state.history]
    packages = ("torch", "torchvision", "lightning", "keras", "tensorflow", "jax", "numpy")
    return asdict(config) | {
        "multiply_adds": complexity.multiply_adds(config.architecture, config.image_size, len(config.breeds)),
        "epochs": len(training_state.history),
        "best_epoch": config.recipe.best_epoch(training_state.history),
        "seconds": round(training_state.seconds, 2),
        # The first epoch includes the framework's warm-up (tracing, allocation); it counts only if there is no other.
        "photos_per_second": round(float(np.median(speeds[1:] or speeds)), 2),
        "peak_memory_mb": peak_memory(config.backend) // 10**6,
        "validation_accuracy": float(run.correct("validation").mean()),
        "test_accuracy": float(run.correct().mean()),
        "test_photos": len(run.labels()),
        "left_out": list(dataset.left_out),
        "split_origin": dataset.split_origin,
        "threads": torch.get_num_threads(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "versions": {"python": platform.python_version()} | installed(packages),
    }


def _commit() -> str | None:
    """The commit of this code, or None outside a git checkout."""
    command = ["git", "-C", str(paths.REPOSITORY), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def processor() -> str:
    """Describes the processor of this machine in words: its cores and its model."""
    information = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    model = re.search(r"model name\s*: (.+)", information)
    return f"{torch.get_num_threads()} cores ({model[1] if model else platform.machine()})"


def installed(packages: Iterable[str]) -> dict[str, str]:
    """Returns the versions of the installed packages among `packages`: a GPU image may lack TensorFlow."""
    return {name: metadata.version(name) for name in packages if any(metadata.distributions(name=name))}
