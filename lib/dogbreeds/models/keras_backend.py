"""Choice of the Keras backend before Keras is imported: the import takes seconds and fixes the backend."""

import json
import os
from importlib.util import find_spec
from pathlib import Path

import torch


def chosen() -> str:
    """Returns the name of the Keras backend: "tensorflow", "torch" or "jax".

    The environment variable KERAS_BACKEND takes precedence. Without it, the backend is "torch" if PyTorch finds a GPU
    (TensorFlow's standard wheels find that GPU only with a different CUDA version) or if TensorFlow is not installed.
    Otherwise Keras' settings file keras.json decides; the default is "tensorflow".
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
