"""One layout of weights for both frameworks: PyTorch's state dict. Keras models are read into it and filled from it.

Nothing is computed on the way, axes are only put in another order, so PyTorch -> Keras -> PyTorch returns the same
bits. PyTorch's `num_batches_tracked` is left out: it plays no part in these networks.
"""

import numpy as np
import torch
from torch import Tensor

from dogbreeds.errors import StudyError

State = dict[str, Tensor]

# A Keras variable, the name PyTorch has for it, and for each number of axes the order that makes it PyTorch's.
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
_XCEPTION_SHORTCUTS = ("block2", "block3", "block4", "block13")  # in Keras they carry no block's name


def module_names(model) -> dict[str, str]:
    """For each Keras layer that has variables the name of its module in PyTorch."""
    layers = [layer.name for layer in model.layers if layer.variables]
    if model.name != "xception":
        return {layer: layer.replace("_", ".") for layer in layers}
    unnamed = [layer for layer in layers if not layer.startswith(("block", "fc"))]
    names = {}
    for index, layer in enumerate(unnamed):  # each shortcut's convolution, then its normalisation
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
    """For each key of the state dict the Keras variable and the order of axes that makes it PyTorch's."""
    found = {}
    names = module_names(model)
    for layer in model.layers:
        for variable in layer.variables:
            suffix, orders = _VARIABLES[variable.name]
            axes = len(variable.shape)
            found[f"{names[layer.name]}.{suffix}"] = (variable, orders.get(axes, tuple(range(axes))))
    return found


def from_keras(model) -> State:
    """The weights of a Keras model under PyTorch's names, in PyTorch's order of axes."""
    return {
        key: torch.from_numpy(np.ascontiguousarray(variable.numpy().transpose(order)))
        for key, (variable, order) in _variables(model).items()
    }


def from_pytorch(model: torch.nn.Module) -> State:
    """The state dict of a PyTorch model, detached, on the processor, without `num_batches_tracked`."""
    state = model.state_dict()
    return {key: value.detach().cpu() for key, value in state.items() if not key.endswith("num_batches_tracked")}


def is_keras(model) -> bool:
    """Whether a model is of Keras; on its torch backend a Keras model is a `torch.nn.Module` as well."""
    return hasattr(model, "trainable_variables")


def read(model) -> State:
    """The weights of a model of either framework."""
    return from_keras(model) if is_keras(model) else from_pytorch(model)


def fill(model, state: State):
    """Puts `state` into a model of either framework and returns the model.

    Raises StudyError when names or shapes are not exactly the model's; the model is then left as it was.
    """
    check(state, {key: tuple(value.shape) for key, value in read(model).items()})
    if not is_keras(model):
        counters = {key: value for key, value in model.state_dict().items() if key.endswith("num_batches_tracked")}
        model.load_state_dict(state | counters)
        return model
    for key, (variable, order) in _variables(model).items():
        variable.assign(state[key].numpy().transpose(np.argsort(order)))
    return model


def check(state: State, shapes: dict[str, tuple[int, ...]]) -> None:
    """Raises StudyError that names the first weights that are missing, unexpected or of another shape."""
    missing, unexpected = sorted(shapes.keys() - state.keys()), sorted(state.keys() - shapes.keys())
    wrong = [
        f"{key} {tuple(state[key].shape)} instead of {shape}"
        for key, shape in shapes.items()
        if key in state and tuple(state[key].shape) != shape
    ]
    for complaint, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", wrong)):
        if keys:
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            raise StudyError(f"weights do not fit the network, {complaint}: {', '.join(keys[:3])}{more}")
