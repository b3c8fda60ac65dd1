"""Every figure of the study; each function returns a matplotlib Figure, and `Study.save` keeps it."""

from dogbreeds.figures.diagrams import (
    ILSVRC_ERRORS,
    ilsvrc_errors,
    residual_unit,
    se_residual_unit,
    separable_convolution,
    squeeze_and_excitation,
)
from dogbreeds.figures.photos import (
    activation_maps,
    captioned,
    contact_sheet,
    excitation,
    of_breed,
    photos_per_split,
    prediction,
    sizes,
)
from dogbreeds.figures.results import (
    accuracies,
    accuracy_against_cost,
    agreement,
    confidence,
    confusion,
    differences,
    gates,
    learning_curves,
    reliability,
    retraced,
    statistics_taken_anew,
)
from dogbreeds.figures.style import make_figure

__all__ = [
    "ILSVRC_ERRORS",
    "accuracies",
    "accuracy_against_cost",
    "activation_maps",
    "agreement",
    "captioned",
    "confidence",
    "confusion",
    "contact_sheet",
    "differences",
    "excitation",
    "gates",
    "ilsvrc_errors",
    "learning_curves",
    "make_figure",
    "of_breed",
    "photos_per_split",
    "prediction",
    "reliability",
    "residual_unit",
    "retraced",
    "se_residual_unit",
    "separable_convolution",
    "sizes",
    "squeeze_and_excitation",
    "statistics_taken_anew",
]
