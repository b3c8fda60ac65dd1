"""The command `dogbreeds sweep`."""

import argparse
import re
from itertools import chain

from dogbreeds.cli.options import add_profile_options, study_of
from dogbreeds.errors import StudyError

SUMMARY = "Distributes the trainings of a study over a Ray cluster or this machine, and prints the result table."


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("sweep", help=SUMMARY, description=SUMMARY)
    parser.set_defaults(function=sweep)
    add_profile_options(parser)
    seeds = "seeds to train, as a range (0-4) or a list (0,2,5) (default: the seeds of the profile)"
    parser.add_argument("--seeds", help=seeds)
    address = "address of a Ray cluster (default: use this machine only)"
    parser.add_argument("--address", metavar="HOST:PORT", help=address)


def sweep(arguments: argparse.Namespace) -> None:
    study, _ = study_of(arguments, **({"seeds": seeds(arguments.seeds)} if arguments.seeds else {}))

    from dogbreeds.analysis import tables
    from dogbreeds.training import ray_executor

    ray_executor.train_all(study.plan(), study.store, arguments.address)
    print(f"\n{tables.format_table(tables.result_table(study.runs()))}")


def seeds(words: str) -> list[int]:
    """Returns the seeds of a range such as `0-4` or a list such as `0,2`; raises StudyError if one is repeated."""
    parts = [re.fullmatch(r"(\d+)(?:-(\d+))?", part) for part in words.split(",")]
    found = [list(range(int(each[1]), int(each[2] or each[1]) + 1)) if each else [] for each in parts]
    seeds = list(chain.from_iterable(found))
    if not all(found) or len(set(seeds)) < len(seeds):
        raise StudyError(f"--seeds {words}: give a range such as 0-4 or a list such as 0,2,5, each seed once")
    return seeds
