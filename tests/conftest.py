"""Shapes of all signatures are enforced while tests run (see addopts in pyproject.toml)."""

import numpy as np
import pytest
from PIL import Image

from dogbreeds import datasets


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
