"""The command `dogbreeds export`."""

import argparse
from pathlib import Path

from dogbreeds.cli.options import add_profile_options, study_of
from dogbreeds.errors import StudyError
from dogbreeds.paths import from_here

SUMMARY = "Exports the network of a run to a file for other programs, checks the file, and adds a model card."
FORMATS = ("onnx", "torch", "keras")  # of export.SUFFIXES, which is slow to import


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("export", help=SUMMARY, description=SUMMARY)
    parser.set_defaults(function=export)
    parser.add_argument("--run", required=True, help="folder or id of a finished run (required)")
    form = "onnx, torch (a torch.export program) or keras (a .keras file) (required)"
    parser.add_argument("--format", required=True, choices=FORMATS, help=form)
    out = "folder for the file and its model card (default: outputs/exports)"
    parser.add_argument("--out", type=Path, metavar="DIR", help=out)
    batch = "number of images that the network accepts at a time, or dynamic for any (default: dynamic)"
    parser.add_argument("--batch", type=_batch, metavar="N", help=batch)
    parser.add_argument("--force", action="store_true", help="replace an existing file (default: refuse)")
    add_profile_options(parser)


def _batch(word: str) -> int | None:
    from dogbreeds.deployment.metadata import LARGEST_BATCH

    if word == "dynamic":
        return None
    if not word.isdecimal() or not 0 < int(word) <= LARGEST_BATCH:
        raise argparse.ArgumentTypeError(f"'{word}' is neither dynamic nor a number from 1 to {LARGEST_BATCH}")
    return int(word)


def export(arguments: argparse.Namespace) -> None:
    from dogbreeds import paths
    from dogbreeds.analysis import prediction
    from dogbreeds.deployment import export

    run = prediction.find_run(arguments.run)
    if not (arguments.profile or arguments.photos):
        arguments.profile = _profile(run, paths.PROFILES)
    study, _ = study_of(arguments)
    folder = arguments.out or paths.outputs() / "exports"
    file, compared = export.export(run, study.dataset, arguments.format, folder, arguments.batch, arguments.force)
    print(compared)
    print(f"{from_here(file)} ({file.stat().st_size / 1e6:.0f} MB), model card {from_here(file)}.md")


def _profile(run, profiles: Path) -> str:
    """The profile whose outputs contain the run: its photos are those of the run, unless others were given."""
    name = run.folder.resolve().parent.parent.name
    if not (profiles / f"{name}.yaml").is_file():
        raise StudyError(f"the photos of {run.id} are not known: give them with --photos and --profile")
    return name
