"""Complexity of the networks: parameters, multiply-adds and activation memory.

Only the measurement of the memory runs a network; all other values follow from the shapes of the tensors. The values
describe the PyTorch networks; the Keras networks compute the same functions.
"""

import os

import pandas as pd
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from dogbreeds import models
from dogbreeds.models.names import ARCHITECTURES, TITLES


def multiply_adds(architecture: str, image_size: int, num_classes: int = 1000) -> int:
    """Returns the multiply-adds of convolutions and linear layers for one image of `image_size` by `image_size`."""
    with torch.device("meta"):  # tensors with shapes but without data
        model, image = models.build(architecture, "pytorch", num_classes).eval(), torch.empty(1, 3, *2 * [image_size])
    with FlopCounterMode(display=False) as counter:
        model(image)
    return counter.get_total_flops() // 2


def squeeze_excitation_parameters() -> int:
    """Returns the number of parameters that squeeze-and-excitation with reduction 16 adds to ResNet50.

    Each residual unit gets two matrices, so that the total is 2/16 of the sum of the squared numbers of channels over
    all units (Hu et al., 2017, equation 5).
    """
    channels, units = (256, 512, 1024, 2048), (3, 4, 6, 3)
    return sum(2 * count * width**2 // 16 for width, count in zip(channels, units, strict=True))


def activation_bytes(architecture: str, image_size: int, batch_size: int) -> int:
    """Returns the bytes of the tensors that autograd saves for the backward pass, without parameters and the input."""
    with torch.device("meta"):
        model = models.build(architecture, "pytorch", 1000).train()
        images = torch.empty(batch_size, 3, image_size, image_size)
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage()._cdata] = tensor  # kept, so that no other storage reuses the key
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(images)
    for own in (*model.parameters(), *model.buffers(), images):
        kept.pop(own.untyped_storage()._cdata, None)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def measured_activation_bytes(architecture: str, image_size: int, batch_size: int) -> int:
    """Returns the bytes that the forward pass leaves allocated on the CPU, as the allocator reports them."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "5")  # without a GPU, the profiler of a CUDA build logs errors
    model = models.build(architecture, "pytorch", 1000).train()
    images = torch.zeros(batch_size, 3, image_size, image_size)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiler:
        logits = model(images)
    del logits
    return sum(event.self_cpu_memory_usage for event in profiler.key_averages())


def table(image_size: int, batch_size: int) -> pd.DataFrame:
    """Returns one row per network with 1000 classes: parameters, multiply-adds per image, activation memory in MB.

    The activation memory is that of a batch of `batch_size` images; `ratio` is measured divided by estimated memory.
    """
    rows = []
    for architecture in ARCHITECTURES:
        with torch.device("meta"):
            parameters = models.count_parameters(models.build(architecture, "pytorch", 1000))
        estimated = activation_bytes(architecture, image_size, batch_size)
        measured = measured_activation_bytes(architecture, image_size, batch_size)
        rows.append({
            "network": TITLES[architecture],
            "parameters": parameters,
            "multiply-adds": multiply_adds(architecture, image_size),
            "estimated MB": estimated / 1e6,
            "measured MB": measured / 1e6,
            "ratio": measured / estimated,
        })  # fmt: skip
    return pd.DataFrame(rows).set_index("network")
