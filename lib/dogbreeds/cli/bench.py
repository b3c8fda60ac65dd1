"""The commands `dogbreeds bench speed|scaling|accuracy|decoding|deployment|gpu`."""

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from dogbreeds import paths
from dogbreeds.cli.options import add_profile_options, study_of
from dogbreeds.errors import StudyError, TrainingsFailed
from dogbreeds.models import ARCHITECTURES, FRAMEWORKS

SUMMARY = "Measures the speed of training and of decoding, how the cost scales, and whether speed costs accuracy."
SPEED = "Measures the training throughput of this library, of reference pipelines and of a compute-only upper bound."
SCALING = "Measures how the cost of a training scales with the number of photos and breeds and with the batch size."
ACCURACY = "Compares the test accuracy of this library with that of a baseline pipeline, over three seeds."
DECODING = "Measures how many photos 1, 2, 4, ... processes decode per second, up to one process per core."
DEPLOYMENT = """Measures, in turns, for each network of a study: the export to ONNX, the file, the start of a service,
and its answers. Trains the networks that are missing."""
GPU = """Runs the GPU tests, the benchmark, the study of drawn dogs and, with --photos, a study of photographs, each
within a time limit. Without a GPU the same parts run at tiny sizes, as a rehearsal."""


def add_parser(commands: argparse._SubParsersAction) -> None:
    bench = commands.add_parser("bench", help=SUMMARY, description=SUMMARY)
    measured = bench.add_subparsers(required=True, title="commands", metavar="command")

    parser = _add_command(measured, speed, SPEED)
    _add_training(parser)
    rounds = "timed epochs per pipeline, after one warm-up epoch (default: 3)"
    parser.add_argument("--rounds", type=int, default=3, help=rounds)
    network = "network to measure, may be repeated (default: all three)"
    parser.add_argument("--architecture", action="append", choices=ARCHITECTURES, help=network)
    framework = "framework to measure (default: both)"
    parser.add_argument("--framework", choices=FRAMEWORKS, help=framework)
    references = "measure only this library and the upper bound"
    parser.add_argument("--without-references", action="store_true", help=references)
    _add_workers(parser)

    parser = _add_command(measured, scaling, SCALING)
    _add_training(parser)
    most = "largest number of photos to measure (required)"
    parser.add_argument("--up-to", type=int, required=True, metavar="PHOTOS", help=most)

    parser = _add_command(measured, accuracy, ACCURACY)
    _add_training(parser)
    parser.add_argument("--epochs", type=int, required=True, help="number of epochs of each training (required)")
    _add_workers(parser)

    _add_command(measured, decoding, DECODING)

    _add_deployment(measured)

    parser = measured.add_parser("gpu", help=GPU, description=GPU)
    parser.set_defaults(function=gpu)
    parser.add_argument("--photos", metavar="FOLDER", help="folder of photographs by breed (default: none)")
    seconds = "time limit of the study of photographs (default: 3600)"
    parser.add_argument("--seconds", type=int, default=3600, help=seconds)


def _add_command(commands: argparse._SubParsersAction, function, summary: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(function.__name__, help=summary, description=summary)
    parser.set_defaults(function=function)
    parser.add_argument("--photos", default="drawn_dogs", help="folder of photos by breed (default: drawn_dogs)")
    parser.add_argument("--photos-per-breed", type=int, default=0, help="number of photos per breed (default: all)")
    parser.add_argument("--size", type=int, default=96, help="height and width in pixels (default: 96)")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON (default: a table)")
    return parser


def _add_deployment(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("deployment", help=DEPLOYMENT, description=DEPLOYMENT)
    parser.set_defaults(function=deployment)
    add_profile_options(parser)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured, in turns (default: 5)")


def _add_training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--batch-size", type=int, default=32, help="photos per batch (default: 32)")
    parser.add_argument("--precision", default="float32", help="float32 or bfloat16 (default: float32)")


def _add_workers(parser: argparse.ArgumentParser) -> None:
    workers = "processes that read photos in the reference and baseline pipelines (default: one per core)"
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help=workers)


def speed(arguments: argparse.Namespace) -> None:
    from dogbreeds.benchmarks import throughput
    from dogbreeds.figures import benchmarks as charts

    if arguments.rounds < 1:
        raise StudyError(f"--rounds {arguments.rounds} must be 1 or more")
    study = _training(arguments)
    which = {"references": not arguments.without_references}
    if arguments.architecture:
        which["architectures"] = arguments.architecture
    if arguments.framework:
        which["frameworks"] = [arguments.framework]
    for table in throughput.measure(study, arguments.rounds, arguments.workers, **which):
        study.save_table("bench", table)
    study.save("bench", charts.throughput(table))
    _print(arguments, study, table, table[throughput.COLUMNS])


def scaling(arguments: argparse.Namespace) -> None:
    from dogbreeds.benchmarks import scaling
    from dogbreeds.figures import benchmarks as charts

    study = _training(arguments)
    for sizes in scaling.measure(study, arguments.up_to):
        study.save_table("scaling", sizes)
    study.save("scaling", charts.scaling(sizes))
    table = study.save_table("scaling_fitted", scaling.fitted(sizes))
    _print(arguments, study, table, table)


def accuracy(arguments: argparse.Namespace) -> None:
    from dogbreeds.benchmarks import baseline_accuracy

    study = _training(arguments, epochs=arguments.epochs)
    for each, table in baseline_accuracy.measure(study, arguments.workers):
        study.save_table("accuracy", each)
        study.save_table("accuracy_difference", table)
    _print(arguments, study, table, table)


def decoding(arguments: argparse.Namespace) -> None:
    from dogbreeds.benchmarks import decoding

    study = _study(arguments)
    table = study.save_table("decoding", decoding.measure(study))
    _print(arguments, study, table, table)


def deployment(arguments: argparse.Namespace) -> None:
    from dogbreeds.analysis.deployment import FEWEST_ROUNDS, readable_ratios, summary
    from dogbreeds.benchmarks import deployment

    if arguments.rounds < FEWEST_ROUNDS:
        raise StudyError(f"--rounds {arguments.rounds} must be {FEWEST_ROUNDS} or more")
    study, _ = study_of(arguments)
    table = study.save_table("deployment", deployment.measure(study, arguments.rounds))
    print(summary(table).T.to_string(header=False))
    if study.is_full_comparison:
        print(f"\n{readable_ratios(table).to_string(index=False)}")
    print(f"saved in {paths.from_here(study.folder)}", file=sys.stderr)


def gpu(arguments: argparse.Namespace) -> None:
    import torch

    from dogbreeds.benchmarks import gpu

    if arguments.seconds < 1:
        raise StudyError(f"--seconds {arguments.seconds} must be 1 or more")
    photos = arguments.photos and str(Path(arguments.photos).expanduser().resolve())
    if photos and not Path(photos).is_dir():
        raise StudyError(f"{arguments.photos} is not a folder: give a folder of photographs by breed")
    folder = paths.outputs().resolve() / "gpu" / datetime.now(UTC).strftime("%Y-%m-%d_%H-%M-%S")
    if not (on_a_gpu := torch.cuda.is_available()):
        print("no GPU: a rehearsal at tiny sizes, whose results are not meaningful", file=sys.stderr)
    table = gpu.measure(folder, gpu.parts(photos, arguments.seconds, on_a_gpu))
    print(f"{table.to_string(index=False)}\n\nsaved in {paths.from_here(folder)}")
    ends = table[(table["measure"] == "end") & (table["part"] != "photographs")]["result"]
    if not ends.str.startswith("finished").all():
        raise TrainingsFailed("parts failed or were stopped at their limit: see their logs")


def _training(arguments: argparse.Namespace, **recipe):
    recipe |= {"batch_size": arguments.batch_size, "patience": 0, "precision": arguments.precision}
    return _study(arguments, **recipe)


def _study(arguments: argparse.Namespace, **recipe):
    from dogbreeds.study import Study

    return Study(
        profile="bench",
        photos=arguments.photos,
        photos_per_breed=arguments.photos_per_breed,
        image_size=arguments.size,
        recipe=recipe,
        seeds=[0, 1, 2],
    )


def _print(arguments: argparse.Namespace, study, table, shown) -> None:
    print(table.to_json(orient="records", indent=1) if arguments.json else shown.round(3).to_string(index=False))
    print(f"saved in {paths.from_here(study.folder)}", file=sys.stderr)
