"""The papermill commands of the README: the parameters of a notebook select the runs that it shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import five_breeds
import nbformat
import pytest

from dogbreeds import paths
from dogbreeds.study import Study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return five_breeds.finished_study(tmp_path_factory.mktemp("five_breeds"))


def executed(number, folder, environment):
    """Runs the README's papermill command for notebook `number` in `folder`, and returns the executed notebook."""
    readme = (paths.REPOSITORY / "README.md").read_text()
    command = re.search(rf"^ +(papermill notebooks/{number}_.+)$", readme, re.M)[1]
    (folder / "notebooks").symlink_to(paths.NOTEBOOKS)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | environment | {"PATH": programs}
    subprocess.run(command, shell=True, cwd=folder, env=environment, check=True)
    return nbformat.read(folder / f"{number}.ipynb", as_version=4)


def test_profile_and_photos_select_the_runs_of_that_study(study, tmp_path):
    before = study.run_files()
    (tmp_path / "folder").symlink_to(study.photos)
    five_breeds.check_notebook_05(executed("05", tmp_path, study.environment), study)
    assert study.run_files() == before  # nothing was trained


def test_single_settings_are_changed_by_yaml(home, tmp_path):
    cells = executed("01", tmp_path, home["environment"]).cells
    shown = next(cell for cell in cells if cell.source == "print(study)").outputs[0].text
    assert "profile: sample\n" in shown
    assert "\nseeds: [0, 1]\n" in shown
    assert shown == f"{Study.from_profile('sample', seeds=[0, 1])}\n"
