"""Fixtures for all tests. Tests check the array shapes in all signatures (see addopts in pyproject.toml)."""

import gc
import os
import sys

# Two tests run at a time. Threads of two processes on the same cores would wait for each other much longer than they
# compute, and the last bits of results depend on the number of threads.
os.environ |= {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}

import numpy as np
import pytest
import shallow_networks
import torchvision
from fork_server import ForkServer
from loopback import serving
from PIL import Image

from dogbreeds.data import datasets, parallel_decoding
from dogbreeds.files import digest

if not any(word.partition("::")[0].endswith("test_gpu.py") for word in sys.argv):
    # The other tests expect the results of a CPU, on a machine with a GPU too.
    os.environ["CUDA_VISIBLE_DEVICES"] = ""


# These tests start first, so that two test processes end at about the same time.
LONGEST = (
    "notebooks",
    "test_trainer",
    "test_ray_executor",
    "test_parallel",
    "test_faults",
    "test_training_step",
    "test_throughput",
    "test_parity",
    "test_weight_files",
    "test_freezing",
    "test_reproducibility",
)


def pytest_collection_modifyitems(items):
    def position(item):
        found = [LONGEST.index(name) for name in (*item.path.parts, item.path.stem) if name in LONGEST]
        return found[0] if found else len(LONGEST)

    items.sort(key=position)


def pytest_collection_finish():
    """Imports stay until the end: the garbage collector need not scan their million objects again."""
    gc.freeze()


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """A folder that all parallel test processes share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def drawings(shared):
    """The folder of drawings that all tests share."""
    folder = shared / "drawings"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def dogbreeds(tmp_path_factory):
    """`dogbreeds.run(words)` runs a command in its own process, with shallow networks; see `fork_server`."""
    server = ForkServer(tmp_path_factory.mktemp("commands"))
    yield server
    server.close()


@pytest.fixture(autouse=True)
def isolated_folders(tmp_path, tmp_path_factory, monkeypatch, drawings):
    """No test reads or writes the data and outputs of the user."""
    data = tmp_path_factory.mktemp("data")
    (data / "drawn_dogs").symlink_to(drawings)
    monkeypatch.setenv("DOGBREEDS_DATA", str(data))
    monkeypatch.setenv("DOGBREEDS_OUTPUTS", str(tmp_path / "outputs"))


@pytest.fixture
def checksums(tmp_path, monkeypatch):
    """The list of checksums of a mirror: `checksums(file)` adds a file, which then counts as the published one."""
    listed = tmp_path / "SHA256SUMS"
    listed.touch()
    monkeypatch.setenv("DOGBREEDS_CHECKSUMS", str(listed))

    def add(file):
        with listed.open("a") as lines:
            lines.write(f"{digest(file)}  {file.name}\n")

    return add


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A folder that a local server serves as the mirror of the published files."""
    folder = tmp_path / "served"
    folder.mkdir()
    with serving(folder) as address:
        monkeypatch.setenv("DOGBREEDS_MIRROR", address)
        yield folder


@pytest.fixture
def french():
    """The library writes French until the end of the test."""
    from dogbreeds.presentation import deck  # imported here because few tests need it

    deck.set_language("fr")
    yield
    deck.set_language("en")


@pytest.fixture
def photo_folder(tmp_path):
    """Two breeds of twelve noise photos each, with different brightness; one folder is named as in Stanford Dogs."""
    generator = np.random.default_rng(0)
    for breed, level in (("n02085620-Chihuahua", 60), ("pug", 180)):
        folder = tmp_path / "photos" / breed
        folder.mkdir(parents=True)
        for number in range(12):
            noise = generator.normal(level, 20, (40, 50, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(noise).save(folder / f"{number:02d}.jpg")
    return tmp_path / "photos"


@pytest.fixture
def dataset(photo_folder):
    return datasets.load(photo_folder)


@pytest.fixture
def in_processes(monkeypatch):
    """Even a few photos are decoded in two processes."""
    monkeypatch.setattr(parallel_decoding, "MANY", 1)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")


@pytest.fixture
def shallow(monkeypatch):
    """Replaces ResNet50 by the network of `shallow_networks`."""
    monkeypatch.setattr("dogbreeds.models.keras_networks.STAGES", shallow_networks.STAGES)
    monkeypatch.setattr(torchvision.models, "resnet50", shallow_networks.resnet50)
    forget_keras_networks()
    yield
    forget_keras_networks()


def forget_keras_networks():
    """Clears the networks that `keras_trainer` would reuse."""
    if module := sys.modules.get("dogbreeds.training.keras_trainer"):
        module.network.cache_clear()
        module._compiled.cache_clear()
