"""The model card of an exported network: how to prepare a photo, what it was trained on, and how good it is."""

from pathlib import Path

import numpy as np

from dogbreeds.analysis import imagenet_leakage, intervals, metrics
from dogbreeds.data import splits
from dogbreeds.data.datasets import Dataset
from dogbreeds.deployment.metadata import Metadata
from dogbreeds.training.runs import OTHER_BREEDS, SCRATCH, Run, RunStore

TEMPLATE = Path(__file__).with_suffix(".md")
LICENCES = {
    "drawn_dogs": "the drawings are made by this library (MIT licence).",
    "stanford_dogs": "Stanford Dogs and ImageNet, from which it was cut, are for non-commercial research.",
}
CROPS = {
    "centre": "Rotate a photo as its EXIF data says, crop it to its largest central square, and resize it to {image}.",
    "squash": "Rotate a photo as its EXIF data says, and resize it to {image}, whatever its aspect ratio is.",
}
IMAGE = "{size} x {size} pixels (Pillow's bilinear filter, which antialiases)"
BOXES = " The training photos were cut to the box of the dog first: the network is less accurate on whole photos."


def text(run: Run, dataset: Dataset, metadata: Metadata, file: str, batch: int | None, check: str) -> str:
    """The model card in Markdown for the network of `run`, exported to a file with that name.

    `check` says in one sentence how the file was compared with the run. Raises StudyError if the run lacks what
    `metadata` needs.
    """
    size, quality = metadata.image_size, metrics.quality(run.logits(), run.labels())
    counts = ", ".join(f"{len(dataset.rows(split))} for {split}{_origin(dataset, split)}" for split in splits.SPLITS)
    return TEMPLATE.read_text(encoding="utf-8").format(
        **{name: getattr(metadata, name) for name in ("network", "framework", "run")},
        count=len(metadata.breeds),
        file=file,
        images_at_once="any number of images" if batch is None else f"{batch} image{'s' * (batch > 1)}",
        batch=batch or "batch",
        size=size,
        check=check,
        crop=CROPS[metadata.crop].format(image=IMAGE.format(size=size)) + (BOXES if metadata.trained_on_boxes else ""),
        least_evidence=metadata.least_evidence,
        images=len(dataset.photos),
        kind=dataset.kind,
        dataset=dataset.name,
        fingerprint=dataset.fingerprint,
        splits=counts,
        initial_weights=", then ".join(_started_from(run)),
        contamination=_contamination(run, dataset),
        licence=LICENCES.get(dataset.name, "not known here; it is that of your photos."),
        accuracy=intervals.format_accuracy(run.correct()),
        lowest=_lowest(run, metadata.breeds),
        calibration=quality["calibration error"],
        by_chance=metrics.calibration_error_by_chance(run.logits()),
        breeds="\n".join(f"{place}. {breed}" for place, breed in enumerate(metadata.breeds)),
        commit=f"`{metadata.commit}`" if metadata.commit else "not known",
    )


def _origin(dataset: Dataset, split: str) -> str:
    return f" ({dataset.split_origin[split]})" if split in dataset.split_origin else ""


def _started_from(run: Run) -> list[str]:
    """The initial weights of the run, and before them those of the run that it continues, if that is at hand."""
    start, store = run.record["initialisation"], RunStore(run.folder.parent)
    source = store.open(start["source"]) if start["source"] else None
    return [*(_started_from(source) if source else []), start["kind"]]


def _contamination(run: Run, dataset: Dataset) -> str:
    """What the network may have seen of the test images before its training."""
    kinds = _started_from(run)
    if dataset.drawn:
        return "No contamination: the drawings were made for this study."
    if imagenet_leakage.are_published(kinds):
        return f"Contamination: {imagenet_leakage.seen_before(dataset.name == 'stanford_dogs')[0]}"
    others = [kind for kind in kinds if kind not in (SCRATCH, OTHER_BREEDS)]
    if not others:
        return "No contamination known: the network started from no weights that were learned on these breeds."
    return f"Contamination not known: the run does not record what its initial weights ({others[0]}) were learned on."


def _lowest(run: Run, breeds: list[str]) -> str:
    """The tested breed with the lowest accuracy, and this accuracy with its interval."""
    correct, labels = run.correct(), run.labels()
    label = min(np.unique(labels), key=lambda label: correct[labels == label].mean())
    return f"{breeds[label]}, {intervals.format_accuracy(correct[labels == label])}"
