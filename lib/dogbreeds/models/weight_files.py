"""Weights files: reads them into PyTorch's layout without executing code from them, and writes safetensors files."""

import json
import pickle
import warnings
from collections.abc import Sequence
from pathlib import Path

import h5py
import safetensors.torch
import torch
from safetensors import SafetensorError

from dogbreeds.errors import StudyError
from dogbreeds.models import pretrained, weight_conversion
from dogbreeds.models.weight_conversion import State

HEAD = "fc."


def locate(weights: str | Path, architecture: str) -> Path:
    """Returns the path of the file for `weights`, which is "imagenet", a name in `pretrained.PUBLISHED`, or a path.

    Raises StudyError if `weights` is none of these.
    """
    published = ("imagenet", *pretrained.PUBLISHED)
    if str(weights) in published:
        return pretrained.fetch(pretrained.find(str(weights), architecture))
    if not Path(weights).is_file():
        known = ", ".join(published)
        raise StudyError(f"weights file {weights} does not exist: give an existing path, or one of {known}")
    return Path(weights)


def read(path: Path, architecture: str) -> State:
    """Returns the state dict in a file: .safetensors, Keras' .h5 and .weights.h5, or else a PyTorch checkpoint.

    The state dict of weights without a head has no `fc` entries. Raises StudyError if the file is broken, has an
    unexpected layout, or cannot be read without executing code.
    """
    if path.suffix == ".h5":
        return _read_keras(path, architecture)
    if path.suffix == ".safetensors":
        try:
            return safetensors.torch.load_file(path)
        except (SafetensorError, OSError) as error:
            raise StudyError(f"{path} is broken or is not a safetensors file ({error}): get a new copy") from error
    return _read_pytorch(path)


def _read_pytorch(path: Path) -> State:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")  # the StudyError below is clearer
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        remedy = "if you trust it, save only its state dict, preferably as .safetensors"
        raise StudyError(f"{path} contains more than weights or is broken, and is not executed: {remedy}") from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise StudyError(f"{path} is broken or is not a PyTorch checkpoint: get a new copy") from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):  # a checkpoint of Lightning
        content = {key.removeprefix("model."): value for key, value in content["state_dict"].items()}
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise StudyError(f"{path} does not contain a state dict: save model.state_dict()")
    return {key: value for key, value in content.items() if not key.endswith("num_batches_tracked")}


def _read_keras(path: Path, architecture: str) -> State:
    """Lets Keras read its own file into a model that has as many outputs as the file."""
    from dogbreeds.models import keras_networks

    try:
        with h5py.File(path) as file:
            classes = _count_outputs(file)
        model = getattr(keras_networks, architecture)(num_classes=classes or 1)
        without_head = keras_networks.keras.Model(model.inputs[0], model.layers[-1].input, name=model.name)
        target = model if classes else without_head
        target.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise StudyError(f"{path} does not match {architecture} in Keras, or is broken: {reason}") from error
    return weight_conversion.read(target)


def _count_outputs(file: h5py.File) -> int | None:
    """Returns the number of outputs of the head, the only layer with a matrix and a bias; None without a head."""
    found = []

    def visit(name, group):
        if isinstance(group, h5py.Group):
            shapes = [entry.shape for entry in group.values() if isinstance(entry, h5py.Dataset)]
            found.extend(matrix[1] for matrix in shapes if len(matrix) == 2 and (matrix[1],) in shapes)

    file.visititems(visit)
    return found[-1] if found else None


def load(model, architecture: str, weights: str | Path):
    """Loads `weights` (see `locate`) into a Keras or PyTorch model and returns the model.

    If the weights have no head, or a head for another number of classes, the model keeps the initial weights of its own
    head. Raises StudyError if any other weights do not match the model exactly.
    """
    path = locate(weights, architecture)
    state, own = read(path, architecture), weight_conversion.read(model)
    head = {key for key in state if key.startswith(HEAD)}
    complete = head == {"fc.weight", "fc.bias"}
    if not head or (complete and state["fc.bias"].shape != own["fc.bias"].shape):
        state = with_head(state, own)
    try:
        return weight_conversion.fill(model, state)
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from error


def with_head(state: State, source: State) -> State:
    """Returns `state` with the head of `source` instead of its own."""
    head = {key: value for key, value in source.items() if key.startswith(HEAD)}
    return {key: value for key, value in state.items() if not key.startswith(HEAD)} | head


def to_bytes(state: State, breeds: Sequence[str]) -> bytes:
    """Returns the content of a safetensors file whose header lists the `breeds` of the head, one per output."""
    contiguous = {key: value.contiguous() for key, value in state.items()}
    return safetensors.torch.save(contiguous, {"breeds": json.dumps(list(breeds))})


def breeds(path: Path) -> tuple[str, ...] | None:
    """Returns the breeds of the head in the order of its outputs, or None if the file does not list them."""
    if path.suffix != ".safetensors":
        return None
    with safetensors.safe_open(path, "pt") as file:
        listed = (file.metadata() or {}).get("breeds")
    return tuple(json.loads(listed)) if listed else None
