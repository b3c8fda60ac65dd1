"""Chooses the backend of Keras and imports Keras with it, fast on CPUs and quiet.

Importing this module has no effect. Modules that use Keras begin with `keras = keras_runtime.load_keras()`.
"""

import ctypes
import json
import logging
import os
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from dogbreeds import paths


def backend() -> str:
    """Returns the name of the Keras backend, "tensorflow", "torch" or "jax", without importing Keras.

    The environment variable KERAS_BACKEND takes precedence. Without it, the backend is "jax" if PyTorch and JAX find a
    GPU. It is "torch" if only PyTorch finds one (TensorFlow's standard wheels find it only with a different CUDA
    version) or if TensorFlow is not installed. Otherwise Keras' settings file keras.json decides; the default is
    "tensorflow".
    """
    if chosen := os.environ.get("KERAS_BACKEND"):
        return chosen
    # Imported here, so that reading runs does not wait for torch.
    import torch

    if torch.cuda.is_available():
        return "jax" if jax_finds_gpu() else "torch"
    if not find_spec("tensorflow"):
        return "torch"
    settings = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "keras.json"
    try:
        return json.loads(settings.read_text())["backend"]
    except (OSError, ValueError, KeyError):
        return "tensorflow"


@cache
def jax_finds_gpu() -> bool:
    """Returns whether JAX is installed and computes on a GPU in this process. The first call starts JAX."""
    if not find_spec("jax"):
        return False
    _set_gpu_variables()
    import jax

    return jax.default_backend() == "gpu"


@cache
def load_keras():
    """Imports Keras on `backend()` and returns the module. No backend rounds float32 to the 10-bit mantissa of TF32."""
    # oneDNN makes TensorFlow's convolutions about 2.5 times as fast on CPUs where it is off by default.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ["KERAS_BACKEND"] = backend()
    _set_gpu_variables()
    _keep_freed_memory()
    _redirect_native_messages()
    if os.environ["KERAS_BACKEND"] == "jax":
        _configure_jax()
    import keras

    # TensorFlow traces every model that predicts and warns about it. A notebook loads many models, so this is normal.
    logging.getLogger("tensorflow").addFilter(lambda record: "tf.function retracing" not in record.getMessage())
    return keras


def _set_gpu_variables() -> None:
    """Sets what TensorFlow and JAX read when they start on a GPU."""
    os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
    # They do not reserve all memory of the GPU, because other processes use it too.
    os.environ |= {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


def _configure_jax() -> None:
    """Keeps compiled functions in `paths.data()`, for all processes, and rules out TF32 in XLA's own kernels.

    A compiled training step serves all trainings of the same network, recipe and sizes: no seed is part of it. Small
    functions are kept too, because a network is initialised with hundreds of them.
    """
    import jax

    jax.config.update("jax_compilation_cache_dir", str(paths.data() / "compiled_by_jax"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    jax.config.update("jax_default_matmul_precision", "highest")


def _keep_freed_memory() -> None:
    """Makes glibc keep large freed blocks: the system would clear 65,000 pages in every training step of Xception."""
    libc, trim_threshold, mmap_max = ctypes.CDLL(None), -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX in malloc.h
    if hasattr(libc, "mallopt"):
        libc.mallopt(trim_threshold, 2**31 - 1)
        libc.mallopt(mmap_max, 0)


def _redirect_native_messages() -> None:
    """Sends what compiled code writes to standard error to a log; TensorFlow 2.21 writes a dozen lines at any level."""
    if sys.stderr is sys.__stderr__:  # false in notebooks, which have their own stream
        sys.stderr = open(os.dup(2), "w", buffering=1)  # noqa: SIM115 (the file stays open)
    paths.outputs().mkdir(parents=True, exist_ok=True)
    with (paths.outputs() / "native_messages.log").open("a") as log:
        os.dup2(log.fileno(), 2)
