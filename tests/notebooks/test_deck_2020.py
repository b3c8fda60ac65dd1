"""The study of 2020 from ImageNet weights, without the network: a local mirror serves all published files.

The files have the published formats. Their photos are drawn dogs, and their weights were learned on drawn dogs of other
breeds, at a size and in a time that make no network accurate: what is tested is the way from the files to the report.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from loopback import Handler
from published_files import write_mirror

from dogbreeds.models import ARCHITECTURES, FRAMEWORKS, pretrained
from dogbreeds.study import notebooks

DOGBREEDS = Path(sys.executable).with_name("dogbreeds")
SMALL = {
    "image_size": "40",
    "seeds": "[0]",
    "recipe": "{epochs: 1, batch_size: 16, augmentation: false}",
    "factors": "{first stage frozen: {freeze: first}}",
    "failure_2020": "{weights: imagenet, seeds: [0], frozen: [nothing], epochs: 1, healing_epochs: 1}",
}
NOT_UNSEEN = "Networks with ImageNet weights were trained on the test photos of Stanford Dogs: these are not unseen."
pytestmark = pytest.mark.slow


@pytest.fixture
def study(mirror, tmp_path, monkeypatch):
    """The completed process, whose first download was interrupted."""
    write_mirror(mirror, 16, {"epochs": 1, "batch_size": 16, "augmentation": False}, image_size=40)
    monkeypatch.setenv("DOGBREEDS_CHECKSUMS", str(mirror / "SHA256SUMS"))
    monkeypatch.setenv("KERAS_BACKEND", "torch")  # needs no tracing
    parameters = [word for name, value in SMALL.items() for word in ("--parameter", f"{name}={value}")]
    Handler.drops, Handler.ranges = 1, []
    command = [DOGBREEDS, "study", "--profile", "deck_2020_five_breeds", *parameters]
    return subprocess.run(command, env=os.environ, cwd=tmp_path, capture_output=True, text=True)


def test_the_study_of_2020_runs_from_the_published_files_to_the_slides(study, mirror, tmp_path):
    assert study.returncode == 0, study.stderr[-2000:]
    folder = tmp_path / "outputs" / "deck_2020_five_breeds"
    sums = dict(line.split()[::-1] for line in (mirror / "SHA256SUMS").read_text().splitlines())
    assert len(sums) == 8
    assert "8 files to download" in study.stderr
    assert [requested for requested in Handler.ranges if requested]  # the interrupted download was resumed
    assert NOT_UNSEEN in study.stdout
    assert "120 photographs of 5 breeds" in study.stdout
    report = (folder / "report.html").read_text()
    for name, digest in sums.items():
        assert f"{name}: unknown size, http://127.0.0.1:" in study.stderr
        assert f"sha256 {digest}, to " in study.stderr
        used = rf"<dt>{re.escape(name)}</dt>\s*<dd>not known to be the file of http.*<br>SHA-256 {digest}</dd>"
        assert re.search(used, report)
    check_tables(folder / "tables")
    check_notebooks(folder, sums)
    assert NOT_UNSEEN in report
    assert "poids ImageNet" in (folder / "slides" / "presentation.fr.html").read_text()
    assert not list(folder.rglob("*failed*"))


def check_tables(folder):
    results, factors = (pd.read_csv(folder / f"{name}.csv") for name in ("results", "factors"))
    assert len(results) == len(ARCHITECTURES) * len(FRAMEWORKS)
    assert list(factors["factor"]) == ["first stage frozen"] * len(results)
    for name in ("results", "claims", "factors", "failure_2020", "networks", "baselines"):
        assert set(pd.read_csv(folder / f"{name}.csv")["test photos"]) == {"not unseen with ImageNet weights"}
    why, healing = (pd.read_csv(folder / f"{name}.csv") for name in ("failure_2020", "healing"))
    assert set(why["weights"]) == {"imagenet"}
    assert sorted(zip(why["network"], why["preprocessing"], strict=True)) == [
        (network, preprocessing)
        for network in ("resnet50", "xception")
        for preprocessing in ("expected", "rescaled", "rescaled, re-estimated first")
    ]
    assert len(healing) == 1


def check_notebooks(folder, sums):
    for stored in notebooks.numbered_notebooks():
        cells = [cell for cell in nbformat.read(folder / stored.name, as_version=4).cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in cells)
    in_02, in_05 = (shown(folder / name) for name in ("02_baseline_xception.ipynb", "05_architecture_comparison.ipynb"))
    for weights in pretrained.OF_KERAS_APPLICATIONS.values():
        assert f"{weights.file.name}, SHA-256 {sums[weights.file.name]}" in in_02
    assert "networks with this control: xception, resnet50, se_resnet50" in in_05
    control = in_05.partition("original classifier")[2]
    assert len(re.findall(r"\b(?:Xception|ResNet50|SE-ResNet50) (?:Keras|PyTorch) \d", control)) >= 6


def shown(notebook):
    """The words of all outputs of a notebook."""
    cells = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
    texts = [output.get("text", "") or output.get("data", {}).get("text/html", "") for output in outputs]
    words = " ".join(re.sub(r"<style.*?</style>|<[^>]+>", " ", text, flags=re.S) for text in texts)
    return re.sub(r"\s+", " ", words)
