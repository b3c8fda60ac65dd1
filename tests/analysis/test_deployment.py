"""The claim on deployment is decided by the measures that differ, and by nothing that varies as much by chance."""

import pytest
from deployment_measurements import measurements

from dogbreeds.analysis import deployment
from dogbreeds.analysis.claims_2020 import CONFIRMED, OPEN, REFUTED
from dogbreeds.errors import StudyError


@pytest.mark.parametrize(
    ("ratios", "verdict", "better"),
    [
        ({"own_start": 0.5, "onnx_ms_1": 0.8}, CONFIRMED, (2, 0)),
        ({"own_start": 2.0}, REFUTED, (0, 1)),
        ({"own_start": 2.0, "onnx_ms_1": 0.5}, OPEN, (1, 1)),
        ({}, OPEN, (0, 0)),
        ({"onnx_ms_1": 1.045}, OPEN, (0, 0)),
        ({"onnx_ms_1": 1.15}, REFUTED, (0, 1)),
        ({"onnx_megabytes": 1.04}, OPEN, (0, 0)),
        ({"onnx_megabytes": 1.5}, REFUTED, (0, 1)),
    ],
)
def test_verdict(ratios, verdict, better):
    row = deployment.claim(measurements(**ratios)).iloc[0]
    assert row["verdict"] == verdict
    counts = f"Keras better in {better[0]} of 8 measures, PyTorch in {better[1]}"
    assert row["measured"] == f"{counts} (drawn dogs, 2020-01-28)"


def test_chance_rarely_makes_a_framework_better():
    """With equal frameworks and much noise, at most 5 % of the tables name a better one (Holm's correction)."""
    found = [deployment.ratios(measurements(spread=0.3, seed=seed))["better"].ne("").any() for seed in range(40)]
    assert sum(found) <= 6  # the probability of more is 0.3 %, if that of each is 5 %


def test_ratios_are_paired_within_a_round():
    """A machine that slows down between rounds changes both frameworks, and not their ratio."""
    table = measurements(spread=1e-4, own_start=1.2)
    table[list(deployment.TIMED)] = table[list(deployment.TIMED)].mul(1.5 ** table["round"], axis=0)
    row = deployment.ratios(table).set_index("measure").loc["own_start"]
    assert row[["ratio", "low", "high"]].to_numpy() == pytest.approx([1.2, 1.2, 1.2], rel=1e-3)
    assert row["better"] == "PyTorch"


def test_a_ratio_at_the_margin_rarely_makes_a_framework_better():
    """The test is against the margin, not against 1: a measure at the margin decides in at most 5 % of the studies."""
    tables = [measurements(seed=seed, own_ms_1=deployment.MARGIN) for seed in range(40)]
    found = [deployment.ratios(table)["better"].ne("").any() for table in tables]
    assert sum(found) <= 6  # the probability of more is 0.3 %, if that of each is 5 %


def test_two_rounds_decide_nothing():
    with pytest.raises(StudyError, match="a comparison needs 3 rounds: run dogbreeds bench deployment with --rounds"):
        deployment.claim(measurements(rounds=2, onnx_megabytes=1.5))


def test_summary_has_medians_with_their_spread():
    table = measurements(rounds=3)
    table.loc[(table["network"] == "Xception") & (table["framework"] == "Keras"), "own_start"] = [0.5, 12.0, 3.0]
    shown = deployment.summary(table)
    row = shown.iloc[0]
    assert row["seconds from start to answer, framework"] == "3.00 [0.50, 12.00]"
    assert row["MB of the ONNX file"] == "2.00"
    assert (row["test accuracy in %"], row["largest difference of a logit"]) == ("84.5", "3e-06")
    assert len(shown) == 6


def test_readable_ratios():
    shown = deployment.readable_ratios(measurements(own_start=2.0)).set_index("measure")
    assert shown.loc["seconds from start to answer, framework", "better"] == "PyTorch"
    assert shown.loc["MB of the ONNX file"].to_list() == ["1.00", "", "neither"]
