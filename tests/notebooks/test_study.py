"""The main command `dogbreeds study`, run once on a tiny profile as a new user would run it."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from dogbreeds.models import ARCHITECTURES, FRAMEWORKS
from dogbreeds.study import notebooks

DOGBREEDS = Path(sys.executable).with_name("dogbreeds")
pytestmark = pytest.mark.slow


def test_result_table_and_paths_to_open_are_printed(home, finished):
    assert finished.returncode == 0
    row = r"^ *\S+ +(?:Keras|PyTorch) +other-breeds +[\d.]+% +[\d.]+% to [\d.]+% +\d+ +[\d.]+$"
    assert len(re.findall(row, finished.stdout, re.M)) == len(ARCHITECTURES) * len(FRAMEWORKS)
    paths = finished.stdout.partition("open:\n")[2].split()
    assert len(paths) == 8
    assert all((home["folder"] / path).is_file() for path in paths)


def test_backends_start_with_similar_losses_in_separate_processes(home, results):
    backends = pd.read_csv(home["study"] / "tables" / "backends.csv", index_col="backend")
    assert list(backends.index) == ["PyTorch", "Keras on TensorFlow", "Keras on PyTorch"]
    assert backends.loc["PyTorch", "distance"] == 0
    assert backends["distance"].iloc[1:].between(1e-9, 0.1).all()  # a different backend with similar results
    assert backends["memory MB"].between(300, 20_000).all()
    assert backends["memory MB"].nunique() == 3


def test_notebooks_figures_tables_slides_and_report_are_written(home, results):
    folder = home["study"]
    for stored in notebooks.numbered_notebooks():
        cells = nbformat.read(folder / stored.name, as_version=4).cells
        assert all(cell.execution_count for cell in cells if cell.cell_type == "code")
    figures = {kind: {path.stem for path in (folder / "figures").glob(f"*.{kind}")} for kind in ("png", "svg")}
    assert len(figures["png"]) >= 15
    assert figures["png"] == figures["svg"]
    tables = {path.stem for path in (folder / "tables").glob("*.csv")}
    of_the_networks = {"results", "networks", "frameworks", "initial_weights", "factors", "learning_speed", "claims"}
    assert tables == of_the_networks | {"baselines", "in_pytorch", "failure_2020", "healing", "backends"}
    assert (folder / "slides" / "presentation.fr.html").is_file()
    report = (folder / "report.html").read_text()
    linked = re.findall(r'(?:href|src)="([^"#]+)"', report)
    shown = {name for name in tables if not pd.read_csv(folder / "tables" / f"{name}.csv").empty}
    assert all((folder / path).is_file() for path in linked)
    assert set(linked) >= {f"figures/{name}.svg" for name in figures["svg"]} | {f"tables/{name}.csv" for name in shown}
    assert len([path for path in linked if path.endswith(".html")]) == 7
    assert report.count("<table") == len(shown) + 1  # the results are shown with their costs
    assert "68 drawn dogs of 2 breeds" in report
    assert not list(folder.rglob("*unfinished*"))
    assert not list(folder.rglob("*failed*"))


def test_second_training_reuses_the_finished_runs(home, results):
    before = {path: path.stat().st_mtime_ns for path in home["folder"].rglob("run.json")}
    sources, variants = 3, 5  # runs that provide the "other-breeds" weights, and additional runs of notebooks 02 and 04
    assert len(before) == len(ARCHITECTURES) * len(FRAMEWORKS) + sources + variants
    command = [DOGBREEDS, "train", "--profile", "tiny", "--architecture", "xception", "--framework", "keras"]
    command += ["--weights", "other-breeds"]
    last = subprocess.run(command, env=home["environment"], check=True, text=True, stdout=-1).stdout.splitlines()[-1]
    assert Path(last).is_dir()
    assert {path: path.stat().st_mtime_ns for path in home["folder"].rglob("run.json")} == before
