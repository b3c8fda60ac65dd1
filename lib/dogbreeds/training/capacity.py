"""How many trainings a machine runs at once: two halves of its processors, or as many as its GPU has room for."""

from collections.abc import Sequence

import torch

from dogbreeds.models import complexity
from dogbreeds.training.runs import RunConfig

# The forward multiply-adds of a step that fills a large GPU on its own: ResNet50 at 224 pixels in batches of 64.
# Smaller steps are limited by kernel launches, so that several processes together use the GPU better.
FILLING_STEP = 2.5e11
PROCESS_BYTES = 2 * 10**9  # of GPU memory: the libraries of CUDA, weights, gradients and optimiser
# PyTorch allocates more than the activations that the backward pass needs: their gradients and the space of kernels.
ALLOCATED_PER_ACTIVATION = 2


def shares(configs: Sequence[RunConfig] = (), at_once: int = 0) -> tuple[int, int]:
    """Returns the number of parallel processes that train `configs`, and the number of threads of each.

    `at_once` overrides the number. Without a GPU it is two; with a GPU, `on_a_gpu` decides. Empty `configs` stand for
    processes that execute notebooks.
    """
    processors = torch.get_num_threads()
    if not at_once and torch.cuda.is_available():
        at_once = on_a_gpu(configs, processors, torch.cuda.mem_get_info()[0])
    elif not at_once:
        at_once = 1 if torch.accelerator.is_available() else min(2, processors)
    return at_once, max(1, processors // at_once)


def on_a_gpu(configs: Sequence[RunConfig], processors: int, free_bytes: int) -> int:
    """Returns how many processes share a GPU with `free_bytes` of free memory; the largest step of `configs` decides.

    Each process needs two processors: one launches kernels, one prepares batches or compiles.
    """
    rooms = [processors // 2, free_bytes // PROCESS_BYTES]
    for architecture, image_size, batch_size in {
        (each.architecture, each.image_size, each.recipe.batch_size) for each in configs
    }:
        step = complexity.multiply_adds(architecture, image_size) * batch_size
        activations = complexity.activation_bytes(architecture, image_size, batch_size)
        rooms += [FILLING_STEP // step, free_bytes // (PROCESS_BYTES + ALLOCATED_PER_ACTIVATION * activations)]
    return max(1, int(min(rooms)))
