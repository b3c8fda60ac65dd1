"""How good, how calibrated and how fast: measures of finished runs. torchmetrics and scikit-learn do the arithmetic."""

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from scipy import optimize, special
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn import functional as F

from dogbreeds.training.runs import Run


def quality(
    logits: Float[np.ndarray, "photos breeds"], labels: Int[np.ndarray, " photos"], bins: int = 15
) -> dict[str, float]:
    """Top-1, top-5 (with more than five breeds) and mean per-breed accuracy, NLL in nats, calibration error in 0 to 1.

    The calibration error is the expected one of Guo et al. (https://arxiv.org/abs/1706.04599, equation 3), in `bins` of
    equal width.
    """
    from torchmetrics.functional.classification import multiclass_accuracy  # here: torchvision comes with it, slowly

    scores, truth, breeds = torch.from_numpy(logits).float(), torch.from_numpy(labels), logits.shape[1]
    measured = {"top-1": multiclass_accuracy(scores, truth, breeds, average="micro")}
    if breeds > 5:
        measured["top-5"] = multiclass_accuracy(scores, truth, breeds, top_k=5, average="micro")
    measured["mean per breed"] = multiclass_accuracy(scores, truth, breeds, average="macro")
    measured["NLL"] = F.cross_entropy(scores, truth)
    measured["calibration error"] = _calibration_error(scores, truth, bins)
    return {name: float(value) for name, value in measured.items()}


def _calibration_error(logits: Float[Tensor, "photos breeds"], labels: Int[Tensor, " photos"], bins: int = 15) -> float:
    from torchmetrics.functional.classification import multiclass_calibration_error

    return float(multiclass_calibration_error(logits.softmax(dim=1), labels, logits.shape[1], n_bins=bins))


def calibration_error_by_luck(logits: Float[np.ndarray, "photos breeds"], draws: int = 200, seed: int = 0) -> float:
    """The mean calibration error, as `quality` measures it, of a network whose probabilities are right.

    Labels are drawn from the probabilities themselves, so many times.
    """
    probabilities, generator = special.softmax(logits.astype(float), axis=1), np.random.default_rng(seed)
    chosen = generator.random((draws, len(logits), 1)) > probabilities.cumsum(axis=1)[None, :, :-1]
    scores, drawn = torch.from_numpy(logits).float(), torch.from_numpy(chosen.sum(axis=2))
    return float(np.mean([_calibration_error(scores, labels) for labels in drawn]))


def time_to_accuracy(history: pd.DataFrame, accuracy: float) -> tuple[float, float]:
    """Epochs and seconds of training until the validation accuracy first reached `accuracy`; NaN if it never did."""
    reached = np.flatnonzero(history["validation_accuracy"] >= accuracy)
    if len(reached) == 0:
        return float("nan"), float("nan")
    return float(history["epoch"].iloc[reached[0]]), float(history["seconds"].iloc[: reached[0] + 1].sum())


def time_constant(history: pd.DataFrame, chance: float) -> float:
    """Epochs in which what a network still has to learn shrinks to 1/e (37 %), by its validation accuracies.

    Least squares of `chance + (plateau - chance) * (1 - exp(-epoch / constant))`: the height of the plateau plays no
    part in it. NaN where the curve has no plateau: it has fewer than five epochs, or ends before three time constants,
    95 % of the way. NaN, too, where no rise can be followed: most of it lies within the first epoch, or the plateau is
    no further from chance than three standard deviations of what the fit leaves. A schedule that lowers the learning
    rate to zero levels any curve towards its end.
    """
    epochs, accuracies = history["epoch"].to_numpy(float), history["validation_accuracy"].to_numpy()
    if len(epochs) < 5:
        return float("nan")

    def residuals(curve: np.ndarray) -> np.ndarray:
        plateau, constant = curve
        return chance + (plateau - chance) * (1 - np.exp(-epochs / constant)) - accuracies

    start = (max(accuracies.max(), chance + 0.01), len(epochs) / 4)
    fit = optimize.least_squares(residuals, start, bounds=([chance, 0.05], [1.01, 100 * len(epochs)]))
    plateau, constant = fit.x
    rises = plateau - chance > 3 * fit.fun.std() and constant > epochs[0]
    return float(constant) if rises and 3 * constant <= epochs[-1] else float("nan")


def ensemble(runs: list[Run], split: str = "test") -> Float[np.ndarray, "photos breeds"]:
    """The logarithm of the mean probability that the networks of `runs` give each breed."""
    probabilities = [special.softmax(run.logits(split), axis=1) for run in runs]
    return np.log(np.mean(probabilities, axis=0) + np.finfo(np.float32).tiny)


def agreement(runs: list[Run]) -> pd.DataFrame:
    """For every two runs the share of test photos, in 0 to 1, to which both give the same breed, right or wrong."""
    guesses = np.array([run.logits().argmax(axis=1) for run in runs])
    names = [run.title for run in runs]
    return pd.DataFrame((guesses[:, None] == guesses[None]).mean(axis=2), index=names, columns=names)


def confidence(logits: Float[np.ndarray, "photos breeds"]) -> Float[np.ndarray, " photos"]:
    """The probability of the breed named, in 0 to 1."""
    return special.softmax(logits, axis=1).max(axis=1)


def separation(higher: Float[np.ndarray, " some"], lower: Float[np.ndarray, " others"]) -> float:
    """How often one of `higher` really is above one of `lower`, in 0 to 1: the area under the ROC curve; 0.5 by luck.

    For telling unknown photos from known ones by their confidence, as in Hendrycks and Gimpel
    (https://arxiv.org/abs/1610.02136). NaN where either has no photo.
    """
    if not len(higher) or not len(lower):
        return float("nan")
    return float(roc_auc_score(np.repeat([1, 0], [len(higher), len(lower)]), np.concatenate([higher, lower])))
