"""Exports the network of a run to a file that other programs run, and compares the file with the run first."""

import warnings
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx_ir
from jaxtyping import Float
from onnx_ir.passes.common import ClearMetadataAndDocStringPass

from dogbreeds.analysis import intervals, prediction
from dogbreeds.data import pixel_cache
from dogbreeds.data.datasets import Dataset
from dogbreeds.data.photo_files import shown
from dogbreeds.deployment import model_card
from dogbreeds.deployment.metadata import INPUT, KEY, OUTPUTS, Metadata
from dogbreeds.deployment.onnx_classifier import OnnxClassifier
from dogbreeds.errors import StudyError
from dogbreeds.models import TITLES, keras_runtime
from dogbreeds.training import inference
from dogbreeds.training.runs import Run

SUFFIXES = {"onnx": ".onnx", "torch": ".pt2", "keras": ".keras"}  # by format
TOLERANCE = 1e-4  # of a logit, absolute and relative


def export(
    run: Run, dataset: Dataset, form: str, folder: Path, batch: int | None = None, force: bool = False
) -> tuple[Path, str]:
    """Writes the network of `run` and its model card to `folder`; returns the file and what was compared with the run.

    `dataset` has the photos that the run was trained on, and `form` is one of SUFFIXES. "onnx" is written by the
    framework of the run, "torch" and "keras" by the framework of that name. The network accepts batches of `batch`
    images, or of any number. Both files appear at the end, after the new file gave the stored logits of all test photos
    to TOLERANCE, and the same breeds.

    Raises StudyError if it did not, if a file exists already and `force` is not set, if the dataset is not that of the
    run, if the run has no weights, and if the format cannot be written here.
    """
    file = folder / f"{run.id}{SUFFIXES[form]}"
    card = file.with_name(f"{file.name}.md")
    existing = [path for path in (file, card) if path.exists()]
    if existing and not force:
        raise StudyError(f"{shown(existing[0])} exists: choose another folder with --out, or replace it with --force")
    _require_dataset(run, dataset)
    metadata = metadata_of(run)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder, prefix=".unfinished-") as place, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporters, about their own code
            unfinished = Path(place) / file.name
            write(run, form, unfinished, batch, metadata)
            checked = check(run, dataset, form, unfinished, batch)
            text = model_card.text(run, dataset, metadata, file.name, batch, checked)
            (Path(place) / card.name).write_text(text, encoding="utf-8")
            (Path(place) / card.name).replace(card)
            unfinished.replace(file)
    except OSError as error:
        raise StudyError(f"{shown(file)} cannot be written ({error.strerror}): choose another place") from error
    return file, checked


def metadata_of(run: Run) -> Metadata:
    """Returns what a file says about the network of `run`. Raises StudyError if the run is too old to know it."""
    record, correct = run.record, run.correct()
    return Metadata(
        run=run.id,
        network=TITLES[record["architecture"]],
        framework=TITLES[record["framework"]],
        breeds=record["breeds"],
        image_size=record["image_size"],
        crop=prediction.crop_without_box(run),
        trained_on_boxes=record["crop"] == "box",
        least_evidence=prediction.least_evidence(run),
        test_accuracy=float(correct.mean()),
        test_accuracy_interval=tuple(intervals.accuracy_interval(int(correct.sum()), len(correct))),
        test_photos=len(correct),
        commit=record["commit"],
    )


def write(run: Run, form: str, file: Path, batch: int | None, metadata: Metadata) -> None:
    """Writes the network of `run` to `file`, unchecked."""
    framework = run.record["framework"] if form == "onnx" else _framework(form)
    model, exporter = complete_network(run, framework)
    if form == "onnx":
        if framework == "keras":
            _require_converter()
        exporter.to_onnx(model, run.record["image_size"], batch, file)
        _add_metadata(file, metadata)
    else:
        exporter.to_own_format(model, run.record["image_size"], batch, file, metadata.to_json())


def complete_network(run: Run, framework: str):
    """Returns the network of `run` with preprocessing and softmax, and the module that exports it from a framework."""
    exporter, config = exporter_of(framework), run.config
    what = (config.architecture, config.recipe.preprocessing, config.image_size)
    return exporter.with_preprocessing(inference.load(run, framework), *what), exporter


def exporter_of(framework: str):
    """Returns the module that exports from a framework, without importing the other one."""
    return import_module(f"dogbreeds.deployment.{framework}_export")


def _framework(form: str) -> str:
    return "pytorch" if form == "torch" else "keras"


def _require_converter() -> None:
    """Raises StudyError if Keras cannot export to ONNX on its backend."""
    converter = {"tensorflow": "tf2onnx", "jax": "jax2onnx"}.get(keras_runtime.backend())
    try:
        if converter:
            import_module(converter)
    except ImportError as error:
        remedy = f"install {converter}, or set KERAS_BACKEND=torch"
        raise StudyError(f"Keras needs {converter} to export to ONNX, and it is not here: {remedy}") from error


def _add_metadata(file: Path, metadata: Metadata) -> None:
    """Adds the metadata, gives input and outputs their names, and removes what names folders of this machine."""
    model = ClearMetadataAndDocStringPass()(onnx_ir.load(file)).model
    for value, name in zip((*model.graph.inputs, *model.graph.outputs), (INPUT, *OUTPUTS), strict=True):
        value.name = name
    model.metadata_props[KEY] = metadata.to_json()
    onnx_ir.save(model, file)


def _require_dataset(run: Run, dataset: Dataset) -> None:
    if run.record["fingerprint"] != dataset.fingerprint:
        choices = "with --profile, --photos and --parameter"
        raise StudyError(f"{run.id} was trained on other photos than {dataset.name} with these settings: say {choices}")


def check(run: Run, dataset: Dataset, form: str, file: Path, batch: int | None) -> str:
    """Returns a sentence on how far the logits of an exported file are from those of the run, on all test photos.

    Raises StudyError if a logit differs by more than TOLERANCE, absolute and relative, or if a breed differs, unless
    the two best logits of the run are as close as that.
    """
    images = pixel_cache.load(dataset, run.record["image_size"], run.record["crop"])[dataset.rows("test")]
    found, stored = logits(form, file, images, batch), run.logits()
    allowed = TOLERANCE * (1 + abs(stored))
    apart, far = abs(found - stored), (abs(found - stored) > allowed).any(axis=1)
    best = np.sort(stored, axis=1)
    tied = best[:, -1] - best[:, -2] <= 2 * allowed.max(axis=1)
    other = (found.argmax(axis=1) != stored.argmax(axis=1)) & ~tied
    if far.any() or other.any():
        remedy = "it was not written; export it with the package versions that the run records, or train it again"
        raise StudyError(
            f"the exported network differs from {run.id}: by up to {apart.max():.2g} in a logit, "
            f"{int(other.sum())} of {len(images)} breeds: {remedy}"
        )
    return (
        f"On all {len(images)} test images its logits differ from those of the run by at most {apart.max():.1g}, "
        "and the breeds are the same."
    )


def logits(form: str, file: Path, images: np.ndarray, batch: int | None = None) -> Float[np.ndarray, "photos breeds"]:
    """Returns the logits of images from an exported file, computed by the engine of its format."""
    if form == "onnx":
        return OnnxClassifier(file).logits(images)
    run, step, parts = exporter_of(_framework(form)).load_own_format(file), batch or 32, []
    for start in range(0, len(images), step):
        some = images[start : start + step]
        filled = np.concatenate([some, np.zeros((step - len(some), *some.shape[1:]), np.uint8)]) if batch else some
        parts.append(run(filled)[: len(some)])
    return np.concatenate(parts)
