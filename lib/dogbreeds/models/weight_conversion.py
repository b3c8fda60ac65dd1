"""Conversion of weights between Keras and PyTorch, with PyTorch's state dict as the common layout.

The conversion only permutes axes and computes nothing, so that PyTorch -> Keras -> PyTorch returns the same bits.
PyTorch's `num_batches_tracked` is left out, because these networks do not use it.
"""

import numpy as np
import torch
from torch import Tensor

from dogbreeds.errors import StudyError

State = dict[str, Tensor]

# For each Keras variable: its name in PyTorch and, by number of axes, the order of the Keras axes in PyTorch.
_VARIABLES = {
    "kernel": ("weight", {4: (3, 2, 0, 1), 2: (1, 0)}),  # height width in out, in out
    "depthwise_kernel": ("depthwise.weight", {4: (2, 3, 0, 1)}),  # height width channel 1
    "pointwise_kernel": ("pointwise.weight", {4: (3, 2, 0, 1)}),
    "bias": ("bias", {}),
    "gamma": ("weight", {}),
    "beta": ("bias", {}),
    "moving_mean": ("running_mean", {}),
    "moving_variance": ("running_var", {}),
}
_XCEPTION_SHORTCUTS = ("block2", "block3", "block4", "block13")  # Keras' names of these layers do not contain the block


def module_names(model) -> dict[str, str]:
    """Returns the name of the PyTorch module for each Keras layer that has variables."""
    layers = [layer.name for layer in model.layers if layer.variables]
    if model.name != "xception":
        return {layer: layer.replace("_", ".") for layer in layers}
    unnamed = [layer for layer in layers if not layer.startswith(("block", "fc"))]
    names = {}
    for index, layer in enumerate(unnamed):  # of each shortcut the convolution, then the batch normalisation
        names[layer] = f"{_XCEPTION_SHORTCUTS[index // 2]}.shortcut.{index % 2}"
    return {layer: names.get(layer) or _xception_module_name(layer) for layer in layers}


def _xception_module_name(layer: str) -> str:
    if layer == "fc":
        return layer
    block, step, *normalisation = layer.split("_")  # block7_sepconv2_bn
    number = int(step[-1]) - 1
    if block in ("block1", "block14"):
        return f"{block}.{3 * number + len(normalisation)}"
    return f"{block}.{'bns' if normalisation else 'sepconvs'}.{number}"


def _variables(model) -> dict[str, tuple]:
    """Returns the Keras variable and the order of its axes in PyTorch for each key of the state dict."""
    found = {}
    names = module_names(model)
    for layer in model.layers:
        for variable in layer.variables:
            suffix, orders = _VARIABLES[variable.name]
            axes = len(variable.shape)
            found[f"{names[layer.name]}.{suffix}"] = (variable, orders.get(axes, tuple(range(axes))))
    return found


def from_keras(model) -> State:
    """Returns the weights of a Keras model with PyTorch's names and order of axes."""
    return {
        key: torch.from_numpy(np.ascontiguousarray(variable.numpy().transpose(order)))
        for key, (variable, order) in _variables(model).items()
    }


def from_pytorch(model: torch.nn.Module) -> State:
    """Returns the state dict of a PyTorch model, detached, on the CPU, without `num_batches_tracked`."""
    state = model.state_dict()
    return {key: value.detach().cpu() for key, value in state.items() if not key.endswith("num_batches_tracked")}


def is_keras(model) -> bool:
    """Returns whether a model is a Keras model; with the torch backend, it is also a `torch.nn.Module`."""
    return hasattr(model, "trainable_variables")


def read(model) -> State:
    """Returns the weights of a Keras or PyTorch model in PyTorch's layout."""
    return from_keras(model) if is_keras(model) else from_pytorch(model)


def shapes(model) -> dict[str, tuple[int, ...]]:
    """Returns the shape of every weight of a model of either framework, in PyTorch's layout."""
    if not is_keras(model):
        return {key: tuple(value.shape) for key, value in from_pytorch(model).items()}
    return {key: tuple(variable.shape[axis] for axis in order) for key, (variable, order) in _variables(model).items()}


def fill(model, state: State):
    """Loads `state` into a Keras or PyTorch model and returns the model.

    Raises StudyError if the names or shapes differ from those of the model, which then stays unchanged.
    """
    check(state, shapes(model))
    if not is_keras(model):
        counters = {key: value for key, value in model.state_dict().items() if key.endswith("num_batches_tracked")}
        model.load_state_dict(state | counters)
        return model
    for key, (variable, order) in _variables(model).items():
        variable.assign(state[key].numpy().transpose(np.argsort(order)))
    return model


def check(state: State, shapes: dict[str, tuple[int, ...]]) -> None:
    """Raises StudyError if weights are missing, unexpected or of the wrong shape; the message names the first ones."""
    missing, unexpected = sorted(shapes.keys() - state.keys()), sorted(state.keys() - shapes.keys())
    wrong = [
        f"{key} {tuple(state[key].shape)} instead of {shape}"
        for key, shape in shapes.items()
        if key in state and tuple(state[key].shape) != shape
    ]
    for problem, keys in (("missing", missing), ("unexpected", unexpected), ("wrong shape", wrong)):
        if keys:
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            raise StudyError(f"weights do not match the network, {problem}: {', '.join(keys[:3])}{more}")
