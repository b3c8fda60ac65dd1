"""All figures of the study: each function returns a matplotlib Figure, and `Study.save` writes it to a file."""

from dogbreeds.figures.diagrams import (
    ILSVRC_ERRORS as ILSVRC_ERRORS,
    ilsvrc_errors as ilsvrc_errors,
    residual_unit as residual_unit,
    se_residual_unit as se_residual_unit,
    separable_convolution as separable_convolution,
    squeeze_and_excitation as squeeze_and_excitation,
)
from dogbreeds.figures.failure import failure_of_2020 as failure_of_2020, healing as healing
from dogbreeds.figures.photos import (
    activation_maps as activation_maps,
    captioned as captioned,
    contact_sheet as contact_sheet,
    excitation as excitation,
    of_breed as of_breed,
    photos_per_split as photos_per_split,
    prediction as prediction,
    sizes as sizes,
)
from dogbreeds.figures.results import (
    accuracies as accuracies,
    accuracy_against_cost as accuracy_against_cost,
    agreement as agreement,
    confidence as confidence,
    confusion as confusion,
    differences as differences,
    gates as gates,
    learning_curves as learning_curves,
    noise_band as noise_band,
    reliability as reliability,
)
from dogbreeds.figures.style import add_footnote as add_footnote, make_figure as make_figure
