"""Options that several commands share, and how they are read."""

import argparse
from pathlib import Path

import yaml

from dogbreeds.errors import StudyError

LABELS = "CSV file with the breed of each photo (default: labels.csv in the folder of photos, if there is one)"


def add_profile_options(parser: argparse.ArgumentParser) -> None:
    profile = "name of a file in notebooks/profiles, which sets the notebook parameters (default: sample)"
    parser.add_argument("--profile", default="sample", metavar="NAME", help=profile)
    photos = "folder of photographs, for example with one sub-folder per breed (default: the photos of the profile)"
    parser.add_argument("--photos", metavar="FOLDER", help=photos)
    parser.add_argument("--labels", metavar="FILE", help=LABELS)
    parameter = "value of a notebook parameter in YAML, may be repeated (default: the value in the profile)"
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE", help=parameter)


def notebook_parameters(arguments: argparse.Namespace) -> dict:
    """Returns the notebook parameters that the profile options select: profile, photos and changes."""
    photos = str(Path(arguments.photos).expanduser().resolve()) if arguments.photos else ""
    changes = assignments("--parameter", arguments.parameter)
    if arguments.labels:
        changes["labels"] = str(Path(arguments.labels).expanduser().resolve())
    return {"profile": arguments.profile, "photos": photos, "changes": changes}


def study_of(parameters: dict):
    """Returns the study of notebook parameters. Raises StudyError if one is invalid."""
    from dogbreeds.study import Study

    return Study.from_profile(parameters["profile"], parameters["photos"], **parameters["changes"])


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
