"""Profiles: files in notebooks/profiles that set the parameters of the notebooks."""

from dataclasses import asdict, fields
from pathlib import Path

import yaml
from pydantic import ValidationError

from dogbreeds import paths
from dogbreeds.errors import StudyError, first_problem
from dogbreeds.study import Study
from dogbreeds.training.recipe import Recipe


def read_profile(name: str, photos: str | None = None, changes: dict | None = None) -> dict:
    """Returns the checked notebook parameters of a profile.

    `photos` replaces the photos of the profile, and `changes` replaces other parameters. Results on `photos` go to the
    separate folder outputs/<profile>-<folder>. If the profile selects no breeds, the study uses every breed in that
    folder, so "other-breeds" is removed from the initial weights unless `changes` sets them. Raises StudyError if the
    profile is unknown, or if a parameter is not in the notebooks, has the wrong type or is out of range.
    """
    file = paths.PROFILES / f"{name}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in paths.PROFILES.glob("*.yaml")))
        raise StudyError(f"unknown profile '{name}': choose one of {known}, or add {file}")
    parameters = {"profile": name} | (yaml.safe_load(file.read_text()) or {}) | (changes or {})
    parameters = _checked(parameters)
    if photos:
        folder = Path(photos).expanduser().resolve()
        parameters |= {"photos": str(folder), "profile": f"{name}-{folder.name}", "test_drawings_per_breed": 0}
        if not parameters["breeds"] and "weights" not in (changes or {}):  # no other breeds for pretraining
            weights = [each for each in parameters["weights"] if each != "other-breeds"]
            parameters["weights"] = weights or ["scratch"]
    Recipe.of(parameters["recipe"])
    Recipe.of(parameters["source_recipe"])
    return parameters


def _checked(parameters: dict) -> dict:
    """Returns all parameters of the notebooks; those that are missing have the defaults of Study."""
    known = [entry.name for entry in fields(Study) if entry.name != "out"]
    try:
        values = asdict(Study(**parameters))
    except ValidationError as error:
        raise StudyError(first_problem(error, "notebook parameter", known)) from error
    return {name: values[name] for name in known}
