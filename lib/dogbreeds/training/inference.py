"""Predictions of trained networks: loads the network of a run and returns logits."""

import numpy as np
from jaxtyping import Float, UInt8

from dogbreeds import models
from dogbreeds.data.batches import Batches
from dogbreeds.errors import StudyError
from dogbreeds.models import keras_runtime, weight_conversion, weight_files
from dogbreeds.models.batch_norm import with_biased_variances
from dogbreeds.training.backends import framework_module
from dogbreeds.training.devices import ONE
from dogbreeds.training.photo_streams import EVALUATION_BATCH_SIZE
from dogbreeds.training.runs import Run


def logits(
    run: Run, pixels: UInt8[np.ndarray, "photos size size 3"], framework: str | None = None
) -> Float[np.ndarray, "photos breeds"]:
    """Returns the logits of a run's network for images of its size, computed in its framework or in `framework`."""
    return predict(load(run, framework), pixels, run.config.architecture, run.config.recipe.preprocessing)


def logits_with_biased_variances(
    run: Run, pixels: UInt8[np.ndarray, "photos size size 3"]
) -> Float[np.ndarray, "photos breeds"]:
    """As `logits` in PyTorch, with running variances as Keras computes them (`batch_norm.with_biased_variances`)."""
    model = with_biased_variances(load(run, "pytorch"), run.config.recipe.batch_size, run.config.image_size)
    return predict(model, pixels, run.config.architecture, run.config.recipe.preprocessing)


def predict(
    model, pixels: UInt8[np.ndarray, "photos size size 3"], architecture: str, preprocessing: str = "expected"
) -> Float[np.ndarray, "photos breeds"]:
    """Returns the logits of a Keras or PyTorch network for images; `preprocessing` is one of models.PREPROCESSINGS."""
    keras, rows = weight_conversion.is_keras(model), np.arange(len(pixels))
    device = ONE.of_batches(keras_runtime.backend() if keras else "")
    colours = models.preprocessing(architecture, preprocessing)
    stream = Batches(pixels, 0 * rows, rows, EVALUATION_BATCH_SIZE, colours, channels_last=keras, device=device)
    return framework_module("keras" if keras else "pytorch").predict(model, stream)


def prepared(
    photos: Float[np.ndarray, "photos size size 3"], architecture: str, kind: str = "expected"
) -> Float[np.ndarray, "photos 3 size size"]:
    """Preprocesses images in [0, 1] for an architecture (`models.preprocessing`); returns them channels first."""
    mean, deviation = models.preprocessing(architecture, kind)
    return np.ascontiguousarray(((photos - mean) / np.array(deviation)).astype(np.float32).transpose(0, 3, 1, 2))


def load(run: Run, framework: str | None = None):
    """Returns the network of a run in inference mode, with the weights that produced its stored predictions.

    The network belongs to the framework that trained it, or to `framework`. Raises StudyError if the run has no
    weights file.
    """
    if not run.weights.is_file():
        raise StudyError(f"{run.id} has no weights file: train it with dogbreeds study, or choose another run")
    record = run.record
    model = models.build(record["architecture"], framework or record["framework"], len(record["breeds"]))
    weight_conversion.fill(model, weight_files.read(run.weights, record["architecture"]))
    return model if weight_conversion.is_keras(model) else model.eval()
