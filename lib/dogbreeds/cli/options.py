"""Options that several commands share, and how they are read."""

import argparse
from pathlib import Path

import yaml

from dogbreeds.errors import StudyError


def add_profile_options(parser: argparse.ArgumentParser) -> None:
    profile = "name of a file in notebooks/profiles, which sets the notebook parameters (default: sample)"
    parser.add_argument("--profile", default="sample", metavar="NAME", help=profile)
    photos = "folder with one sub-folder of photographs per breed (default: the photos of the profile)"
    parser.add_argument("--photos", metavar="FOLDER", help=photos)
    parameter = "value of a notebook parameter in YAML, may be repeated (default: the value in the profile)"
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE", help=parameter)


def notebook_parameters(arguments: argparse.Namespace) -> dict:
    """Returns the notebook parameters that the profile options select: profile, photos and changes."""
    photos = str(Path(arguments.photos).expanduser().resolve()) if arguments.photos else ""
    changes = assignments("--parameter", arguments.parameter)
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
