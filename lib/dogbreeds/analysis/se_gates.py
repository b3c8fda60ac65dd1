"""The gates by which squeeze-and-excitation modules weight their channels."""

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor, nn

from dogbreeds.analysis.activation_maps import activations


def gates(network: nn.Module, photos: Float[Tensor, "photos 3 height width"]) -> dict[str, Float[Tensor, "photos c"]]:
    """The gates of each squeeze-and-excitation module, by residual unit: factors in 0 to 1, one per channel."""
    modules = [name for name, _ in network.named_modules() if name.endswith("se.fc")]
    return {name.removesuffix(".se.fc"): gate for name, gate in activations(network, photos, modules).items()}


def gates_by_breed(gates: dict[str, Float[Tensor, "photos c"]], breeds: list[str]) -> pd.DataFrame:
    """Mean gate of each breed (rows) for each unit and channel (columns); `breeds` has one name per photo."""
    units = {unit: pd.DataFrame(values.numpy()).groupby(np.array(breeds)).mean() for unit, values in gates.items()}
    return pd.concat(units, axis=1, names=["unit", "channel"])


def spread_between_breeds(means: pd.DataFrame) -> pd.Series:
    """Standard deviation of the mean gates between breeds, averaged over the channels of each unit."""
    return means.std().groupby(level="unit").mean()


def excitation(
    network: nn.Module, photo: Float[Tensor, "3 height width"], unit: str
) -> tuple[Float[Tensor, "channels h w"], Float[Tensor, " channels"]]:
    """Input of the squeeze-and-excitation module of a residual unit for one photo, and its gates in 0 to 1."""
    seen = activations(network, photo[None], [f"{unit}.bn3", f"{unit}.se.fc"])
    return seen[f"{unit}.bn3"][0], seen[f"{unit}.se.fc"][0]
