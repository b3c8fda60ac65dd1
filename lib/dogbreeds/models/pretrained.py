"""The published ImageNet weights that serve as initial weights."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dogbreeds import downloads
from dogbreeds.errors import StudyError


@dataclass(frozen=True)
class Weights:
    """One weights file, and the network that it belongs to."""

    architecture: str
    file: downloads.Published
    image_size: int  # height and width of the input in pixels
    top1: float | None  # accuracy on ImageNet's validation set with one crop, in per cent
    source: str


def _file(publisher: str, name: str, algorithm: str, digest: str, size: int | None) -> downloads.Published:
    return downloads.Published(publisher, name, algorithm, digest, size, "weights", _KNOWN_FROM[publisher])


_TORCH = "https://download.pytorch.org/models"
_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"
_SENET = "https://github.com/moskomule/senet.pytorch/releases/download/archive"
_KERNELS = "weights_tf_dim_ordering_tf_kernels"
_KNOWN_FROM = {
    _TORCH: "hash: file name, as torch.hub checks it; size: _file_size in torchvision/models/resnet.py",
    _SENET: "hash: digits in the file name, taken for SHA-256",
    f"{_KERAS}/xception": "hash: keras/src/applications/xception.py; size: shown by Keras while it downloads",
    f"{_KERAS}/resnet": "hash: keras/src/applications/resnet.py; size: shown by Keras while it downloads",
}
PUBLISHED = {
    "resnet50_v1": Weights(
        "resnet50", _file(_TORCH, "resnet50-0676ba61.pth", "sha256", "0676ba61", 102_530_333), 224, 76.13,
        "torchvision IMAGENET1K_V1; 76.15 in the deck of 2020",
    ),
    "resnet50_v2": Weights(
        "resnet50", _file(_TORCH, "resnet50-11ad3fa6.pth", "sha256", "11ad3fa6", 102_540_417), 224, 80.858,
        "torchvision IMAGENET1K_V2",
    ),
    "se_resnet50": Weights(
        "se_resnet50", _file(_SENET, "seresnet50-60a8950a85b2b.pkl", "sha256", "60a8950a85b2b", None), 224, 77.06,
        "moskomule/senet.pytorch",
    ),
    "xception": Weights(
        "xception",
        _file(f"{_KERAS}/xception", f"xception_{_KERNELS}.h5", "md5", "0a58e3b7378bc2990ea3b43d5981f1f6", 91_884_032),
        299, 79.0, "keras.applications",
    ),
    "xception_notop": Weights(
        "xception",
        _file(
            f"{_KERAS}/xception", f"xception_{_KERNELS}_notop.h5", "md5", "b0042744bf5b25fce3cb969f33bebb97", 83_683_744
        ),
        299, None, "keras.applications, without the head",
    ),
}  # fmt: skip
IMAGENET = {"resnet50": "resnet50_v1", "se_resnet50": "se_resnet50", "xception": "xception"}
# For the networks of `keras_applications`, which are none of the study's networks.
OF_KERAS_APPLICATIONS = {
    "resnet50": Weights(
        "keras_resnet50",
        _file(
            f"{_KERAS}/resnet", f"resnet50_{_KERNELS}_notop.h5", "md5", "4d473c1dd8becc155b73f8504c6f6626", 94_765_736
        ),
        224, None, "keras.applications, without the head",
    ),
    "xception": PUBLISHED["xception_notop"],
}  # fmt: skip


def find(name: str, architecture: str) -> Weights:
    """Returns the entry with this name, or the default one for "imagenet"; StudyError if it is for another network."""
    entry = PUBLISHED[IMAGENET[architecture] if name == "imagenet" else name]
    if entry.architecture != architecture:
        raise StudyError(f"weights '{name}' are for {entry.architecture}, not for {architecture}: use 'imagenet'")
    return entry


def table() -> pd.DataFrame:
    """Returns one row per weights file: network, input size in pixels, published top-1 in per cent, file and source."""
    rows = [(each.architecture, each.image_size, each.top1, each.file.name, each.source) for each in PUBLISHED.values()]
    columns = ["architecture", "size", "top1", "file", "source"]
    return pd.DataFrame(rows, index=list(PUBLISHED), columns=columns).rename_axis("weights")


def fetch(weights: Weights) -> Path:
    """Returns the path of the file in the cache; downloads it if it is missing, and checks it."""
    return downloads.fetch(weights.file)
