"""Runs a network on any number of images, in batches that it accepts.

This module imports neither PyTorch nor Keras.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, UInt8

Outputs = Float[np.ndarray, "photos breeds"]


def run(
    network: Callable[[np.ndarray], list[np.ndarray]],
    images: UInt8[np.ndarray, "photos size size 3"],
    largest: int,
    fixed: int | None = None,
) -> tuple[Outputs, Outputs]:
    """Returns the logits and the probabilities of images, in batches of at most `largest`.

    A network that accepts only batches of `fixed` images gets black ones after the last.
    """
    step, parts = fixed or largest, []
    for start in range(0, len(images), step):
        batch = images[start : start + step]
        black = np.zeros((fixed - len(batch) if fixed else 0, *images.shape[1:]), np.uint8)
        parts.append([output[: len(batch)] for output in network(np.concatenate([batch, black]))])
    logits, probabilities = (np.concatenate(each) for each in zip(*parts, strict=True))
    return logits, probabilities
