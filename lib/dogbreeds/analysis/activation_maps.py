"""Activations inside a network, and class activation maps: the evidence for a breed at each position of a photo."""

from contextlib import ExitStack

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
    """The class activation map of each photo: the evidence at each position for the breed of the given index.

    `photos` has colours in 0 to 1. The method is that of Zhou et al. (https://arxiv.org/abs/1512.04150, equation 2);
    the maps are exact, because all three networks end in global average pooling and a linear head.
    """
    ready = prepared(photos, run.record["architecture"], run.record["recipe"]["preprocessing"])
    maps, head = framework_module(run.record["framework"]).last_features(load(run), ready)
    return np.einsum("bchw,cb->bhw", maps, head[:, breeds])


def activations(
    network: nn.Module, photos: Float[Tensor, "photos 3 height width"], modules: list[str]
) -> dict[str, Tensor]:
    """The output of each of `modules`, by its name, when a PyTorch network processes `photos`."""
    kept = {}

    def keep(name):
        return lambda module, inputs, output: kept.update({name: output.clone()})

    with ExitStack() as hooks, torch.no_grad():
        for name in modules:
            hooks.enter_context(network.get_submodule(name).register_forward_hook(keep(name)))
        network(photos)
    return kept
