"""Which module trains in a framework, and which library computes."""

from importlib import import_module


def on_pytorch(framework: str) -> bool:
    """Whether PyTorch does the arithmetic of a framework, and so takes its batches wherever they lie."""
    return framework == "pytorch" or framework_module("keras").keras.backend.backend() == "torch"


def framework_module(framework: str):
    """The module that trains in the framework asked for; the other one is not imported."""
    return import_module(f"dogbreeds.training.{framework}_trainer")
