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


def is_keras(model) -> bool:
    """Returns whether a model is a Keras model; with the torch backend, it is also a `torch.nn.Module`."""
    return hasattr(model, "trainable_variables")


def module_names(model) -> dict[str, str]:
    """Returns the name of the PyTorch module for each Keras layer that has variables."""
    layers = [layer.name for layer in model.layers if layer.variables]
    if model.name != "xception":
        return {layer: layer.replace("_", ".") for layer in layers}
    # Of each shortcut the convolution, then the batch normalisation.
    shortcuts = (f"{block}.shortcut.{index}" for block in _XCEPTION_SHORTCUTS for index in (0, 1))
    return {layer: _xception_module_name(layer) or next(shortcuts) for layer in layers}


def _xception_module_name(layer: str) -> str | None:
    """Returns None for a layer of a shortcut."""
    if not layer.startswith("block"):
        return layer if layer == "fc" else None
    block, step, *normalisation = layer.split("_")  # block7_sepconv2_bn
    number = int(step[-1]) - 1
    if block in ("block1", "block14"):
        return f"{block}.{3 * number + len(normalisation)}"
    return f"{block}.{'bns' if normalisation else 'sepconvs'}.{number}"


def _variables(model) -> dict[str, tuple]:
    """Returns the Keras variable and the order of its axes in PyTorch for each key of the state dict."""
    found, names = {}, module_names(model)
    for layer in model.layers:
        for variable in layer.variables:
            suffix, orders = _VARIABLES[variable.name]
            axes = len(variable.shape)
            found[f"{names[layer.name]}.{suffix}"] = (variable, orders.get(axes, tuple(range(axes))))
    return found


def read(model) -> State:
    """Returns the weights of a Keras or PyTorch model in PyTorch's layout, on the CPU and not necessarily copied."""
    if not is_keras(model):
        state = model.state_dict()
        return {key: value.detach().cpu() for key, value in state.items() if not key.endswith("num_batches_tracked")}
    return {
        key: torch.from_numpy(np.ascontiguousarray(variable.numpy().transpose(order)))
        for key, (variable, order) in _variables(model).items()
    }


def fill(model, state: State):
    """Loads `state` into a Keras or PyTorch model and returns the model.

    Raises StudyError if the names or shapes differ from those of the model, which then stays unchanged.
    """
    check(state, read(model))
    if not is_keras(model):
        model.load_state_dict(state, strict=False)  # only num_batches_tracked is missing
        return model
    for key, (variable, order) in _variables(model).items():
        variable.assign(state[key].numpy().transpose(np.argsort(order)))
    return model


def check(state: State, expected: State) -> None:
    """Raises StudyError if the weights in `state` do not have the names and shapes of those in `expected`."""
    problems = {
        "missing": sorted(expected.keys() - state.keys()),
        "unexpected": sorted(state.keys() - expected.keys()),
        "wrong shape": [
            f"{key} {tuple(state[key].shape)} instead of {tuple(value.shape)}"
            for key, value in expected.items()
            if key in state and state[key].shape != value.shape
        ],
    }
    for problem, keys in problems.items():
        if keys:
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            raise StudyError(f"weights do not match the network, {problem}: {', '.join(keys[:3])}{more}")
