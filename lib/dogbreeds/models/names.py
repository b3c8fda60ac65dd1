"""The names of the networks and of the choices about them, with the colour preprocessing of each network."""

from dogbreeds.errors import StudyError
from dogbreeds.translation import N_

ARCHITECTURES = ("xception", "resnet50", "se_resnet50")
FRAMEWORKS = ("keras", "pytorch")
TITLES = {
    "xception": "Xception",
    "resnet50": "ResNet50",
    "se_resnet50": "SE-ResNet50",
    "keras": "Keras",
    "pytorch": "PyTorch",
}
# Momentum of the running statistics, in PyTorch's convention (the weight of the new batch): 0.1 is PyTorch's default
# (0.9 in Keras' convention); 0.01 is Keras' default (0.99 in its convention) and leaves the statistics near their
# initial values in a short training; "frozen" keeps the statistics and the parameters constant.
BATCH_NORM_POLICIES = ("momentum_0.1", "momentum_0.01", "frozen")
# "expected": normalised as the network's published weights expect; "rescaled": only divided by 255 for every network
# (`rescale=1/255` in Keras).
PREPROCESSINGS = ("expected", "rescaled")
# The networks of `keras.applications` that were used in 2020, and which of their layers are frozen, see
# `keras_applications.freeze`.
KERAS_APPLICATIONS = ("resnet50", "xception")
SMALLEST_SIZES = {"resnet50": 32, "xception": 71}  # pixels per side that keras.applications accepts
IMAGE_SIZES = {"resnet50": 48, "xception": 71}  # small, for trainings that do not start from published weights
KERAS_FROZEN = (N_("nothing"), N_("first 7 layers"), N_("backbone"), N_("backbone, Keras 2.3"))
_TORCHVISION = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_EXPECTED = {"xception": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)), "resnet50": _TORCHVISION, "se_resnet50": _TORCHVISION}


def preprocessing(architecture: str, kind: str = "expected") -> tuple[tuple, tuple]:
    """Returns the means and standard deviations, in 0 to 1, that normalise the colour channels: (value - mean) / sd."""
    return _EXPECTED[architecture] if kind == "expected" else ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def check_names(architecture: str, framework: str) -> None:
    """Raises StudyError if the study does not include the network or the framework."""
    for kind, name, known in (("network", architecture, ARCHITECTURES), ("framework", framework, FRAMEWORKS)):
        if name not in known:
            raise StudyError(f"unknown {kind} '{name}': choose one of {', '.join(known)}")
