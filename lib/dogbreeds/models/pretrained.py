"""The published ImageNet weights that serve as initial weights, and their download into the cache."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from dogbreeds import downloads, paths
from dogbreeds.errors import StudyError


@dataclass(frozen=True)
class Published:
    """One weights file."""

    architecture: str
    folder: str  # URL without the file name
    file: str
    algorithm: str
    digest: str  # the hash of the file, or its first digits
    size: int  # height and width of the input in pixels
    top1: float | None  # accuracy on ImageNet's validation set with one crop, in per cent
    source: str

    @property
    def url(self) -> str:
        # A mirror is a folder that contains the files under their published names.
        return f"{os.environ.get('DOGBREEDS_WEIGHTS_MIRROR', self.folder).rstrip('/')}/{self.file}"

    @property
    def path(self) -> Path:
        """Where the file is, or will be, in the cache."""
        return paths.data() / "weights" / self.file


_TORCH = "https://download.pytorch.org/models"
_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications/xception"
_SENET = "https://github.com/moskomule/senet.pytorch/releases/download/archive"
_XCEPTION = "xception_weights_tf_dim_ordering_tf_kernels"

# The digests of PyTorch's hub are the first digits of SHA-256, which the file names contain. The digests of Keras are
# MD5, from keras/src/applications/xception.py.
PUBLISHED = {
    "resnet50_v1": Published(
        "resnet50", _TORCH, "resnet50-0676ba61.pth", "sha256", "0676ba61", 224, 76.13,
        "torchvision IMAGENET1K_V1; 76.15 in the deck of 2020",
    ),
    "resnet50_v2": Published(
        "resnet50", _TORCH, "resnet50-11ad3fa6.pth", "sha256", "11ad3fa6", 224, 80.858,
        "torchvision IMAGENET1K_V2",
    ),
    "se_resnet50": Published(
        "se_resnet50", _SENET, "seresnet50-60a8950a85b2b.pkl", "sha256", "60a8950a85b2b", 224, 77.06,
        "moskomule/senet.pytorch",
    ),
    "xception": Published(
        "xception", _KERAS, f"{_XCEPTION}.h5", "md5", "0a58e3b7378bc2990ea3b43d5981f1f6", 299, 79.0,
        "keras.applications",
    ),
    "xception_notop": Published(
        "xception", _KERAS, f"{_XCEPTION}_notop.h5", "md5", "b0042744bf5b25fce3cb969f33bebb97", 299, None,
        "keras.applications, without the head",
    ),
    # Another network than resnet50, see keras_applications; MD5 from keras/src/applications/resnet.py.
    "keras_resnet50_notop": Published(
        "keras_resnet50", "https://storage.googleapis.com/tensorflow/keras-applications/resnet",
        "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5", "md5", "4d473c1dd8becc155b73f8504c6f6626", 224, None,
        "keras.applications, without the head",
    ),
}  # fmt: skip
IMAGENET = {"resnet50": "resnet50_v1", "se_resnet50": "se_resnet50", "xception": "xception"}


def find(name: str, architecture: str) -> Published:
    """Returns the entry with this name, or the default one for "imagenet"; StudyError if it is for another network."""
    entry = PUBLISHED[IMAGENET[architecture] if name == "imagenet" else name]
    if entry.architecture != architecture:
        raise StudyError(f"weights '{name}' are for {entry.architecture}, not for {architecture}: use 'imagenet'")
    return entry


def table() -> pd.DataFrame:
    """Returns one row per weights file: network, input size in pixels, published top-1 in per cent, file and source."""
    table = pd.DataFrame([asdict(entry) for entry in PUBLISHED.values()], index=list(PUBLISHED))
    return table.rename_axis("weights")[["architecture", "size", "top1", "file", "source"]]


def fetch(entry: Published) -> Path:
    """Returns the path of the file in the cache; downloads and checks the file if it is missing."""
    return downloads.fetch(entry.url, entry.path, entry.algorithm, entry.digest)
