"""A tiny study, run once for all tests of this folder, as a newcomer runs the sample."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from dogbreeds.training import runs

DOGBREEDS = Path(sys.executable).with_name("dogbreeds")


@pytest.fixture(scope="session")
def home(shared, drawings):
    """Where the study of this session keeps its data and outputs, as environment variables."""
    folder = shared / "study"
    with FileLock(shared / "study.lock"):
        if not folder.exists():
            (folder / "data").mkdir(parents=True)
            (folder / "data" / "drawn_dogs").symlink_to(drawings)
    places = {"DOGBREEDS_DATA": str(folder / "data"), "DOGBREEDS_OUTPUTS": str(folder / "outputs")}
    places["KERAS_BACKEND"] = "torch"  # where nothing is traced; notebook 04 asks for TensorFlow itself
    return {"folder": folder, "environment": os.environ | places, "study": folder / "outputs" / "tiny"}


@pytest.fixture(scope="session")
def finished(home):
    """The tiny study, run from another working directory than the project's, by the first process that needs it."""
    command, told = [DOGBREEDS, "study", "--profile", "tiny"], home["folder"] / "told.pickle"
    with FileLock(told.with_suffix(".lock")):
        if not told.exists():
            ended = subprocess.run(command, cwd=home["folder"], env=home["environment"], text=True, stdout=-1)
            told.write_bytes(pickle.dumps(ended))
    return pickle.loads(told.read_bytes())


@pytest.fixture(scope="session")
def results(home, finished):
    assert finished.returncode == 0
    return runs.results(home["study"] / "runs")
