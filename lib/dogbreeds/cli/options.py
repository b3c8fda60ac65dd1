"""Options that several commands share, and how they are read."""

import argparse
from pathlib import Path

import yaml

from dogbreeds.errors import StudyError

LABELS = "CSV file with the breed of each photo (default: labels.csv in the folder of photos, if there is one)"


def add_profile_options(parser: argparse.ArgumentParser) -> None:
    profile = "name of a file in notebooks/profiles, which sets the notebook parameters"
    parser.add_argument("--profile", metavar="NAME", help=f"{profile} (default: own_photos with --photos, else sample)")
    photos = "folder of photographs, for example with one sub-folder per breed (default: the photos of the profile)"
    parser.add_argument("--photos", metavar="FOLDER", help=photos)
    parser.add_argument("--labels", metavar="FILE", help=LABELS)
    parameter = "value of a notebook parameter in YAML, may be repeated (default: the value in the profile)"
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE", help=parameter)


def study_of(arguments: argparse.Namespace, **more):
    """Returns the study that the profile options select, and the notebook parameters that select it again.

    `more` are parameters that other options of the command set. The notebook parameters are profile, photos and
    changes; these include the recipe and the initial weights, so that a notebook does not choose them again (see
    `beforehand.settled`). Raises StudyError if a parameter is invalid.
    """
    from dogbreeds.study import Study

    photos = str(Path(arguments.photos).expanduser().resolve()) if arguments.photos else ""
    profile = arguments.profile or ("own_photos" if photos else "sample")
    changes = assignments("--parameter", arguments.parameter)
    if arguments.labels:
        changes["labels"] = str(Path(arguments.labels).expanduser().resolve())
    study = Study.from_profile(profile, photos, **changes | more)
    settled = {"recipe": study.recipe, "weights": study.weights}
    return study, {"profile": profile, "photos": photos, "changes": changes | more | settled}


def assignments(option: str, pairs: list[str]) -> dict:
    """Returns the values of options such as `--set epochs=3`, read as YAML; raises StudyError if one is malformed."""
    values = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise StudyError(f"{option} {pair}: write it as name=value")
        try:
            values[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise StudyError(f"{option} {pair}: the value is not valid YAML") from error
    return values
