"""What only a GPU can show: photos that stay on it, its batches and a training. Skipped where there is none."""

import numpy as np
import pytest
import torch

from dogbreeds import models, training
from dogbreeds.batches import Batches
from dogbreeds.recipe import Recipe
from dogbreeds.runs import RunConfig

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture
def streams():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 24, 24, 3), dtype=np.uint8)
    rows, colours = np.arange(3, 37), models.preprocessing("resnet50")
    return [
        Batches(pixels, np.arange(40), rows, 8, colours, seed=1, augmentation=True, device=device)
        for device in ("cpu", "cuda:0")
    ]


@pytest.mark.parametrize("fits", [True, False])
def test_batches_are_those_of_the_processor(streams, fits, monkeypatch):
    if not fits:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (0, 0))
    plain, on_gpu = streams
    for index in range(len(plain)):
        (photos, labels), (same, same_labels) = plain[index], on_gpu[index]
        assert same.device.type == "cuda"
        torch.testing.assert_close(same.cpu(), photos, atol=1e-4, rtol=1e-4)
        assert (same_labels.cpu() == labels).all()
    assert torch.is_tensor(on_gpu._resident) == fits


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_training_runs_on_the_gpu(dataset, tmp_path, precision):
    recipe = Recipe(batch_size=4, epochs=2, precision=precision)
    which = ("resnet50", "pytorch", dataset.name, dataset.fingerprint, dataset.breeds)
    run = training.train(RunConfig(*which, 32, recipe), dataset, tmp_path / "runs")
    assert run.record["device"].startswith("cuda")
    assert np.isfinite(run.history["training_loss"]).all()
    assert run.record["peak_memory_mb"] > 0
