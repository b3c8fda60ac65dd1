"""The command `dogbreeds slides`."""

import argparse

from dogbreeds.cli.options import add_profile_options, study_of
from dogbreeds.paths import from_here

SUMMARY = "Renders the presentation from the results of a finished study."


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("slides", help=SUMMARY, description=SUMMARY)
    parser.set_defaults(function=slides)
    add_profile_options(parser)
    parser.add_argument("--language", default="fr", help="language of the slides: fr or en (default: fr)")
    parser.add_argument("--pdf", action="store_true", help="also print a PDF with Chromium (default: no PDF)")


def slides(arguments: argparse.Namespace) -> None:
    from dogbreeds.presentation import slides

    study, parameters = study_of(arguments)
    for path in slides.render(study, parameters, arguments.language, arguments.pdf):
        print(from_here(path))
