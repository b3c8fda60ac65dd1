"""The command `dogbreeds`, one module per command."""

from dogbreeds.cli.main import main

__all__ = ["main"]
