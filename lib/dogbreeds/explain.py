"""Where a network errs, and where it looks."""

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from dogbreeds.models import PREPROCESSING
from dogbreeds.runs import Run
from dogbreeds.training import framework_module, load


def confused_pairs(run: Run) -> pd.DataFrame:
    """Pairs of breeds (true, predicted) by how many test photos of the one were taken for the other, most first."""
    breeds, labels, guesses = np.array(run.record["breeds"]), run.labels(), run.logits().argmax(axis=1)
    wrong = labels != guesses
    pairs = pd.DataFrame({"true": breeds[labels[wrong]], "predicted": breeds[guesses[wrong]]})
    return pairs.value_counts().rename("photos").reset_index()


def class_activation_maps(
    run: Run, photos: Float[np.ndarray, "photos size size 3"], breeds: Int[np.ndarray, " photos"]
) -> Float[np.ndarray, "photos height width"]:
    """For each photo (colours in 0 to 1) how strongly each place spoke for the breed of that index.

    Class activation maps (Zhou et al., https://arxiv.org/abs/1512.04150, equation 2): all three networks end in
    global average pooling and a linear head, for which they are exact.
    """
    mean, deviation = PREPROCESSING[run.record["architecture"]]
    prepared = ((photos - mean) / np.array(deviation)).astype(np.float32).transpose(0, 3, 1, 2)
    maps, head = framework_module(run.record["framework"]).last_features(load(run), np.ascontiguousarray(prepared))
    return np.einsum("bchw,cb->bhw", maps, head[:, breeds])
