"""Tests that need a GPU: photos in its memory, batches, trainings and the benchmark. Skipped without a GPU.

Run this file by itself, `python -m pytest tests/test_gpu.py`: the other tests hide the GPU (see conftest.py).
"""

import numpy as np
import pytest
import torch

from dogbreeds import models
from dogbreeds.benchmarks import throughput
from dogbreeds.data import pixel_cache
from dogbreeds.data.batches import Batches
from dogbreeds.models import keras_runtime
from dogbreeds.training import inference, trainer
from dogbreeds.training.recipe import Recipe
from dogbreeds.training.runs import RunConfig

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")]


@pytest.fixture
def streams():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 24, 24, 3), dtype=np.uint8)
    rows, colours = np.arange(3, 37), models.preprocessing("resnet50")
    return [
        Batches(pixels, np.arange(40), rows, 8, colours, seed=1, augmentation=True, device=device)
        for device in ("cpu", "cuda:0")
    ]


@pytest.mark.parametrize("fits", [True, False])
def test_batches_on_the_gpu_equal_those_on_the_cpu(streams, fits, monkeypatch):
    if not fits:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (0, 0))
    on_cpu, on_gpu = streams
    for index in range(len(on_cpu)):
        (photos, labels), (gpu_photos, gpu_labels) = on_cpu[index], on_gpu[index]
        assert gpu_photos.device.type == "cuda"
        torch.testing.assert_close(gpu_photos.cpu(), photos, atol=1e-4, rtol=1e-4)
        assert (gpu_labels.cpu() == labels).all()
    assert torch.is_tensor(on_gpu._resident) == fits


def config(dataset, framework="pytorch", **recipe):
    settings = ("resnet50", framework, dataset.name, dataset.fingerprint, dataset.breeds, 32)
    return RunConfig(*settings, Recipe(batch_size=4, **recipe))


@pytest.mark.usefixtures("shallow")  # JAX compiles the full network for a minute
@pytest.mark.parametrize("framework", models.FRAMEWORKS)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_training_runs_on_the_gpu(dataset, tmp_path, framework, precision):
    """Head warm-up, then all layers, then predictions by the run. Keras computes on the GPU with JAX or PyTorch."""
    this = config(dataset, framework, head_epochs=1, epochs=2, precision=precision)
    run = trainer.train(this, dataset, tmp_path / "runs")
    assert "gpu:0" in run.record["device"] if this.backend == "jax" else "cuda" in run.record["device"]
    assert np.isfinite(run.history["training_loss"]).all()
    own = pixel_cache.load(dataset, 32)[dataset.rows("test")]
    np.testing.assert_allclose(inference.logits(run, own), run.logits(), rtol=1e-3, atol=1e-3)


def test_interrupted_training_resumes_on_the_gpu(dataset, tmp_path):
    def stop(event):
        if event["kind"] == "epoch":
            raise RuntimeError("stopped")

    this = config(dataset, epochs=3)
    with pytest.raises(RuntimeError, match="stopped"):
        trainer.train(this, dataset, tmp_path, send=stop)
    assert list(tmp_path.glob("*.unfinished/checkpoint-0001-*"))
    run = trainer.train(this, dataset, tmp_path)
    uninterrupted = trainer.train(this, dataset, tmp_path / "uninterrupted")
    for history in (run.history, uninterrupted.history):
        assert history["epoch"].to_list() == [1, 2, 3]
    np.testing.assert_allclose(run.history["training_loss"], uninterrupted.history["training_loss"], rtol=0.2)


@pytest.mark.filterwarnings("ignore")  # warnings of timm
def test_every_pipeline_of_the_benchmark_runs_on_the_gpu(dataset, tmp_path):
    """In PyTorch; `make gpu` measures Keras, which compiles for longer than these tests may take."""
    folder = throughput.linked(dataset, tmp_path / "linked")
    rows = throughput._measure(config(dataset, patience=0, precision="bfloat16"), dataset, folder, 1, 2)
    assert {row["device"].split(",")[0] for row in rows} == {torch.cuda.get_device_name()}
    assert all(row["photos_per_second"] > 0 for row in rows)


needs_jax = pytest.mark.skipif(
    not (torch.cuda.is_available() and keras_runtime.backend() == "jax"), reason="needs JAX for CUDA, the extra gpu"
)


@needs_jax
def test_keras_computes_on_jax_which_takes_memory_as_it_needs_it():
    keras = keras_runtime.load_keras()
    assert {device.platform for device in keras.ops.ones((1000, 1000)).devices()} == {"gpu"}
    free, total = torch.cuda.mem_get_info()
    assert free > total / 2  # by default JAX reserves three quarters


@needs_jax
def test_jax_reads_the_batches_that_pytorch_makes_on_the_gpu(streams):
    """PyTorch reuses the memory of its batches, the arrays of JAX keep their values."""
    from dogbreeds.training import keras_trainer

    on_cpu, on_gpu = streams
    arrays = [keras_trainer._feed(on_gpu)[index] for index in range(len(on_gpu))]
    for (photos, labels), (expected, expected_labels) in zip(arrays, (on_cpu[i] for i in range(4)), strict=True):
        assert {device.platform for device in photos.devices() | labels.devices()} == {"gpu"}
        np.testing.assert_allclose(photos, expected, atol=1e-4, rtol=1e-4)
        np.testing.assert_array_equal(labels, expected_labels)


@needs_jax
def test_jax_multiplies_float32_exactly_on_the_gpu():
    """TF32 would round to 10 bits of fraction: errors of 0.01 instead of 0.0001 in these sums."""
    keras = keras_runtime.load_keras()
    matrix = np.random.default_rng(0).normal(size=(512, 512)).astype(np.float32)
    exact = matrix.astype(np.float64) @ matrix
    np.testing.assert_allclose(keras.ops.matmul(matrix, matrix), exact, atol=5e-4)
    maps = keras.ops.conv(matrix.reshape(1, 1, 512, 512), matrix.reshape(1, 1, 512, 512), padding="same")
    np.testing.assert_allclose(maps[0, 0], exact, atol=5e-4)
