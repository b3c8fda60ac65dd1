"""What Keras computes with, known before Keras is imported: its import takes seconds and cannot be undone."""

import json
import os
from importlib.util import find_spec
from pathlib import Path

import torch


def chosen() -> str:
    """ "tensorflow", "torch" or "jax": by KERAS_BACKEND, else by what is here, else by Keras' own file of settings.

    Where PyTorch has a GPU, which TensorFlow's usual wheels find only beside another CUDA, and where TensorFlow is not
    installed, it is "torch".
    """
    if backend := os.environ.get("KERAS_BACKEND"):
        return backend
    if torch.cuda.is_available() or not find_spec("tensorflow"):
        return "torch"
    settings = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "keras.json"
    try:
        return json.loads(settings.read_text())["backend"]
    except (OSError, ValueError, KeyError):
        return "tensorflow"
