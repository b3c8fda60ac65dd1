"""Selection of the Keras backend, and modules that import no framework."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from dogbreeds.models import keras_runtime


def test_backend_is_selected_as_in_keras(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert keras_runtime.backend() == "jax"
    monkeypatch.delenv("KERAS_BACKEND")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert keras_runtime.backend() == "tensorflow"
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    assert keras_runtime.backend() == "jax"
    monkeypatch.setattr(keras_runtime, "find_spec", lambda name: None)
    assert keras_runtime.backend() == "torch"


@pytest.fixture
def gpu_of_pytorch(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    keras_runtime.jax_finds_gpu.cache_clear()
    yield
    keras_runtime.jax_finds_gpu.cache_clear()


@pytest.mark.usefixtures("gpu_of_pytorch")
@pytest.mark.parametrize(("found", "expected"), [("gpu", "jax"), ("cpu", "torch")])
def test_on_a_gpu_jax_is_the_backend_if_it_finds_the_gpu(found, expected, monkeypatch):
    """JAX must not reserve the memory of the GPU when it is asked."""
    asked = []
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "true")
    # JAX is not imported here: it warns of every later fork of the process.
    jax = SimpleNamespace(default_backend=lambda: asked.append(dict(os.environ)) or found)
    monkeypatch.setitem(sys.modules, "jax", jax)
    monkeypatch.setattr(keras_runtime, "find_spec", lambda name: True)
    assert [keras_runtime.backend(), keras_runtime.backend()] == [expected, expected]
    assert [environment["XLA_PYTHON_CLIENT_PREALLOCATE"] for environment in asked] == ["false"]


@pytest.mark.usefixtures("gpu_of_pytorch")
def test_on_a_gpu_without_jax_the_backend_is_torch(monkeypatch):
    monkeypatch.setattr(keras_runtime, "find_spec", lambda name: None)
    assert keras_runtime.backend() == "torch"


@pytest.mark.slow
@pytest.mark.parametrize(
    "first",
    ["import sys; sys.modules['tensorflow'] = None", "import torch; torch.cuda.is_available = lambda: True"],
    ids=["no TensorFlow", "a GPU that JAX does not find"],
)
def test_keras_uses_pytorch_on_its_gpu_or_without_tensorflow(first):
    script = f"""{first}
from dogbreeds.models import keras_runtime; print(keras_runtime.load_keras().backend.backend())"""
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    found = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "torch"


@pytest.mark.parametrize("module", ["models.keras_runtime", "training.runs", "cli.main"])
def test_frameworks_are_imported_lazily(module):
    """Network names, run records and `--help` import no framework and do not change the environment."""
    script = f"""import os, sys
before = dict(os.environ)
import dogbreeds.{module}
assert not {{"torch", "torchvision", "keras", "tensorflow", "jax"}} & sys.modules.keys()
assert dict(os.environ) == before"""
    subprocess.run([sys.executable, "-c", script], check=True)
