"""What a network costs: multiply-adds and activation memory, estimated without computing and measured by running.

Counts are of the PyTorch networks; those in Keras are the same functions.
"""

import os

import pandas as pd
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from dogbreeds import models

os.environ.setdefault("KINETO_LOG_LEVEL", "5")  # a CUDA build's profiler calls it an error that there is no GPU


def multiply_adds(architecture: str, image_size: int, num_classes: int = 1000) -> int:
    """Multiply-adds of one photo of `image_size` pixels a side: convolutions and linear layers, counted by PyTorch."""
    with torch.device("meta"):  # shapes without numbers
        model, photo = models.build(architecture, "pytorch", num_classes).eval(), torch.empty(1, 3, *2 * [image_size])
    with FlopCounterMode(display=False) as counter:
        model(photo)
    return counter.get_total_flops() // 2


def squeeze_excitation_parameters(reduction: int = 16) -> int:
    """Two matrices a unit, 2 / r times the sum of the squares of the channels (Hu et al., 2017, equation 5)."""
    channels, units = (256, 512, 1024, 2048), (3, 4, 6, 3)
    return sum(2 * count * width**2 // reduction for width, count in zip(channels, units, strict=True))


def activation_bytes(architecture: str, image_size: int, batch_size: int) -> int:
    """Estimate of what the forward pass keeps for the backward pass: every tensor that autograd saves, once."""
    with torch.device("meta"):
        model = models.build(architecture, "pytorch", 1000).train()
        photos = torch.empty(batch_size, 3, image_size, image_size)
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        kept[storage._cdata] = (storage.nbytes(), tensor)  # the tensor is held so that its storage stays its own
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = model(photos)
    own = {tensor.untyped_storage()._cdata for tensor in (*model.parameters(), *model.buffers(), photos)}
    del logits
    return sum(size for key, (size, _) in kept.items() if key not in own)


def measured_activation_bytes(architecture: str, image_size: int, batch_size: int) -> int:
    """What the allocator says the forward pass left allocated, on the processor, in bytes."""
    model = models.build(architecture, "pytorch", 1000).train()
    photos = torch.zeros(batch_size, 3, image_size, image_size)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiler:
        logits = model(photos)
    del logits
    return sum(event.self_cpu_memory_usage for event in profiler.key_averages())


def table(image_size: int, batch_size: int) -> pd.DataFrame:
    """A row a network with 1000 classes: parameters, multiply-adds of a photo, activation memory of a batch in MB.

    `ratio` is measured by estimated memory.
    """
    rows = []
    for architecture in models.ARCHITECTURES:
        with torch.device("meta"):
            parameters = models.count_parameters(models.build(architecture, "pytorch", 1000))
        estimated = activation_bytes(architecture, image_size, batch_size)
        measured = measured_activation_bytes(architecture, image_size, batch_size)
        rows.append({
            "network": models.TITLES[architecture],
            "parameters": parameters,
            "multiply-adds": multiply_adds(architecture, image_size),
            "estimated MB": estimated / 1e6,
            "measured MB": measured / 1e6,
            "ratio": measured / estimated,
        })  # fmt: skip
    return pd.DataFrame(rows).set_index("network")
