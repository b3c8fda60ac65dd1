"""The sample study, run once for all tests of this folder, as a newcomer runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dogbreeds import runs

DOGBREEDS = Path(sys.executable).with_name("dogbreeds")


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """Where the study of this session keeps its data and outputs, as environment variables."""
    folder = tmp_path_factory.mktemp("study")
    places = {"DOGBREEDS_DATA": str(folder / "data"), "DOGBREEDS_OUTPUTS": str(folder / "outputs")}
    return {"folder": folder, "environment": os.environ | places}


@pytest.fixture(scope="session")
def finished(home):
    """The sample study, run from another working directory than the project's."""
    return subprocess.run([DOGBREEDS, "study"], cwd=home["folder"], env=home["environment"], text=True, stdout=-1)


@pytest.fixture(scope="session")
def results(home, finished):
    assert finished.returncode == 0
    return runs.results(home["folder"] / "outputs" / "sample" / "runs")
