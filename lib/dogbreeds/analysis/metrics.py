"""Accuracy, calibration and learning speed of finished runs, computed with torchmetrics, SciPy and scikit-learn."""

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from scipy import optimize, special
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn import functional as F

from dogbreeds.training.runs import Run


def quality(logits: Float[np.ndarray, "photos breeds"], labels: Int[np.ndarray, " photos"]) -> dict[str, float]:
    """Top-1, top-5 and mean per-breed accuracy in 0 to 1, NLL in nats, and calibration error in 0 to 1.

    Top-5 accuracy is included if there are more than five breeds. The calibration error is the expected calibration
    error of Guo et al. (https://arxiv.org/abs/1706.04599, equation 3), with 15 bins of equal width.
    """
    from torchmetrics.functional.classification import multiclass_accuracy  # here: slow, it imports torchvision

    scores, truth, breeds = torch.from_numpy(logits).float(), torch.from_numpy(labels), logits.shape[1]
    measured = {"top-1": multiclass_accuracy(scores, truth, breeds, average="micro")}
    if breeds > 5:
        measured["top-5"] = multiclass_accuracy(scores, truth, breeds, top_k=5, average="micro")
    measured["mean per breed"] = multiclass_accuracy(scores, truth, breeds, average="macro")
    measured["NLL"] = F.cross_entropy(scores, truth)
    measured["calibration error"] = _calibration_error(scores, truth)
    return {name: float(value) for name, value in measured.items()}


def _calibration_error(logits: Float[Tensor, "photos breeds"], labels: Int[Tensor, " photos"]) -> float:
    from torchmetrics.functional.classification import multiclass_calibration_error

    return float(multiclass_calibration_error(logits.softmax(dim=1), labels, logits.shape[1], n_bins=15))


def calibration_error_by_chance(logits: Float[np.ndarray, "photos breeds"]) -> float:
    """The calibration error, as `quality` measures it, that a perfectly calibrated network has by chance.

    It is the mean over 200 sets of labels, each drawn from the network's own probabilities.
    """
    probabilities, generator = special.softmax(logits.astype(float), axis=1), np.random.default_rng(0)
    chosen = generator.random((200, len(logits), 1)) > probabilities.cumsum(axis=1)[None, :, :-1]
    scores, drawn = torch.from_numpy(logits).float(), torch.from_numpy(chosen.sum(axis=2))
    return float(np.mean([_calibration_error(scores, labels) for labels in drawn]))


def time_to_accuracy(history: pd.DataFrame, accuracy: float) -> tuple[float, float]:
    """Epochs and seconds of training until the validation accuracy first reaches `accuracy`; NaN if it never does."""
    reached = np.flatnonzero(history["validation_accuracy"] >= accuracy)
    if len(reached) == 0:
        return float("nan"), float("nan")
    return float(history["epoch"].iloc[reached[0]]), float(history["seconds"].iloc[: reached[0] + 1].sum())


def time_constant(history: pd.DataFrame, chance: float) -> float:
    """The time constant of a learning curve: the epochs in which its distance to the plateau shrinks to 1/e (37 %).

    It is a least-squares fit of `chance + (plateau - chance) * (1 - exp(-epoch / constant))` to the validation
    accuracies, and does not depend on the height of the plateau. It is NaN if the curve has no plateau (it has fewer
    than five epochs, or ends before three time constants, at which it has covered 95 % of its rise) or no measurable
    rise (the time constant is not longer than the first epoch, or the plateau is no more than three standard deviations
    of the residuals above chance). A schedule that lowers the learning rate to zero flattens any curve towards its end.
    """
    epochs, accuracies = history["epoch"].to_numpy(float), history["validation_accuracy"].to_numpy()
    if len(epochs) < 5:
        return float("nan")

    def residuals(curve: np.ndarray) -> np.ndarray:
        plateau, constant = curve
        return chance + (plateau - chance) * (1 - np.exp(-epochs / constant)) - accuracies

    initial = (max(accuracies.max(), chance + 0.01), len(epochs) / 4)
    fit = optimize.least_squares(residuals, initial, bounds=([chance, 0.05], [1.01, 100 * len(epochs)]))
    plateau, constant = fit.x
    rises = plateau - chance > 3 * fit.fun.std() and constant > epochs[0]
    return float(constant) if rises and 3 * constant <= epochs[-1] else float("nan")


def ensemble(runs: list[Run]) -> Float[np.ndarray, "photos breeds"]:
    """The logarithm of the mean probability of each breed over the networks of `runs`, for the test photos."""
    probabilities = [special.softmax(run.logits(), axis=1) for run in runs]
    return np.log(np.mean(probabilities, axis=0) + np.finfo(np.float32).tiny)


def agreement(runs: list[Run]) -> pd.DataFrame:
    """The share of test photos, in 0 to 1, for which two runs predict the same breed, for every pair of runs."""
    predicted = np.array([run.logits().argmax(axis=1) for run in runs])
    names = [run.title for run in runs]
    return pd.DataFrame((predicted[:, None] == predicted[None]).mean(axis=2), index=names, columns=names)


def confidence(logits: Float[np.ndarray, "photos breeds"]) -> Float[np.ndarray, " photos"]:
    """The probability of the predicted breed, in 0 to 1."""
    return special.softmax(logits, axis=1).max(axis=1)


def auroc(higher: Float[np.ndarray, " some"], lower: Float[np.ndarray, " others"]) -> float:
    """The area under the ROC curve, in 0 to 1: the probability that a value of `higher` is above a value of `lower`.

    Hendrycks and Gimpel (https://arxiv.org/abs/1610.02136) use it to measure how well confidence separates known from
    unknown images. Returns NaN if either array is empty.
    """
    if not len(higher) or not len(lower):
        return float("nan")
    return float(roc_auc_score(np.repeat([1, 0], [len(higher), len(lower)]), np.concatenate([higher, lower])))
