"""Files of weights, read into PyTorch's layout without executing anything in them, and written as safetensors."""

import json
import pickle
import warnings
from collections.abc import Sequence
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError

from dogbreeds import paths
from dogbreeds.errors import StudyError
from dogbreeds.models import pretrained, weight_conversion
from dogbreeds.models.weight_conversion import State

HEAD = "fc."


def locate(weights: str | Path, architecture: str) -> Path:
    """The file that `weights` means: "imagenet", a name in the registry of published weights, or a path.

    Raises StudyError when it is none of them.
    """
    if str(weights) in ("imagenet", *pretrained.PUBLISHED):
        return pretrained.fetch(pretrained.find(str(weights), architecture))
    if not Path(weights).is_file():
        known = ", ".join(("imagenet", *pretrained.PUBLISHED))
        raise StudyError(f"no file of weights {weights}: give a path, or one of {known}")
    return Path(weights)


def read(path: Path, architecture: str) -> State:
    """The state dict in a file: .safetensors, Keras' .h5 and .weights.h5, else a PyTorch checkpoint.

    Without a head it has no `fc` entries. Raises StudyError for a file that is broken, of another layout, or that
    would have to execute code to be read.
    """
    if path.suffix == ".h5":
        return _read_keras(path, architecture)
    if path.suffix == ".safetensors":
        try:
            return safetensors.torch.load_file(path)
        except (SafetensorError, OSError) as error:
            raise StudyError(f"{path} is broken or no safetensors file ({error}): get it anew") from error
    return _read_pytorch(path)


def _read_pytorch(path: Path) -> State:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")  # the refusal says it better
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        remedy = "save the state dict alone, best as .safetensors, where you trust it"
        raise StudyError(f"{path} holds more than weights or is broken, and is not executed: {remedy}") from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise StudyError(f"{path} is broken or no PyTorch checkpoint: get it anew") from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):  # Lightning's checkpoints
        content = {key.removeprefix("model."): value for key, value in content["state_dict"].items()}
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise StudyError(f"{path} holds no state dict: save model.state_dict()")
    return {key: value for key, value in content.items() if not key.endswith("num_batches_tracked")}


def _read_keras(path: Path, architecture: str) -> State:
    """Keras reads its own files, into a model that has the file's number of outputs."""
    import h5py

    from dogbreeds.models import keras_networks

    try:
        with h5py.File(path) as file:
            classes = _head_of(file)
        model = getattr(keras_networks, architecture)(num_classes=classes or 1)
        target = model if classes else keras_networks.without_head(model)
        target.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise StudyError(f"{path} does not fit {architecture} in Keras, or is broken: {reason}") from error
    state = weight_conversion.from_keras(model)
    return {key: value for key, value in state.items() if classes or not key.startswith(HEAD)}


def _head_of(file) -> int | None:
    """How many outputs the head in a Keras file has: it alone is a matrix that has a bias beside it."""
    import h5py

    found = []

    def visit(name, group):
        if isinstance(group, h5py.Group):
            shapes = [entry.shape for entry in group.values() if isinstance(entry, h5py.Dataset)]
            found.extend(matrix[1] for matrix in shapes if len(matrix) == 2 and (matrix[1],) in shapes)

    file.visititems(visit)
    return found[-1] if found else None


def load(model, architecture: str, weights: str | Path):
    """Fills a model of either framework with `weights` (see `locate`) and returns it.

    A head with another number of classes than the model's, or none, leaves the model's own head as it started; all
    else must fit exactly. Raises StudyError otherwise.
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
    """Whether these are a whole linear layer on the 2048 features of all three networks."""
    weight, bias = head.get("fc.weight"), head.get("fc.bias")
    if weight is None or bias is None or len(head) != 2:
        return False
    return weight.ndim == 2 and weight.shape[1] == 2048 and tuple(bias.shape) == (weight.shape[0],)


def save(model, path: Path, breeds: Sequence[str] = ()) -> Path:
    """Writes the weights of a model of either framework as safetensors under PyTorch's names.

    The header names the `breeds` of the head, in the order of its outputs.
    """
    return paths.write_whole(path, to_bytes(weight_conversion.read(model), breeds))


def to_bytes(state: State, breeds: Sequence[str] = ()) -> bytes:
    """The content of a safetensors file, whose header names the breeds of the head."""
    facts = {"breeds": json.dumps(list(breeds))} if breeds else None
    return safetensors.torch.save({key: value.contiguous() for key, value in state.items()}, facts)


def breeds(path: Path) -> tuple[str, ...] | None:
    """The breeds of the head in a file, in the order of its outputs; None where the file does not say."""
    if path.suffix != ".safetensors":
        return None
    with safetensors.safe_open(path, "pt") as file:
        told = (file.metadata() or {}).get("breeds")
    return tuple(json.loads(told)) if told else None
