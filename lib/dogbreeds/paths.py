"""Where things lie, whatever the working directory: notebooks, profiles, data and outputs.

DOGBREEDS_DATA and DOGBREEDS_OUTPUTS move the last two, to a larger disk say.
"""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
NOTEBOOKS = REPOSITORY / "notebooks"
PROFILES = NOTEBOOKS / "profiles"
SLIDES = REPOSITORY / "slides"


def data() -> Path:
    return Path(os.environ.get("DOGBREEDS_DATA", REPOSITORY / "data"))


def outputs() -> Path:
    return Path(os.environ.get("DOGBREEDS_OUTPUTS", REPOSITORY / "outputs"))
