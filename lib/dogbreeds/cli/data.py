"""The commands `dogbreeds data download|check|describe`."""

import argparse

from dogbreeds.cli.options import LABELS
from dogbreeds.paths import from_here

SUMMARY = "Downloads, checks or describes a data set of photos."


def add_parser(commands: argparse._SubParsersAction) -> None:
    data = commands.add_parser("data", help=SUMMARY, description=SUMMARY)
    verbs = data.add_subparsers(required=True, title="commands", metavar="command")

    _add_command(verbs, download)

    for function in (check, describe):
        parser = _add_command(verbs, function)
        photos = "folder of photos, stanford_dogs or drawn_dogs (default: stanford_dogs)"
        parser.add_argument("--photos", default="stanford_dogs", help=photos)
        breeds = "names of the breeds to include (default: all)"
        parser.add_argument("--breeds", nargs="+", default=[], metavar="BREED", help=breeds)
        parser.add_argument("--labels", default="", metavar="FILE", help=LABELS)
        breed_from = "what names the breed of a photo: its folder or its filename (default: folder)"
        parser.add_argument("--breed-from", choices=("folder", "filename"), default="folder", help=breed_from)
        small = "leave out breeds with too few photos (default: stop with an error)"
        parser.add_argument("--leave-out-small", action="store_true", help=small)


def _add_command(commands: argparse._SubParsersAction, function) -> argparse.ArgumentParser:
    parser = commands.add_parser(function.__name__, help=function.__doc__, description=function.__doc__)
    parser.set_defaults(function=function)
    return parser


def download(arguments: argparse.Namespace) -> None:
    """Downloads Stanford Dogs (816 MB), verifies the archives, and extracts them to data/ or DOGBREEDS_DATA."""
    from dogbreeds.data import stanford_dogs

    print(from_here(stanford_dogs.download()))


def check(arguments: argparse.Namespace) -> None:
    """Lists broken, unusual and duplicate photos; exits with status 1 if any of them would harm a training."""
    from dogbreeds.data import audit, datasets

    dataset = datasets.load(**_selection(arguments), leave_out_broken=True)
    findings = audit.check(dataset)
    if len(findings):
        print(findings.to_string(index=False))
    harmful = int(findings["harmful"].sum())
    print(f"{len(dataset.photos)} photos of {len(dataset.breeds)} breeds: {len(findings)} findings, {harmful} harmful")
    if harmful:
        raise SystemExit(1)


def describe(arguments: argparse.Namespace) -> None:
    """Prints the number of photos per breed and split, photo sizes, bounding boxes, and where each split comes from."""
    from dogbreeds.data import audit, datasets, splits

    dataset = datasets.load(**_selection(arguments))
    table = audit.describe(dataset)
    print(table.round(2).to_string())
    counts = ", ".join(f"{table[split].sum()} {split}" for split in splits.SPLITS)
    print(f"{len(dataset.photos)} {dataset.kind} of {len(dataset.breeds)} breeds: {counts}")
    for split, source in dataset.split_origin.items():
        print(f"{split}: {source}")


def _selection(arguments: argparse.Namespace) -> dict:
    return {name: getattr(arguments, name) for name in ("photos", "breeds", "labels", "breed_from", "leave_out_small")}
