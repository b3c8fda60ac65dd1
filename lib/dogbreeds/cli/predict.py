"""The command `dogbreeds predict`."""

import argparse
import json
from pathlib import Path

from dogbreeds.errors import StudyError
from dogbreeds.paths import from_here

SUMMARY = "Predicts the breed of each photo with a trained network; saves a class activation map of each, or a table."
TOP = 5  # breeds in text and JSON


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("predict", help=SUMMARY, description=SUMMARY)
    parser.set_defaults(function=predict)
    photos = "photo file to classify; with --csv also a folder, for all photos below it"
    parser.add_argument("photos", nargs="+", type=Path, metavar="photo", help=photos)
    network = parser.add_mutually_exclusive_group(required=True)
    network.add_argument("--run", help="folder or id of a finished run")
    model = "file that dogbreeds export wrote; needs neither PyTorch nor Keras, and saves no activation maps"
    network.add_argument("--model", type=Path, metavar="FILE.onnx", help=model)
    top = f"number of breeds to report as text or JSON (default: {TOP}); a table always has three"
    parser.add_argument("--top", type=int, metavar="N", help=top)
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print a JSON list of predictions (default: plain text)")
    table = "write a table with one row per photo to FILE, which appears at the end; no activation maps are saved"
    output.add_argument("--csv", type=Path, metavar="FILE", help=table)


def predict(arguments: argparse.Namespace) -> None:
    if arguments.csv:
        write_table(arguments)
    else:
        show(arguments)


def write_table(arguments: argparse.Namespace) -> None:
    """Writes one row per photo to a CSV file and prints how many there are."""
    from dogbreeds.analysis import prediction_table
    from dogbreeds.data.photo_files import shown

    if arguments.top is not None:
        raise StudyError("a table always has three breeds: leave out --top or --csv")
    photos = photos_of(arguments.photos)
    errors, outside = prediction_table.write(_classifier(arguments), photos, arguments.csv)
    file = shown(Path(from_here(arguments.csv)))
    print(f"{len(photos)} photos, {errors} with an error, {outside} out of distribution: {file}")


def photos_of(given: list[Path]) -> list[Path]:
    """Returns the files in `given` and all photos below the folders in it, each once, those of a folder by path.

    Raises StudyError for a path that does not exist and for a folder without photos.
    """
    from dogbreeds.data.file_names import photos_below
    from dogbreeds.data.photo_files import shown

    photos = []
    for path in given:
        if not path.is_file() and not path.is_dir():
            raise StudyError(f"{shown(path)} does not exist: give the path of a photo or of a folder")
        below = sorted(photos_below(path)) if path.is_dir() else [path]
        if not below:
            raise StudyError(f"{shown(path)} contains no photos: give a folder that does")
        photos += below
    return list(dict.fromkeys(photos))


def _classifier(arguments: argparse.Namespace):
    """The exported network, or that of the run."""
    if arguments.model:
        from dogbreeds.deployment.onnx_classifier import OnnxClassifier

        return OnnxClassifier(arguments.model)
    from dogbreeds.analysis import prediction

    return prediction.TrainedNetwork(prediction.find_run(arguments.run))


def show(arguments: argparse.Namespace) -> None:
    """Prints the predictions as text or JSON; those of a run also have a class activation map, which is saved."""
    from dogbreeds.data.photo_files import shown

    top = TOP if arguments.top is None else arguments.top
    if top < 1:
        raise StudyError(f"--top {top} must be 1 or more")
    if folders := [photo for photo in arguments.photos if photo.is_dir()]:
        raise StudyError(f"{shown(folders[0])} is a folder: add --csv FILE for a table of the photos in it")
    rows = _answers(arguments, top) if arguments.model else _explained_answers(arguments, top)
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(f"{row['photo']}: {', '.join(f'{breed} {share:.1%}' for breed, share in row['breeds'].items())}")
        if row["out_of_distribution"]:
            print("  out of distribution: the photo differs from the training photos; do not rely on this prediction")
        if "map" in row:
            print(f"  class activation map: {from_here(Path(row['map']))}")


def _answers(arguments: argparse.Namespace, top: int) -> list[dict]:
    """The answers of an exported network; this path imports neither PyTorch nor Keras."""
    from dogbreeds.analysis.classifier import images_of, most_likely, out_of_distribution

    network = _classifier(arguments)
    logits = network.logits(images_of(network, arguments.photos))
    flagged = out_of_distribution(network, logits)
    return [
        {"photo": str(photo), "breeds": most_likely(row, network.breeds, top), "out_of_distribution": bool(flag)}
        for photo, row, flag in zip(arguments.photos, logits, flagged, strict=True)
    ]


def _explained_answers(arguments: argparse.Namespace, top: int) -> list[dict]:
    """The answers of the network of a run, with the files of their class activation maps."""
    from dogbreeds import figures, paths
    from dogbreeds.analysis import prediction

    run = prediction.find_run(arguments.run)
    found = prediction.predict(run, arguments.photos)
    folder = paths.outputs() / "predictions"
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for photo, one in zip(arguments.photos, found, strict=True):
        drawn = folder / f"{prediction.short_name(photo)}-{run.id}.png"
        figures.prediction(one, run.title).savefig(drawn, dpi=150)
        answer = {"photo": str(photo), "breeds": one.best(top)}
        rows.append(answer | {"out_of_distribution": one.out_of_distribution, "map": str(drawn)})
    return rows
