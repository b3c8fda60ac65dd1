"""The command `dogbreeds train`."""

import argparse
from dataclasses import replace
from pathlib import Path

from dogbreeds.cli.options import add_profile_options, assignments, study_of
from dogbreeds.models import ARCHITECTURES, FRAMEWORKS, check_names

SUMMARY = "Trains one network in one framework, and prints the folder of the run as the last line."


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("train", help=SUMMARY, description=SUMMARY)
    parser.set_defaults(function=train)
    add_profile_options(parser)
    parser.add_argument("--architecture", required=True, help=f"one of {', '.join(ARCHITECTURES)} (required)")
    parser.add_argument("--framework", required=True, help=f"one of {', '.join(FRAMEWORKS)} (required)")
    parser.add_argument("--seed", type=int, default=0, help="random seed of the training (default: 0)")
    weights = "initial weights: scratch, other-breeds, imagenet, the id of a run, or a file"
    parser.add_argument("--weights", help=f"{weights} (default: the first in the profile)")
    field = "value of a recipe field in YAML, may be repeated (default: the value in the profile)"
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help=field)
    out = "folder for runs (default: outputs/<profile>/runs)"
    parser.add_argument("--out", type=Path, metavar="FOLDER", help=out)
    devices = "number of devices per machine that train the network together (default: 1)"
    parser.add_argument("--devices", type=int, default=1, metavar="N", help=devices)
    nodes = "number of machines that train together, each started with torchrun (default: 1)"
    parser.add_argument("--nodes", type=int, default=1, metavar="N", help=nodes)


def train(arguments: argparse.Namespace) -> None:
    check_names(arguments.architecture, arguments.framework)
    which = {"architectures": [arguments.architecture], "frameworks": [arguments.framework]}
    study, _ = study_of(arguments, **which | ({"weights": [arguments.weights]} if arguments.weights else {}))
    changes = assignments("--set", arguments.set)

    from dogbreeds.training.devices import Devices
    from dogbreeds.training.recipe import changed

    study = replace(study, recipe=changed(study.recipe, changes), out=arguments.out)
    which = (arguments.architecture, arguments.framework, arguments.seed, study.weights[0])
    print(study.train_here(*which, Devices(arguments.devices, arguments.nodes)).folder)
