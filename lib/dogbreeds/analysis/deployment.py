"""Whether Keras is easier to deploy than PyTorch: what the measurements of `benchmarks.deployment` decide."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from dogbreeds import paths
from dogbreeds.analysis.claims_2020 import ANY, CONFIRMED, OPEN, REFUTED
from dogbreeds.analysis.tables import holm, readable_p_values
from dogbreeds.errors import StudyError
from dogbreeds.translation import N_, _

CLAIM = N_("Keras is easier to deploy than PyTorch")
TIMED = {
    "export_seconds": "seconds to export to ONNX",
    "onnx_start": "seconds from start to answer, onnxruntime",
    "onnx_ms_1": "ms an image, batch of 1, onnxruntime",
    "onnx_ms_32": "ms an image, batch of 32, onnxruntime",
    "own_start": "seconds from start to answer, framework",
    "own_ms_1": "ms an image, batch of 1, framework",
    "own_ms_32": "ms an image, batch of 32, framework",
}
MEGABYTES = {"onnx_megabytes": "MB of the ONNX file"}
MEASURES = TIMED | MEGABYTES
MARGIN = 1.05  # a ratio closer to 1 is not a difference that anyone who deploys a network would notice
FEWEST_ROUNDS = 3
KEYS = ["network", "framework"]


def read(folder: Path) -> pd.DataFrame:
    """Returns the table of `benchmarks.deployment` in a folder, or that of drawn dogs in outputs/reference."""
    own, kept = (each / "deployment.csv" for each in (folder, paths.REFERENCE / "sample"))
    return pd.read_csv(own if own.is_file() else kept, keep_default_na=False)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """One row per network and framework: the median over the rounds of each measure, with its lowest and highest value.

    The columns are readable: the test accuracy in per cent, the largest difference of a logit from the run, and the
    measures as text.
    """
    groups = table.groupby(KEYS, sort=False)
    shown = (100 * groups["test_accuracy"].first()).map("{:.1f}".format).to_frame("test accuracy in %")
    shown["largest difference of a logit"] = groups["largest_difference"].max().map("{:.0e}".format)
    for name, title in MEASURES.items():
        ends = groups[name].agg(["median", "min", "max"])
        shown[title] = [_spread(*row) for row in ends.to_numpy()]
    return shown.reset_index()


def _spread(median: float, low: float, high: float) -> str:
    digits = 0 if median >= 100 else 1 if median >= 10 else 2
    return f"{median:.{digits}f}" if low == high else f"{median:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def ratios(table: pd.DataFrame) -> pd.DataFrame:
    """One row per measure: Keras divided by PyTorch with its 95 % interval, its p-value, and which framework is better.

    Each round times both frameworks in turn, so the ratios are paired by network and round. The logarithms are averaged
    over the networks; intervals and t-tests are over the rounds, so they are about these networks on one machine. A
    framework is better if the ratio is beyond MARGIN and, for times, if the p-value is below 0.05. It is twice the
    smaller one of two tests, that Keras, or PyTorch, is better by more than MARGIN, and is corrected over the times
    with Holm's method; the intervals are not corrected. The size of a file does not vary between rounds: it has no
    p-value. Raises StudyError if there are fewer than three rounds.
    """
    if table["round"].nunique() < FEWEST_ROUNDS:
        raise StudyError(f"a comparison needs {FEWEST_ROUNDS} rounds: run dogbreeds bench deployment with --rounds")
    rows = []
    for name in MEASURES:
        wide = np.log(table.pivot_table(name, ["round", "network"], "framework"))
        by_round = (wide["Keras"] - wide["PyTorch"]).groupby("round").mean().to_numpy()
        rows.append({"measure": name, "ratio": np.exp(by_round.mean()), **(_tested(by_round) if name in TIMED else {})})
    found = pd.DataFrame(rows)
    times = found["measure"].isin(list(TIMED))
    found["p (Holm)"] = holm(found["p (Holm)"].to_numpy(float))
    decided = ~times | (found["p (Holm)"] < 0.05)
    lower, higher = found["ratio"] < 1 / MARGIN, found["ratio"] > MARGIN
    found["better"] = np.select([decided & lower, decided & higher], ["Keras", "PyTorch"], "")
    return found


def _tested(logarithms: np.ndarray) -> dict[str, float]:
    """The 95 % interval of the ratio, and the p-value of a ratio beyond MARGIN on either side."""
    half = stats.t.ppf(0.975, len(logarithms) - 1) * stats.sem(logarithms)
    ends = np.exp([logarithms.mean() - half, logarithms.mean() + half])
    margin = np.log(MARGIN)
    below = stats.ttest_1samp(logarithms, -margin, alternative="less").pvalue
    above = stats.ttest_1samp(logarithms, margin, alternative="greater").pvalue
    return {"low": ends[0], "high": ends[1], "p (Holm)": min(1.0, 2 * min(below, above))}


def readable_ratios(table: pd.DataFrame) -> pd.DataFrame:
    """A table of `ratios` with measures in words and numbers as text."""
    found = ratios(table)
    shown = pd.DataFrame({"measure": found["measure"].map(MEASURES)})
    ends = found[["ratio", "low", "high"]].to_numpy()
    shown["Keras / PyTorch [95 % interval]"] = [
        f"{ratio:.2f}" if np.isnan(low) else f"{ratio:.2f} [{low:.2f}, {high:.2f}]" for ratio, low, high in ends
    ]
    shown["p (Holm)"] = readable_p_values(found["p (Holm)"])
    shown["better"] = found["better"].replace("", "neither")
    return shown


def claim(table: pd.DataFrame) -> pd.DataFrame:
    """The claim on deployment as a row of `claims_2020.confront`.

    It is confirmed if Keras is better in at least one measure and PyTorch in none, and refuted if PyTorch is better in
    at least one and Keras in none. Otherwise the measures disagree or show nothing, and it is not decidable here. The
    measurement says on which images and when, because another study may show it.
    """
    better, (images, date) = ratios(table)["better"], table.loc[0, ["images", "date"]]
    keras, pytorch = (int((better == name).sum()) for name in ("Keras", "PyTorch"))
    verdict = CONFIRMED if keras and not pytorch else REFUTED if pytorch and not keras else OPEN
    measured = _("Keras better in {keras} of {all} measures, PyTorch in {pytorch} ({images}, {date})").format(
        keras=keras, all=len(better), pytorch=pytorch, images=_(images), date=date
    )
    return pd.DataFrame([{"claim": CLAIM, "initial weights": ANY, "measured": measured, "verdict": verdict}])


def with_claim(claims: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The table of `claims_2020.confront` with the claim on deployment as its last row."""
    return pd.concat([claims, claim(table)], ignore_index=True)
