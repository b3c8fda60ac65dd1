"""The command `dogbreeds predict`."""

import argparse
import json
from pathlib import Path

from dogbreeds.errors import StudyError
from dogbreeds.paths import from_here

SUMMARY = "Predicts the breed of each photo with a trained network, and saves a class activation map of each."


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("predict", help=SUMMARY, description=SUMMARY)
    parser.set_defaults(function=predict)
    parser.add_argument("photos", nargs="+", type=Path, metavar="photo", help="photo file to classify")
    parser.add_argument("--run", required=True, help="folder or id of a finished run (required)")
    parser.add_argument("--top", type=int, default=5, metavar="N", help="number of breeds to report (default: 5)")
    parser.add_argument("--json", action="store_true", help="print a JSON list of predictions (default: plain text)")


def predict(arguments: argparse.Namespace) -> None:
    from dogbreeds import figures, paths
    from dogbreeds.analysis import prediction

    if arguments.top < 1:
        raise StudyError(f"--top {arguments.top} must be 1 or more")
    run = prediction.find_run(arguments.run)
    found = prediction.predict(run, arguments.photos)
    folder = paths.outputs() / "predictions"
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for photo, one in zip(arguments.photos, found, strict=True):
        drawn = folder / f"{prediction.short_name(photo)}-{run.id}.png"
        figures.prediction(one, run.title).savefig(drawn, dpi=150)
        answer = {"photo": str(photo), "breeds": one.best(arguments.top)}
        rows.append(answer | {"out_of_distribution": one.out_of_distribution, "map": str(drawn)})
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(f"{row['photo']}: {', '.join(f'{breed} {share:.1%}' for breed, share in row['breeds'].items())}")
        if row["out_of_distribution"]:
            print("  out of distribution: the photo differs from the training photos; do not rely on this prediction")
        print(f"  class activation map: {from_here(Path(row['map']))}")
