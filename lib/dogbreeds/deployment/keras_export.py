"""Exports a Keras network to ONNX and to a `.keras` file, which need neither this library nor its code."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from dogbreeds import models
from dogbreeds.deployment.metadata import FILE, INPUT, OUTPUTS
from dogbreeds.models import keras_runtime

keras = keras_runtime.load_keras()


def with_preprocessing(network, architecture: str, preprocessing: str, size: int) -> keras.Model:
    """Returns a model that maps images of `size` x `size` as bytes to logits and probabilities."""
    mean, deviation = map(np.array, models.preprocessing(architecture, preprocessing))
    images = keras.Input((size, size, 3), name=INPUT, dtype="uint8")
    scaled = keras.layers.Rescaling((1 / (255 * deviation)).tolist(), (-mean / deviation).tolist())(images)
    logits = network(scaled)
    return keras.Model(images, [logits, keras.layers.Softmax(name=OUTPUTS[1])(logits)])


def to_onnx(model: keras.Model, size: int, batch: int | None, file: Path) -> None:
    """Writes an ONNX file for batches of `batch` images, or of any number."""
    images = keras.InputSpec("uint8", (batch, size, size, 3), name=INPUT)
    model.export(file, format="onnx", verbose=False, input_signature=[images])


def to_own_format(model: keras.Model, size: int, batch: None, file: Path, metadata: str) -> None:
    """Writes a file that `keras.models.load_model` reads, with `metadata` as an entry of the archive.

    The model accepts any number of images of its `size`.
    """
    model.save(file)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(FILE, metadata)


def load_own_format(file: Path) -> Callable[[UInt8[np.ndarray, "batch size size 3"]], list[np.ndarray]]:
    """Returns a function from images to logits and probabilities, which runs a model that `to_own_format` wrote."""
    return keras.models.load_model(file, compile=False).predict_on_batch
