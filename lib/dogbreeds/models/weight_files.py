"""Weights files: reads them into PyTorch's layout without executing code from them, and writes safetensors files."""

import json
import pickle
import warnings
from collections.abc import Sequence
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError

from dogbreeds import files
from dogbreeds.errors import StudyError
from dogbreeds.models import pretrained, weight_conversion
from dogbreeds.models.weight_conversion import State

HEAD = "fc."


def locate(weights: str | Path, architecture: str) -> Path:
    """Returns the path of the file for `weights`, which is "imagenet", a name in `pretrained.PUBLISHED`, or a path.

    Raises StudyError if `weights` is none of these.
    """
    if str(weights) in ("imagenet", *pretrained.PUBLISHED):
        return pretrained.fetch(pretrained.find(str(weights), architecture))
    if not Path(weights).is_file():
        known = ", ".join(("imagenet", *pretrained.PUBLISHED))
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
    import h5py

    from dogbreeds.models import keras_networks

    try:
        with h5py.File(path) as file:
            classes = _count_outputs(file)
        model = getattr(keras_networks, architecture)(num_classes=classes or 1)
        target = model if classes else keras_networks.without_head(model)
        target.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise StudyError(f"{path} does not match {architecture} in Keras, or is broken: {reason}") from error
    state = weight_conversion.from_keras(model)
    return {key: value for key, value in state.items() if classes or not key.startswith(HEAD)}


def _count_outputs(file) -> int | None:
    """Returns the number of outputs of the head in a Keras file, or None if the file has no head.

    The head is the only layer that has a matrix and a bias.
    """
    import h5py

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
    own_head = {key: value for key, value in own.items() if key.startswith(HEAD)}
    head = {key: value for key, value in state.items() if key.startswith(HEAD)}
    if _is_head(head) and any(head[key].shape != own_head[key].shape for key in own_head):
        head = {}
    if not head:
        state = {key: value for key, value in state.items() if not key.startswith(HEAD)} | own_head
    try:
        return weight_conversion.fill(model, state)
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from error


def _is_head(head: State) -> bool:
    """Returns whether `head` is a complete linear layer for the 2048 features of the three networks."""
    weight, bias = head.get("fc.weight"), head.get("fc.bias")
    if weight is None or bias is None or len(head) != 2:
        return False
    return weight.ndim == 2 and weight.shape[1] == 2048 and tuple(bias.shape) == (weight.shape[0],)


def save(model, path: Path, breeds: Sequence[str] = ()) -> Path:
    """Writes the weights of a Keras or PyTorch model to a safetensors file with PyTorch's names, and returns `path`.

    The header of the file lists the `breeds` of the head in the order of its outputs.
    """
    with files.atomic(path) as unfinished:
        unfinished.write_bytes(to_bytes(weight_conversion.read(model), breeds))
    return path


def to_bytes(state: State, breeds: Sequence[str] = ()) -> bytes:
    """Returns the content of a safetensors file whose header lists the breeds of the head."""
    metadata = {"breeds": json.dumps(list(breeds))} if breeds else None
    return safetensors.torch.save({key: value.contiguous() for key, value in state.items()}, metadata)


def breeds(path: Path) -> tuple[str, ...] | None:
    """Returns the breeds of the head in the order of its outputs, or None if the file does not list them."""
    if path.suffix != ".safetensors":
        return None
    with safetensors.safe_open(path, "pt") as file:
        listed = (file.metadata() or {}).get("breeds")
    return tuple(json.loads(listed)) if listed else None
