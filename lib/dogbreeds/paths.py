"""Paths of notebooks, profiles, data and outputs, independent of the working directory.

The environment variables DOGBREEDS_DATA and DOGBREEDS_OUTPUTS move data and outputs, for example to a larger disk.
"""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
NOTEBOOKS = REPOSITORY / "notebooks"
PROFILES = NOTEBOOKS / "profiles"
SLIDES = REPOSITORY / "slides"
REFERENCE = REPOSITORY / "outputs" / "reference"  # results kept with the code


def data() -> Path:
    return Path(os.environ.get("DOGBREEDS_DATA", REPOSITORY / "data"))


def outputs() -> Path:
    return Path(os.environ.get("DOGBREEDS_OUTPUTS", REPOSITORY / "outputs"))


def from_here(path: Path) -> str:
    """Returns the path relative to the working directory, or unchanged if it is outside."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
