"""Why ResNet50 failed in 2020: tables of the files that `training.failure_trainings` writes.

A network can fail at inference although training went well: batch normalisation uses the statistics of each batch in
training, but running averages of them at inference. These averages do not influence the weights. If the accuracy of the
same weights changes when the averages are re-estimated, the difference was not overfitting.
"""

import math
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from dogbreeds.analysis import intervals
from dogbreeds.analysis.claims_2020 import CONFIRMED, NEAR_CHANCE, REFUTED, near_chance
from dogbreeds.models.names import KERAS_APPLICATIONS, KERAS_FROZEN, PREPROCESSINGS, TITLES
from dogbreeds.translation import N_

WHICH = ["network", "frozen", "preprocessing"]
# The preprocessing of a control: rescaled, but before the training the running statistics become those of its images.
CONTROL = "rescaled, re-estimated first"
SHOWN = (*PREPROCESSINGS, CONTROL)
# Where new images should be near chance if nothing is frozen: network and preprocessing.
NEAR = ("resnet50", "rescaled")
# Where the trainings start, by their setting "weights".
STARTS = {"other-breeds": N_("weights learned on other breeds"), "imagenet": N_("ImageNet weights")}
SPLITS = {"train": "training images", "test": "new images"}


def read(files: list[Path]) -> list[dict[str, np.ndarray]]:
    """Returns the arrays of each training, see `training.failure_trainings.train`."""
    found = []
    for file in files:
        with np.load(file) as arrays:
            found.append(dict(arrays))
    return found


def initial_weights(trainings: list[dict[str, np.ndarray]]) -> str:
    """A sentence that names the initial weights: the files of ImageNet, or the profile that would start from them."""
    if _weights(trainings[0]) == "other-breeds":
        return (
            "Initial weights: learned on other breeds, with the preprocessing that each network expects. The trainings "
            "that start from ImageNet weights were not run here; the profile deck_2020_five_breeds runs them."
        )
    names = ("network", "weights file", "weights sha256")
    used = dict.fromkeys(tuple(str(training[name]) for name in names) for training in trainings)
    listed = "; ".join(f"{TITLES[network]}: {file}, SHA-256 {digest}" for network, file, digest in used)
    return f"Initial weights: those of ImageNet that keras.applications publishes. {listed}."


def _weights(training: dict[str, np.ndarray]) -> str:
    """One of STARTS. The oldest files do not name it: the only initial weights then were those of other breeds."""
    return str(training.get("weights", "other-breeds"))


def results(trainings: list[dict[str, np.ndarray]]) -> pd.DataFrame:
    """One row per network, frozen layers and preprocessing, with accuracies in 0 to 1 as means over seeds.

    "while training" is measured on the batches of the last epoch. The other accuracies are in inference mode: on the
    "training images", and on "new images", which are the test split, with the 95 % interval of `intervals.accuracy`
    ("low", "high"). In columns that end in "re-estimated", the statistics of all layers that are not frozen are
    averages over the training images. "weights" are the initial weights, one of STARTS.
    """
    rows = []
    for which, mine in _by_kind(trainings).items():
        row = dict(zip(WHICH, which, strict=True))
        row["while training"] = float(np.mean([each["training"][-1] for each in mine]))
        for statistics, suffix in (("running", ""), ("re-estimated", ", re-estimated")):
            for split, images in SPLITS.items():
                correct = np.stack([each[f"{split}, {statistics}"] == each[f"{split}, labels"] for each in mine])
                reached = intervals.accuracy(correct)
                row |= {f"{images}{suffix}": reached["mean"]}
            row |= {f"{end}{suffix}": reached[end] for end in ("low", "high")}
        row |= {"chance": _chance(mine[0]), "seeds": len(mine), "images": str(mine[0]["kind"])}
        rows.append(row | {"weights": _weights(mine[0])})
    return pd.DataFrame(rows)


def counted(trainings: list[dict[str, np.ndarray]]) -> str:
    """A sentence that counts the runs near chance by network and preprocessing, or says that there were none."""
    expected = expectations(trainings).set_index(["preprocessing", "network"])
    if (expected["outcome"] == "not run").loc["rescaled"].any():
        return "Why ResNet50 failed in 2020 was not asked here."
    near = expected["runs near chance"].replace("", "no")
    said = {
        preprocessing: " and ".join(f"{count} runs of {name}" for name, count in near.loc[preprocessing].items())
        for preprocessing in PREPROCESSINGS
    }
    return (
        f"From {STARTS[_weights(trainings[0])]} and with pixel values divided by 255, {said['rescaled']} are near "
        f"chance on new {trainings[0]['kind']}; with the preprocessing that each network expects, {said['expected']}."
    )


def repaired(table: pd.DataFrame) -> str:
    """A sentence on ResNet50 with rescaled images and re-estimated statistics, or that this was not run."""
    asked = ("resnet50", "nothing", "rescaled")
    row = next((row for _, row in table.iterrows() if tuple(row[WHICH]) == asked), None)
    if row is None:
        return "No ResNet50 was trained on rescaled images."
    return (
        f"ResNet50 from {STARTS[row['weights']]}, on pixel values divided by 255, has an accuracy of "
        f"{row['while training']:.1%} in training, {row['new images']:.1%} on new {row['images']}, and "
        f"{row['new images, re-estimated']:.1%} with re-estimated running statistics."
    )


def _by_kind(trainings: list[dict[str, np.ndarray]]) -> dict[tuple, list[dict[str, np.ndarray]]]:
    """The trainings by network, frozen layers and preprocessing, in the order of these names, without "healing"."""
    groups: dict = {which: [] for which in product(KERAS_APPLICATIONS, KERAS_FROZEN, SHOWN)}
    for training in trainings:
        network, frozen, preprocessing, role = (str(training[name]) for name in (*WHICH, "role"))
        if role != "healing":
            groups[network, frozen, CONTROL if role == "control" else preprocessing].append(training)
    return {which: mine for which, mine in groups.items() if mine}


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `results` as text: one row per network and frozen layers, one column per kind of preprocessing.

    Another column names the initial weights.
    A cell such as `91; 20.0 [17.6, 22.6]; 3 seeds` has the accuracy while training and that on new images with its
    interval, both in per cent.
    """
    shares = 100 * table[["while training", "new images", "low", "high"]]
    cells = [f"{a:.0f}; {b:.1f} [{c:.1f}, {d:.1f}]" for a, b, c, d in shares.to_numpy()]
    cells = [f"{cell}; {seeds} seed{'s' * (seeds > 1)}" for cell, seeds in zip(cells, table["seeds"], strict=True)]
    shown = (
        table.assign(cells=cells)
        .rename(columns={"weights": "initial weights"})
        .pivot_table("cells", [*WHICH[:2], "initial weights"], "preprocessing", "first", sort=False)
        .fillna("not run")
    )
    return shown.add_prefix("preprocessing ").rename_axis(columns=None).reset_index().replace({"network": TITLES})


def expectations(trainings: list[dict[str, np.ndarray]]) -> pd.DataFrame:
    """What the hypothesis predicts for new images where nothing is frozen, and what came out.

    "runs near chance" counts the trainings with an accuracy below twice the chance level. The outcome is the verdict of
    `claims_2020.near_chance` on all seeds: "as expected", "against the hypothesis", or the verdict itself where it
    decides neither; "one seed decides nothing" or "not run" if there are too few trainings.
    """
    rows, groups = [], _by_kind(trainings)
    for network, preprocessing in product(KERAS_APPLICATIONS, SHOWN):
        low = (network, preprocessing) == NEAR
        outcome, counted, mine = "not run", "", groups.get((network, "nothing", preprocessing), [])
        if mine:
            right = [int((each["test, running"] == each["test, labels"]).sum()) for each in mine]
            photos, chance = len(mine[0]["test, labels"]), _chance(mine[0])
            counted = f"{sum(each < NEAR_CHANCE * chance * photos for each in right)} of {len(right)}"
            verdict = near_chance(right, photos, chance) if len(right) > 1 else "one seed decides nothing"
            outcome = {CONFIRMED: low, REFUTED: not low}.get(verdict, verdict)
            outcome = {True: "as expected", False: "against the hypothesis"}.get(outcome, outcome)
        expected = "near chance" if low else "well above chance"
        row = {"network": TITLES[network], "preprocessing": preprocessing, "prediction": expected}
        rows.append(row | {"runs near chance": counted, "outcome": outcome})
    return pd.DataFrame(rows)


def same_weights(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `results` where nothing is frozen, in per cent: with running and with re-estimated statistics."""
    names = ["while training"] + [f"{images}{kind}" for kind in ("", ", re-estimated") for images in SPLITS.values()]
    rows = table[table["frozen"] == "nothing"]
    return rows[["network", "preprocessing"]].replace(TITLES).join((100 * rows[names]).map("{:.1f}".format))


def healing(trainings: list[dict[str, np.ndarray]]) -> pd.DataFrame:
    """The trainings with the role "healing", one row per seed and epoch: steps so far, and accuracies in 0 to 1.

    "training" is measured on the batches of the epoch, "validation" in inference mode.
    """
    rows = []
    for training in (each for each in trainings if each["role"] == "healing"):
        for epoch, (trained, validated) in enumerate(zip(training["training"], training["validation"], strict=True)):
            row = {"seed": int(training["seed"]), "steps": int((epoch + 1) * training["steps"])}
            row |= {"training": trained, "validation": validated}
            rows.append(row | {"chance": _chance(training)})
    return pd.DataFrame(rows, columns=["seed", "steps", "training", "validation", "chance"])


def steps_until_healed(table: pd.DataFrame) -> list[int | None]:
    """For each seed of a `healing` table, the steps after which validation stays at or above twice the chance level.

    None if the training ends before.
    """
    found = []
    for _, rows in table.groupby("seed", sort=False):
        ill = rows.loc[rows["validation"] < NEAR_CHANCE * rows["chance"], "steps"].max()
        after = rows.loc[~(rows["steps"] <= ill), "steps"]
        found.append(int(after.min()) if len(after) else None)
    return found


def healed(table: pd.DataFrame) -> pd.DataFrame:
    """One row per seed of a `healing` table: the steps until ResNet50 left chance, measured and predicted."""
    measured = ["not reached" if steps is None else str(steps) for steps in steps_until_healed(table)]
    predicted = f"{predicted_steps():.0f}"
    return pd.DataFrame({"seed": table["seed"].unique(), "steps": measured, "predicted at the latest": predicted})


def _chance(training: dict[str, np.ndarray]) -> float:
    return 1 / (int(training["train, labels"].max()) + 1)


def predicted_steps() -> float:
    """The steps after which the initial running variance of the first layer contributes as much as the batches do.

    The images are 255 times too small, so that their variance is 255 squared times too small; each step keeps 99 % of
    the running variance. Chance should be left at the latest by then.
    """
    return 2 * math.log(255) / -math.log(0.99)
