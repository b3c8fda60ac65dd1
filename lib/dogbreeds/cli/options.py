"""Options that several commands share, and how they are read."""

import argparse

import yaml

from dogbreeds.errors import StudyError


def add_profile_options(parser: argparse.ArgumentParser) -> None:
    profile = "name of a file in notebooks/profiles, which sets the notebook parameters (default: sample)"
    parser.add_argument("--profile", default="sample", metavar="NAME", help=profile)
    photos = "folder with one sub-folder of photographs per breed (default: the photos of the profile)"
    parser.add_argument("--photos", metavar="FOLDER", help=photos)
    parameter = "value of a notebook parameter in YAML, may be repeated (default: the value in the profile)"
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE", help=parameter)


def profile_parameters(arguments: argparse.Namespace) -> dict:
    """Returns the notebook parameters that the profile options select; raises StudyError if one is invalid."""
    from dogbreeds.study import profiles

    changes = assignments("--parameter", arguments.parameter)
    return profiles.read_profile(arguments.profile, arguments.photos, changes)


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
