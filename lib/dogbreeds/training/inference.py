"""The one way to get logits out of a trained network."""

import numpy as np
from jaxtyping import Float, UInt8

from dogbreeds import models
from dogbreeds.data.batches import Batches
from dogbreeds.errors import StudyError
from dogbreeds.models import weight_conversion, weight_files
from dogbreeds.models.batch_norm import with_biased_variances
from dogbreeds.training.backends import framework_module
from dogbreeds.training.devices import ONE
from dogbreeds.training.photo_streams import EVALUATION_BATCH_SIZE
from dogbreeds.training.runs import Run


def logits(
    run: Run, pixels: UInt8[np.ndarray, "photos size size 3"], framework: str | None = None
) -> Float[np.ndarray, "photos breeds"]:
    """What the trained network of a run says to any pictures of its size, in its framework or in another."""
    framework = framework or run.record["framework"]
    return _predict(load(run, framework), framework, run, pixels)


def logits_with_biased_variances(
    run: Run, pixels: UInt8[np.ndarray, "photos size size 3"]
) -> Float[np.ndarray, "photos breeds"]:
    """As `logits` in PyTorch, with the running variances as Keras keeps them (`batch_norm.with_biased_variances`)."""
    model = with_biased_variances(load(run, "pytorch"), run.config.recipe.batch_size, run.config.image_size)
    return _predict(model, "pytorch", run, pixels)


def _predict(model, framework: str, run: Run, pixels: np.ndarray) -> np.ndarray:
    rows = np.arange(len(pixels))
    colours = models.preprocessing(run.record["architecture"], run.record["recipe"]["preprocessing"])
    options = {"channels_last": True} if framework == "keras" else {"device": ONE.of_this_process()}
    stream = Batches(pixels, 0 * rows, rows, EVALUATION_BATCH_SIZE, colours, **options)
    return framework_module(framework).predict(model, stream)


def prepared(
    photos: Float[np.ndarray, "photos size size 3"], architecture: str, kind: str = "expected"
) -> Float[np.ndarray, "photos 3 size size"]:
    """Colours in 0 to 1 as a network of that architecture is given them (`models.preprocessing`), channels first."""
    mean, deviation = models.preprocessing(architecture, kind)
    return np.ascontiguousarray(((photos - mean) / np.array(deviation)).astype(np.float32).transpose(0, 3, 1, 2))


def load(run: Run, framework: str | None = None):
    """The trained network of a run in inference mode, with the weights it predicted with.

    It is of the framework that trained it, unless another is named. Raises StudyError for a run that is kept without
    weights.
    """
    if not run.weights.is_file():
        raise StudyError(f"{run.id} is kept without its weights: train it with dogbreeds study, or ask for another run")
    record = run.record
    model = models.build(record["architecture"], framework or record["framework"], len(record["breeds"]))
    weight_conversion.fill(model, weight_files.read(run.weights, record["architecture"]))
    return model if weight_conversion.is_keras(model) else model.eval()
