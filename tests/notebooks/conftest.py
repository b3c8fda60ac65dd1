"""A tiny study that runs once for all tests in this folder, with the command that a new user would run."""

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
    """The folder of this session's study, and the environment variables that select its data and outputs."""
    folder = shared / "study"
    with FileLock(shared / "study.lock"):
        if not folder.exists():
            (folder / "data").mkdir(parents=True)
            (folder / "data" / "drawn_dogs").symlink_to(drawings)
    places = {"DOGBREEDS_DATA": str(folder / "data"), "DOGBREEDS_OUTPUTS": str(folder / "outputs")}
    places["KERAS_BACKEND"] = "torch"  # needs no tracing; notebook 04 selects TensorFlow itself
    return {"folder": folder, "environment": os.environ | places, "study": folder / "outputs" / "tiny"}


@pytest.fixture(scope="session")
def finished(home):
    """The completed process of the tiny study, which the first test process runs outside the project's directory."""
    command, record = [DOGBREEDS, "study", "--profile", "tiny"], home["folder"] / "completed.pickle"
    with FileLock(record.with_suffix(".lock")):
        if not record.exists():
            completed = subprocess.run(command, cwd=home["folder"], env=home["environment"], text=True, stdout=-1)
            record.write_bytes(pickle.dumps(completed))
    return pickle.loads(record.read_bytes())


@pytest.fixture(scope="session")
def results(home, finished):
    assert finished.returncode == 0
    return runs.RunStore(home["study"] / "runs").results()
