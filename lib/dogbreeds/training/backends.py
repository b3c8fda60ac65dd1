"""Selects the module that trains in a framework, and tells which library computes."""

from importlib import import_module


def on_pytorch(framework: str) -> bool:
    """Returns whether PyTorch computes for a framework, and so accepts batches on any device."""
    return framework == "pytorch" or framework_module("keras").keras.backend.backend() == "torch"


def framework_module(framework: str):
    """Returns the module that trains in `framework`, without importing the other one."""
    return import_module(f"dogbreeds.training.{framework}_trainer")
