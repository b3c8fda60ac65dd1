"""Where things lie, whatever the working directory: notebooks, profiles, data and outputs.

DOGBREEDS_DATA and DOGBREEDS_OUTPUTS move the last two, to a larger disk say.
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
    """A path as a person would type it from here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def write_whole(path: Path, content: bytes) -> Path:
    """Writes a file that is there whole or not at all: under another name first, which is taken away on failure."""
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        unfinished.write_bytes(content)
        return unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
