"""The command line `dogbreeds`: study, slides, train, sweep, predict, data, bench. Bad input is a line and status 2."""

# Commands import what they need themselves: `--help` answers at once, and the processes that draw and train, which
# read this file again, do not load papermill each time.

import argparse
import json
import os
import re
import sys
from itertools import chain
from pathlib import Path

import yaml

from dogbreeds.cli.data import add_data_commands
from dogbreeds.errors import StudyError
from dogbreeds.models import ARCHITECTURES, FRAMEWORKS
from dogbreeds.paths import from_here


def study(arguments: argparse.Namespace, parameters: dict) -> None:
    """Runs the notebooks and the slides, gathers them in a report, and prints the result table and what to open."""
    from dogbreeds.analysis import tables
    from dogbreeds.presentation import report
    from dogbreeds.presentation import slides as presentation
    from dogbreeds.presentation.deck import Deck
    from dogbreeds.study import Study, notebooks

    deck = Deck(arguments.language)  # refused before anything is trained
    written = [*notebooks.run_study(parameters), *presentation.render(parameters, deck)]
    written.insert(0, report.write(Study(**parameters), written))
    table = tables.result_table(Study(**parameters).runs())
    print(f"\n{tables.format_table(table)}\n\nopen:")
    for path in written:
        print(f"  {from_here(path)}")


def slides(arguments: argparse.Namespace, parameters: dict) -> None:
    """Renders the presentation from the results of a study."""
    from dogbreeds.presentation import slides as presentation
    from dogbreeds.presentation.deck import Deck

    for path in presentation.render(parameters, Deck(arguments.language), arguments.pdf):
        print(from_here(path))


def train(arguments: argparse.Namespace, parameters: dict) -> None:
    """Trains one network in one framework; the last line is the folder of the run."""
    from dogbreeds.study import Study
    from dogbreeds.training.devices import Devices
    from dogbreeds.training.recipe import changed

    changes = _changes("--set", arguments.set)
    parameters |= {"recipe": changed(parameters["recipe"], changes)}
    which = (arguments.architecture, arguments.framework, arguments.seed, arguments.weights)
    study = Study(**parameters, out=arguments.out)
    print(study.train_here(*which, Devices(arguments.devices, arguments.nodes)).folder)


def sweep(arguments: argparse.Namespace, parameters: dict) -> None:
    """Spreads the trainings of a study over the machines of a Ray cluster, or over this one, and prints the result."""
    from dogbreeds.analysis import tables
    from dogbreeds.study import Study
    from dogbreeds.training import ray_executor

    if arguments.seeds:
        parameters |= {"seeds": _seeds(arguments.seeds)}
    study = Study(**parameters)
    ray_executor.train_all(study.plan(), study.store, arguments.address)
    print(f"\n{tables.format_table(tables.result_table(study.runs()))}")


def _seeds(words: str) -> list[int]:
    """`0-4` and `0,2` as lists."""
    parts = [re.fullmatch(r"(\d+)(?:-(\d+))?", part) for part in words.split(",")]
    found = [list(range(int(each[1]), int(each[2] or each[1]) + 1)) if each else [] for each in parts]
    seeds = list(chain.from_iterable(found))
    if not all(found) or len(set(seeds)) < len(seeds):
        raise StudyError(f"--seeds {words}: write them as 0-4 or 0,2,5, each once")
    return seeds


def bench(arguments: argparse.Namespace) -> None:
    """Times the training of each network, ours and as others do it, beside what the device can do."""
    from dogbreeds.benchmarks import baseline_accuracy, scaling
    from dogbreeds.benchmarks import throughput as benchmark
    from dogbreeds.study import Study

    if arguments.rounds < 1:
        raise StudyError(f"--rounds {arguments.rounds} must be 1 or more")
    recipe = {"batch_size": arguments.batch_size, "patience": 0, "precision": arguments.precision}
    recipe |= {"epochs": arguments.accuracy} if arguments.accuracy else {}
    study = Study("bench", arguments.photos, [], arguments.photos_per_breed, arguments.size, recipe, [0, 1, 2])
    if arguments.growth:
        for sizes in scaling.measure(study, arguments.growth):
            study.save_table("growth", sizes)
        study.save("growth", scaling.chart(sizes))
        table = shown = study.save_table("growth_fitted", scaling.fitted(sizes))
    elif arguments.accuracy:
        for each, table in baseline_accuracy.measure(study, arguments.workers):
            study.save_table("accuracy", each)
            shown = study.save_table("accuracy_difference", table)
    else:
        for table in benchmark.measure(study, arguments.rounds, arguments.workers):
            study.save_table("bench", table)
        study.save("bench", benchmark.chart(table))
        shown = table[benchmark.COLUMNS]
    print(table.to_json(orient="records", indent=1) if arguments.json else shown.round(3).to_string(index=False))
    print(f"kept in {from_here(study.folder)}", file=sys.stderr)


def predict(arguments: argparse.Namespace) -> None:
    """Names the breed of photos by a trained network, and draws where it looked."""
    from dogbreeds import figures, paths
    from dogbreeds.analysis import prediction as trained

    if arguments.top < 1:
        raise StudyError(f"--top {arguments.top} must be 1 or more")
    run = trained.find_run(arguments.run)
    found = trained.predict(run, arguments.photos)
    folder = paths.outputs() / "predictions"
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for photo, one in zip(arguments.photos, found, strict=True):
        drawn = folder / f"{trained.short_name(photo)}-{run.id}.png"
        figures.prediction(one, run.title).savefig(drawn, dpi=150)
        rows.append({"photo": str(photo), "breeds": one.best(arguments.top), "unlike": one.unlike, "map": str(drawn)})
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(f"{row['photo']}: {', '.join(f'{breed} {share:.1%}' for breed, share in row['breeds'].items())}")
        if row["unlike"]:
            print("  unlike the photos it was trained on: do not rely on this")
        print(f"  where it looked: {from_here(Path(row['map']))}")


def _changes(option: str, pairs: list[str]) -> dict:
    changes = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise StudyError(f"{option} {pair}: write it as name=value")
        try:
            changes[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise StudyError(f"{option} {pair}: the value is no YAML") from error
    return changes


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dogbreeds", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    add_data_commands(commands)
    _add_bench(commands)
    _add_predict(commands)
    for function in (study, slides, train, sweep):
        command = commands.add_parser(function.__name__, help=function.__doc__, description=function.__doc__)
        command.set_defaults(function=function, of_a_profile=True)
        command.add_argument("--profile", default="sample", help="a file of notebooks/profiles (default: sample)")
        command.add_argument("--photos", help="folder with one sub-folder of photographs a breed")
        command.add_argument(
            "--parameter",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="another value for a notebook parameter, in YAML",
        )
        if function in (study, slides):
            command.add_argument("--language", default="fr", help="of the presentation: fr (default) or en")
        if function is slides:
            command.add_argument("--pdf", action="store_true", help="print it with Chromium, too")
        if function is sweep:
            command.add_argument("--seeds", help="0-4, or 0,2,5 (default: the profile's)")
            command.add_argument("--address", help="of a Ray cluster, host:port (default: this machine alone)")
        if function is train:
            command.add_argument("--architecture", required=True, help=", ".join(ARCHITECTURES))
            command.add_argument("--framework", required=True, help=", ".join(FRAMEWORKS))
            command.add_argument("--seed", type=int, default=0)
            start = "scratch (default), other-breeds, imagenet, a run's id or a file"
            command.add_argument("--weights", default="scratch", help=start)
            change = {"action": "append", "default": [], "metavar": "FIELD=VALUE"}
            command.add_argument("--set", **change, help="another value for a field of the recipe")
            command.add_argument("--out", type=Path, help="the folder of runs (default: outputs/<profile>/runs)")
            command.add_argument("--devices", type=int, default=1, help="so many on each node train together")
            command.add_argument("--nodes", type=int, default=1, help="so many machines, each started by torchrun")
    return parser


def _add_bench(commands) -> None:
    command = commands.add_parser("bench", help=bench.__doc__, description=bench.__doc__)
    command.set_defaults(function=bench, of_a_profile=False)
    command.add_argument("--photos", default="drawn_dogs", help="folder of photographs (default: drawn_dogs)")
    command.add_argument("--photos-per-breed", type=int, default=0, help="so many of each breed (default: all)")
    command.add_argument("--size", type=int, default=96, help="pixels a side (default: 96)")
    command.add_argument("--batch-size", type=int, default=32)
    command.add_argument("--precision", default="float32", help="float32 (default) or bfloat16")
    command.add_argument("--rounds", type=int, default=3, help="turns of an epoch that count (default: 3)")
    workers = "processes that read photos for the others (default: one a core)"
    command.add_argument("--workers", type=int, default=os.cpu_count(), help=workers)
    command.add_argument(
        "--growth", type=int, default=0, metavar="PHOTOS", help="instead: cost as sizes grow to so many"
    )
    accuracy = "instead: accuracy after so many epochs, ours and the plain way, three seeds"
    command.add_argument("--accuracy", type=int, default=0, metavar="EPOCHS", help=accuracy)
    command.add_argument("--json", action="store_true", help="print all that was measured, as a list of rows")


def _add_predict(commands) -> None:
    command = commands.add_parser("predict", help=predict.__doc__, description=predict.__doc__)
    command.set_defaults(function=predict, of_a_profile=False)
    command.add_argument("photos", nargs="+", type=Path, metavar="photo")
    command.add_argument("--run", required=True, help="the folder of a run, or its id")
    command.add_argument("--top", type=int, default=5, help="so many breeds (default: 5)")
    command.add_argument("--json", action="store_true", help="as a list of rows")


def main(words: list[str] | None = None) -> int:
    arguments = _parser().parse_args(words)
    try:
        if not arguments.of_a_profile:
            arguments.function(arguments)
            return 0
        from dogbreeds.study import notebooks

        parameters = notebooks.read_profile(
            arguments.profile, arguments.photos, _changes("--parameter", arguments.parameter)
        )
        arguments.function(arguments, parameters)
    except StudyError as error:
        print(f"dogbreeds: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print("dogbreeds: stopped; what was finished is kept, start again to go on", file=sys.stderr)
        return 130
    return 0
