"""Exports the network of a run to a file that other programs run, and compares the file with the run first."""

import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import onnx_ir
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from pydantic import ValidationError
from scipy.special import softmax

from dogbreeds.analysis import intervals, prediction
from dogbreeds.data import pixel_cache
from dogbreeds.data.datasets import Dataset
from dogbreeds.data.photo_files import shown
from dogbreeds.deployment import batches, model_card
from dogbreeds.deployment.batches import Outputs
from dogbreeds.deployment.metadata import INPUT, KEY, OUTPUTS, Metadata, problem_of
from dogbreeds.deployment.onnx_classifier import OnnxClassifier
from dogbreeds.errors import Interrupted, StudyError
from dogbreeds.files import atomic
from dogbreeds.models import TITLES, keras_runtime
from dogbreeds.training import inference
from dogbreeds.training.runs import Run

SUFFIXES = {"onnx": ".onnx", "torch": ".pt2", "keras": ".keras"}  # by format
FRAMEWORKS = {"torch": "pytorch", "keras": "keras"}  # by their own format
TOLERANCE = 1e-4  # of a logit, absolute and relative


class Comparison(NamedTuple):
    """How an exported network compares with its run on all test images; as text, a sentence."""

    images: int
    largest_difference: float  # of a logit
    changed: int  # images with another most likely breed

    def __str__(self) -> str:
        same = "the breeds are the same"
        breeds = f"{self.changed} breeds differ, where two logits are as close" if self.changed else same
        distance = f"its logits differ from those of the run by at most {self.largest_difference:.1g}"
        return f"On all {self.images} test images {distance}, and {breeds}."


def export(
    run: Run, dataset: Dataset, form: str, folder: Path, batch: int | None = None, force: bool = False
) -> tuple[Path, Comparison]:
    """Writes the network of `run` and its model card to `folder`; returns the file and its comparison with the run.

    `dataset` has the photos that the run was trained on, and `form` is one of SUFFIXES. "onnx" is written by the
    framework of the run, "torch" and "keras" by the framework of that name. The network accepts batches of `batch`
    images, or of any number. Both files appear at the end, after `check`.

    Raises StudyError if the check fails, if a file exists already and `force` is not set, if the dataset is not that of
    the run, if the run has no weights, and if the format cannot be written here; raises Interrupted at Ctrl-C.
    """
    file = folder / f"{run.id}{SUFFIXES[form]}"
    card = file.with_name(f"{file.name}.md")
    existing = [path for path in (file, card) if path.exists()]
    if existing and not (force and all(path.is_file() for path in existing)):
        raise StudyError(f"{shown(existing[0])} exists: choose another folder with --out, or replace it with --force")
    if form == "keras" and batch:
        raise StudyError("a Keras file accepts any number of images: leave out --batch")
    _require_dataset(run, dataset)
    metadata = metadata_of(run)
    try:
        with TemporaryDirectory() as place, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporters, about their own code
            made = Path(place, file.name)
            with _writing(file):
                write(run, form, made, batch, metadata)
            compared = check(run, dataset, form, made, batch)
            text = model_card.text(run, dataset, metadata, file.name, batch, str(compared))
            with _writing(file), atomic(card) as described, atomic(file) as unfinished:
                described.write_text(text, encoding="utf-8")
                shutil.copy(made, unfinished)
    except KeyboardInterrupt as error:
        raise Interrupted(f"interrupted: {shown(file)} was not written; run the command again") from error
    return file, compared


@contextmanager
def _writing(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0]
        raise StudyError(f"{shown(file)} cannot be written ({reason}): choose another place with --out") from error


def metadata_of(run: Run) -> Metadata:
    """Returns what a file says about the network of `run`.

    Raises StudyError if the run is too old to know it, or if a file cannot say it, such as a name of two lines.
    """
    try:
        return _metadata_of(run)
    except ValidationError as error:
        raise StudyError(
            f"{run.id} cannot be exported ({problem_of(error)}): rename the breed and train again"
        ) from error


def _metadata_of(run: Run) -> Metadata:
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
    framework = FRAMEWORKS.get(form, run.record["framework"])
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


def _require_converter() -> None:
    """Raises StudyError if Keras cannot export to ONNX on its backend."""
    backend = keras_runtime.backend()
    if backend == "jax":
        raise StudyError("Keras exports to ONNX on TensorFlow or PyTorch, not on JAX: set KERAS_BACKEND=torch")
    if backend == "tensorflow" and not find_spec("tf2onnx"):
        raise StudyError("Keras needs tf2onnx to export to ONNX: install it, or set KERAS_BACKEND=torch")


def _add_metadata(file: Path, metadata: Metadata) -> None:
    """Adds the metadata, gives input and outputs their names, and removes what names folders of this machine."""
    model = ClearMetadataAndDocStringPass()(onnx_ir.load(file)).model
    for value, name in zip((*model.graph.inputs, *model.graph.outputs), (INPUT, *OUTPUTS), strict=True):
        value.name = name
    model.metadata_props[KEY] = metadata.to_json()
    onnx_ir.save(model, file)


def _require_dataset(run: Run, dataset: Dataset) -> None:
    if run.record["fingerprint"] != dataset.fingerprint:
        remedy = "select its photos with --profile, --photos and --parameter"
        raise StudyError(f"{run.id} was not trained on {dataset.name} with these settings: {remedy}")


def check(run: Run, dataset: Dataset, form: str, file: Path, batch: int | None) -> Comparison:
    """Compares an exported file with its run on all test photos.

    The most likely breed can change only between logits that are within the tolerance. Raises StudyError if a logit
    differs by more than TOLERANCE, absolute plus relative, or if the probabilities are not the softmax of the logits.
    """
    images = pixel_cache.load(dataset, run.record["image_size"], run.record["crop"])[dataset.rows("test")]
    (found, probabilities), stored = outputs(form, file, images, batch), run.logits()
    apart = abs(found - stored)
    far = ~(apart <= TOLERANCE * (1 + abs(stored)))  # also where a logit is not a number
    changed = int((found.argmax(axis=1) != stored.argmax(axis=1)).sum())
    if far.any():
        remedy = "it was not written; export it with the package versions that the run records, or train it again"
        raise StudyError(
            f"the exported network differs from {run.id} by up to {apart.max():.2g} in a logit, and in {changed} of "
            f"{len(images)} breeds: {remedy}"
        )
    if abs(probabilities - softmax(found, axis=1)).max() > TOLERANCE:
        raise StudyError(f"the exported network of {run.id} returns other probabilities than those of its logits")
    return Comparison(len(images), float(apart.max()), changed)


def outputs(form: str, file: Path, images: np.ndarray, batch: int | None = None) -> tuple[Outputs, Outputs]:
    """Returns the logits and the probabilities of images from an exported file, by the engine of its format."""
    if form == "onnx":
        return OnnxClassifier(file).outputs(images)
    return batches.run(exporter_of(FRAMEWORKS[form]).load_own_format(file), images, largest=32, fixed=batch)
