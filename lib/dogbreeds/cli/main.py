"""The command line interface `dogbreeds`. Invalid input produces one line on standard error and exit status 2."""

# Each command imports the modules that it needs when it runs. `--help` therefore answers at once, and the worker
# processes, which import this file again, do not load papermill.

import argparse
import sys

from dogbreeds.cli import bench, data, export, predict, slides, study, sweep, train
from dogbreeds.errors import StudyError

COMMANDS = (study, slides, train, sweep, predict, export, data, bench)
DESCRIPTION = """Compares Xception, ResNet50 and SE-ResNet50, trained in Keras and in PyTorch, as classifiers of dog
breeds: runs the complete study or single trainings, measures training speed, classifies photos, and prepares data sets.
"""
EPILOG = """Run 'dogbreeds COMMAND --help' for the options of a command. Invalid input produces one line on standard
error and exit status 2."""


def main(words: list[str] | None = None) -> int:
    """Runs one command and returns its exit status: 0, 1 for failed trainings, 2 for bad input, 130 if interrupted."""
    parser = argparse.ArgumentParser(prog="dogbreeds", description=DESCRIPTION, epilog=EPILOG)
    commands = parser.add_subparsers(required=True, title="commands", metavar="command")
    for command in COMMANDS:
        command.add_parser(commands)
    arguments = parser.parse_args(words)
    try:
        arguments.function(arguments)
    except StudyError as error:
        print(f"dogbreeds: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print("dogbreeds: interrupted; finished work is kept: run the same command again to resume", file=sys.stderr)
        return 130
    return 0
