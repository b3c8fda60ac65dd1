"""What happens inside a network, and which places of a photo spoke for a breed."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from dogbreeds.training.backends import framework_module
from dogbreeds.training.inference import load, prepared
from dogbreeds.training.runs import Run


def class_activation_maps(
    run: Run, photos: Float[np.ndarray, "photos size size 3"], breeds: Int[np.ndarray, " photos"]
) -> Float[np.ndarray, "photos height width"]:
    """For each photo (colours in 0 to 1) how strongly each place spoke for the breed of that index.

    Class activation maps (Zhou et al., https://arxiv.org/abs/1512.04150, equation 2): all three networks end in
    global average pooling and a linear head, for which they are exact.
    """
    ready = prepared(photos, run.record["architecture"], run.record["recipe"]["preprocessing"])
    maps, head = framework_module(run.record["framework"]).last_features(load(run), ready)
    return np.einsum("bchw,cb->bhw", maps, head[:, breeds])


def activations(
    network: nn.Module, photos: Float[Tensor, "photos 3 height width"], modules: list[str]
) -> dict[str, Tensor]:
    """What each of `modules`, by its name, puts out while a PyTorch network looks at `photos`."""
    kept = {}

    def keep(name):
        return lambda module, inputs, output: kept.update({name: output.clone()})

    hooks = [network.get_submodule(name).register_forward_hook(keep(name)) for name in modules]
    try:
        with torch.no_grad():
            network(photos)
    finally:
        for hook in hooks:
            hook.remove()
    return kept
