"""The main path, once, as a newcomer takes it: `dogbreeds study` on drawn dogs, then nbval on the stored notebooks."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from dogbreeds import notebooks
from dogbreeds.models import ARCHITECTURES, FRAMEWORKS, TITLES

DOGBREEDS = Path(sys.executable).with_name("dogbreeds")


def test_the_table_and_what_to_open_are_printed(home, finished):
    assert finished.returncode == 0
    row = r"^ *\S+ +(?:Keras|PyTorch) +(scratch|other-breeds) +[\d.]+% +[\d.]+% to [\d.]+% +\d+ +[\d.]+$"
    assert len(re.findall(row, finished.stdout, re.M)) == 2 * len(ARCHITECTURES) * len(FRAMEWORKS)
    paths = finished.stdout.partition("open:\n")[2].split()
    assert len(paths) == 8
    assert all((home["folder"] / path).is_file() for path in paths)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_network_learns_in_both_frameworks(home, results, architecture, framework):
    """60 % from either start, where guessing gives 20 %."""
    table = pd.read_csv(home["folder"] / "outputs" / "sample" / "tables" / "results.csv")
    rows = table[(table["network"] == TITLES[architecture]) & (table["framework"] == TITLES[framework])]
    assert set(rows["start"]) == {"scratch", "other-breeds"}
    assert (rows["test accuracy"] >= 0.6).all()


def test_the_failure_of_2020_is_reproduced_and_repaired(home, results):
    """In the executed notebook 02: near chance outside training, and well above it with the same weights."""
    cells = nbformat.read(home["folder"] / "outputs" / "sample" / "02_baseline_xception.ipynb", as_version=4).cells
    printed = "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))
    assert re.findall(r"^(training|validation) .*: (True|False)$", printed, re.M) == [
        ("training", "True"),
        ("validation", "True"),
        ("validation", "True"),
    ]


def test_every_engine_begins_alike_in_a_process_of_its_own(home, results):
    engines = pd.read_csv(home["folder"] / "outputs" / "sample" / "tables" / "engines.csv", index_col="engine")
    assert list(engines.index) == ["PyTorch", "Keras on TensorFlow", "Keras on PyTorch"]
    assert engines.loc["PyTorch", "distance"] == 0
    assert (engines["distance"].iloc[1:] > 0).all()  # not the same engine
    assert (engines["in widths of the band"] <= 1).all()  # and as close as PyTorch is to itself after a last-bit nudge
    assert engines["memory MB"].between(300, 20_000).all()
    assert engines["memory MB"].nunique() == 3


def test_executed_notebooks_figures_and_slides_are_there(home, results):
    folder = home["folder"] / "outputs" / "sample"
    for stored in notebooks.numbered_notebooks():
        cells = nbformat.read(folder / stored.name, as_version=4).cells
        assert all(cell.execution_count for cell in cells if cell.cell_type == "code")
    figures = {kind: {path.stem for path in (folder / "figures").glob(f"*.{kind}")} for kind in ("png", "svg")}
    assert len(figures["png"]) >= 15
    assert figures["png"] == figures["svg"]
    kept = {path.stem for path in (folder / "tables").glob("*.csv")}
    of_the_networks = {"results", "networks", "frameworks", "starts", "learning_speed", "claims"}
    assert kept == of_the_networks | {"baselines", "statistics", "engines", "lines_of_code"}
    assert (folder / "slides" / "presentation.fr.html").is_file()
    report = (folder / "report.html").read_text()
    linked = re.findall(r'(?:href|src)="([^"]+)"', report)
    assert all((folder / path).is_file() for path in linked)
    assert len(linked) == 7 + len(figures["svg"])
    assert report.count("<table") == len(kept)
    assert "450 drawn dogs of 5 breeds" in report
    assert not list(folder.rglob("*unfinished*"))
    assert not list(folder.rglob("*failed*"))


def test_a_second_study_reads_the_finished_runs(home, results):
    before = {path: path.stat().st_mtime_ns for path in home["folder"].rglob("run.json")}
    sources, variants = 3, 5  # weights of other breeds, and what notebook 02 trains besides the twelve
    assert len(before) == 2 * len(ARCHITECTURES) * len(FRAMEWORKS) + sources + variants
    command = [DOGBREEDS, "train", "--architecture", "xception", "--framework", "keras"]
    last = subprocess.run(command, env=home["environment"], check=True, text=True, stdout=-1).stdout.splitlines()[-1]
    assert Path(last).is_dir()
    assert {path: path.stat().st_mtime_ns for path in home["folder"].rglob("run.json")} == before


def test_stored_outputs_are_what_comes_out(home, results):
    """nbval, exact on every cell that is not marked as different from machine to machine."""
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-p", "no:cacheprovider", "-q"]
    command += ["--override-ini", "addopts=", "-W", "default", *map(str, notebooks.numbered_notebooks())]
    outcome = subprocess.run(command, env=home["environment"], text=True, stdout=-1)
    assert outcome.returncode == 0, outcome.stdout
    assert int(re.search(r"(\d+) passed", outcome.stdout)[1]) >= 50
