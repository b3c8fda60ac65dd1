"""The module that trains in a framework."""

from importlib import import_module


def framework_module(framework: str):
    """Returns the module that trains in `framework`, without importing the other one."""
    return import_module(f"dogbreeds.training.{framework}_trainer")
