"""Profiles: files in notebooks/profiles that set the parameters of a study."""

from pathlib import Path

import yaml

from dogbreeds import paths
from dogbreeds.errors import StudyError
from dogbreeds.training.runs import OTHER_BREEDS, SCRATCH


def read(name: str, photos: str, changes: dict) -> dict:
    """Returns the parameters of a profile, unchecked; those that it omits are missing.

    `photos` replaces the photos of the profile, and `changes` replaces other parameters. Results on `photos` go to the
    separate folder outputs/<profile>-<folder>. If the profile selects no breeds, the study uses every breed in that
    folder, so "other-breeds" is removed from the initial weights unless `changes` sets them. Raises StudyError if the
    profile is unknown, or if it has no photos of its own and none are given.
    """
    file = paths.PROFILES / f"{name}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in paths.PROFILES.glob("*.yaml")))
        raise StudyError(f"unknown profile '{name}': choose one of {known}, or add {file}")
    parameters = {"profile": name} | (yaml.safe_load(file.read_text()) or {}) | changes
    if photos:
        folder = Path(photos).expanduser().resolve()
        parameters |= {"photos": str(folder), "profile": f"{name}-{folder.name}", "test_drawings_per_breed": 0}
        weights = parameters.get("weights", [])
        if OTHER_BREEDS in weights and not parameters.get("breeds") and "weights" not in changes:
            parameters["weights"] = [each for each in weights if each != OTHER_BREEDS] or [SCRATCH]
    if parameters.get("photos") == "":
        where = "PHOTOS=FOLDER with make, --photos FOLDER with dogbreeds, the parameter photos in a notebook"
        raise StudyError(f"profile {name} needs photographs: give their folder ({where})")
    return parameters
