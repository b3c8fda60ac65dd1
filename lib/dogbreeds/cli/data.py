"""The commands `dogbreeds data download|check|describe`."""

import argparse
from pathlib import Path

from dogbreeds.paths import from_here


def add_data_commands(commands: argparse._SubParsersAction) -> None:
    data = commands.add_parser("data", help="Fetches, checks or describes photographs.")
    verbs = data.add_subparsers(required=True, metavar="verb")
    for function in (download, check, describe):
        verb = verbs.add_parser(function.__name__, help=function.__doc__, description=function.__doc__)
        verb.set_defaults(function=function, of_a_profile=False)
        if function is download:
            verb.add_argument("--root", type=Path, help="where data lives (default: data/, or DOGBREEDS_DATA)")
            verb.add_argument("--mirror", help="another address with the three archives")
            verb.add_argument("--checksums", type=Path, help="the mirror's own sums, as sha256sum writes them")
        else:
            verb.add_argument("--photos", default="stanford_dogs", help="folder of photographs, or drawn_dogs")
            verb.add_argument("--breeds", nargs="+", default=[], help="some of the breeds (default: all)")


def download(arguments: argparse.Namespace) -> None:
    """Fetches Stanford Dogs (about 800 MB), verifies and extracts it."""
    from dogbreeds import paths
    from dogbreeds.data import stanford_dogs

    checksums = stanford_dogs.read_checksums(arguments.checksums) if arguments.checksums else None
    mirror = arguments.mirror or stanford_dogs.ADDRESS
    print(from_here(stanford_dogs.download(arguments.root or paths.data(), mirror, checksums)))


def check(arguments: argparse.Namespace) -> None:
    """Opens every photo and lists what is broken, odd or there twice; status 1 where a training would be harmed."""
    from dogbreeds.data import audit, datasets

    dataset = datasets.load(arguments.photos, arguments.breeds, leave_out_broken=True)
    findings = audit.check(dataset)
    if len(findings):
        print(findings.to_string(index=False))
    harmful = int(findings["harmful"].sum())
    print(f"{len(dataset.photos)} photos of {len(dataset.breeds)} breeds: {len(findings)} findings, {harmful} harmful")
    if harmful:
        raise SystemExit(1)


def describe(arguments: argparse.Namespace) -> None:
    """Counts the photos of each breed and split, with their sizes and boxes."""
    from dogbreeds.data import audit, datasets, splits

    dataset = datasets.load(arguments.photos, arguments.breeds)
    table = audit.describe(dataset)
    print(table.round(2).to_string())
    counts = ", ".join(f"{table[split].sum()} {split}" for split in splits.SPLITS)
    print(f"{len(dataset.photos)} {dataset.kind} of {len(dataset.breeds)} breeds: {counts}")
