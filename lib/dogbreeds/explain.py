"""Where a network errs, where it looks, and what happens inside it."""

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int, UInt8
from scipy.special import softmax
from torch import Tensor, nn

from dogbreeds import models
from dogbreeds.batches import Batches
from dogbreeds.devices import ONE
from dogbreeds.models.batch_norm import with_biased_variances
from dogbreeds.runs import Run
from dogbreeds.training import EVALUATION_BATCH_SIZE, framework_module, load


def confused_pairs(run: Run) -> pd.DataFrame:
    """Pairs of breeds (true, predicted) by how many test photos of the one were taken for the other, most first."""
    breeds, labels, guesses = np.array(run.record["breeds"]), run.labels(), run.logits().argmax(axis=1)
    wrong = labels != guesses
    pairs = pd.DataFrame({"true": breeds[labels[wrong]], "predicted": breeds[guesses[wrong]]})
    return pairs.value_counts().rename("photos").reset_index()


def worst_mistakes(run: Run, count: int = 8) -> pd.DataFrame:
    """The test photos that the run was surest about and wrong: true breed, predicted, and with which probability.

    `place` is the photo's among the test photos.
    """
    breeds, labels, logits = np.array(run.record["breeds"]), run.labels(), run.logits()
    table = pd.DataFrame({
        "place": np.arange(len(labels)),
        "true": breeds[labels],
        "predicted": breeds[logits.argmax(axis=1)],
        "probability": softmax(logits, axis=1).max(axis=1),
    })  # fmt: skip
    return table[~run.correct()].nlargest(count, "probability").reset_index(drop=True)


def logits(
    run: Run, pixels: UInt8[np.ndarray, "photos size size 3"], framework: str | None = None
) -> Float[np.ndarray, "photos breeds"]:
    """What the trained network of a run says to any pictures of its size, in its framework or in another."""
    framework = framework or run.record["framework"]
    return _predict(load(run, framework), framework, run, pixels)


def logits_with_biased_variances(
    run: Run, pixels: UInt8[np.ndarray, "photos size size 3"]
) -> Float[np.ndarray, "photos breeds"]:
    """As `logits` in PyTorch, with the running variances as Keras keeps them (`batch_norm.with_biased_variances`)."""
    model = with_biased_variances(load(run, "pytorch"), run.config.recipe.batch_size, run.config.image_size)
    return _predict(model, "pytorch", run, pixels)


def _predict(model, framework: str, run: Run, pixels: np.ndarray) -> np.ndarray:
    rows = np.arange(len(pixels))
    colours = models.preprocessing(run.record["architecture"], run.record["recipe"]["preprocessing"])
    options = {"channels_last": True} if framework == "keras" else {"device": ONE.of_this_process()}
    stream = Batches(pixels, 0 * rows, rows, EVALUATION_BATCH_SIZE, colours, **options)
    return framework_module(framework).predict(model, stream)


def prepared(
    photos: Float[np.ndarray, "photos size size 3"], architecture: str, kind: str = "expected"
) -> Float[np.ndarray, "photos 3 size size"]:
    """Colours in 0 to 1 as a network of that architecture is given them (`models.preprocessing`), channels first."""
    mean, deviation = models.preprocessing(architecture, kind)
    return np.ascontiguousarray(((photos - mean) / np.array(deviation)).astype(np.float32).transpose(0, 3, 1, 2))


def class_activation_maps(
    run: Run, photos: Float[np.ndarray, "photos size size 3"], breeds: Int[np.ndarray, " photos"]
) -> Float[np.ndarray, "photos height width"]:
    """For each photo (colours in 0 to 1) how strongly each place spoke for the breed of that index.

    Class activation maps (Zhou et al., https://arxiv.org/abs/1512.04150, equation 2): all three networks end in
    global average pooling and a linear head, for which they are exact.
    """
    ready = prepared(photos, run.record["architecture"], run.record["recipe"]["preprocessing"])
    maps, head = framework_module(run.record["framework"]).last_features(load(run), ready)
    return np.einsum("bchw,cb->bhw", maps, head[:, breeds])


def activations(
    network: nn.Module, photos: Float[Tensor, "photos 3 height width"], modules: list[str]
) -> dict[str, Tensor]:
    """What each of `modules`, by its name, puts out while a PyTorch network looks at `photos`."""
    kept = {}

    def keep(name):
        return lambda module, inputs, output: kept.update({name: output.clone()})

    hooks = [network.get_submodule(name).register_forward_hook(keep(name)) for name in modules]
    try:
        with torch.no_grad():
            network(photos)
    finally:
        for hook in hooks:
            hook.remove()
    return kept


def gates(network: nn.Module, photos: Float[Tensor, "photos 3 height width"]) -> dict[str, Float[Tensor, "photos c"]]:
    """The factors in 0 to 1 by which each squeeze-and-excitation module scales its channels, by residual unit."""
    modules = [name for name, _ in network.named_modules() if name.endswith("se.fc")]
    return {name.removesuffix(".se.fc"): gate for name, gate in activations(network, photos, modules).items()}


def gates_by_breed(gates: dict[str, Float[Tensor, "photos c"]], breeds: list[str]) -> pd.DataFrame:
    """Mean gate of each unit and channel (columns) over the photos of each breed (rows); `breeds` is each photo's."""
    units = {unit: pd.DataFrame(values.numpy()).groupby(np.array(breeds)).mean() for unit, values in gates.items()}
    return pd.concat(units, axis=1, names=["unit", "channel"])


def spread_between_breeds(means: pd.DataFrame) -> pd.Series:
    """For each unit how far the breeds' mean gates lie apart: their standard deviation, averaged over channels."""
    return means.std().groupby(level="unit").mean()


def excitation(
    network: nn.Module, photo: Float[Tensor, "3 height width"], unit: str
) -> tuple[Float[Tensor, "channels h w"], Float[Tensor, " channels"]]:
    """What the squeeze-and-excitation module of a residual unit is given for a photo, and its factors in 0 to 1."""
    seen = activations(network, photo[None], [f"{unit}.bn3", f"{unit}.se.fc"])
    return seen[f"{unit}.bn3"][0], seen[f"{unit}.se.fc"][0]
