"""Shapes of all signatures are enforced while tests run (see addopts in pyproject.toml)."""

import os
import sys

import numpy as np
import pytest
import torchvision
from PIL import Image
from torchvision.models.resnet import Bottleneck, ResNet

from dogbreeds import datasets

if not any("test_gpu" in word for word in sys.argv):
    # Elsewhere it is the processor's numbers that are asserted, on a machine with a GPU too.
    os.environ["CUDA_VISIBLE_DEVICES"] = ""


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """No test reads or writes the data and outputs of a person."""
    monkeypatch.setenv("DOGBREEDS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DOGBREEDS_OUTPUTS", str(tmp_path / "outputs"))


@pytest.fixture
def photo_folder(tmp_path):
    """Two breeds of twelve noisy pictures each, of different brightness, named as Stanford Dogs names its folders."""
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
def shallow(monkeypatch):
    """ResNet50 with one block a stage in both frameworks: where a training is under test, and not the network."""
    stages = tuple((planes, 1) for planes in (64, 128, 256, 512))
    monkeypatch.setattr("dogbreeds.models.keras_networks.STAGES", stages)
    monkeypatch.setattr(torchvision.models, "resnet50", lambda **options: ResNet(Bottleneck, [1, 1, 1, 1], **options))
