"""All figures of the study: each function returns a matplotlib Figure, and `Study.save` writes it to a file."""

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
    batch_norm_statistics,
    confidence,
    confusion,
    differences,
    gates,
    learning_curves,
    noise_band,
    reliability,
)
from dogbreeds.figures.style import make_figure

__all__ = [
    "ILSVRC_ERRORS",
    "accuracies",
    "accuracy_against_cost",
    "activation_maps",
    "agreement",
    "batch_norm_statistics",
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
    "noise_band",
    "of_breed",
    "photos_per_split",
    "prediction",
    "reliability",
    "residual_unit",
    "se_residual_unit",
    "separable_convolution",
    "sizes",
    "squeeze_and_excitation",
]
