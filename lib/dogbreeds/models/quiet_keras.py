"""Imports Keras with TensorFlow made fast on processors, and quiet; modules that use Keras import it from here.

Its backend is that of `keras_backend`. On every backend float32 is not rounded.

TensorFlow's compiled part writes a dozen lines to standard error whatever TF_CPP_MIN_LOG_LEVEL says (as of 2.21).
They go to outputs/native_messages.log, where a fatal one can still be read; what Python writes is left alone.
"""

import ctypes
import logging
import os
import sys

from dogbreeds import paths
from dogbreeds.models import keras_backend

# oneDNN makes TensorFlow's convolutions about 2.5 times as fast on processors where it is off by default.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ["KERAS_BACKEND"] = keras_backend.chosen()
# No process takes a GPU whole that others compute on, and none rounds float32 to 10 bits there (TF32).
os.environ |= {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")


def _keep_freed_memory() -> None:
    """glibc gives large pieces back to the system, which clears them anew: 65,000 pages in every step of Xception."""
    libc, trim_threshold, most_mappings = ctypes.CDLL(None), -1, -4  # as in malloc.h
    if hasattr(libc, "mallopt"):
        libc.mallopt(trim_threshold, 2**31 - 1)
        libc.mallopt(most_mappings, 0)


def _divert_native_messages() -> None:
    if sys.stderr is sys.__stderr__:  # not so in notebooks, which have a stream of their own
        sys.stderr = open(os.dup(2), "w", buffering=1)  # noqa: SIM115 (it stays open)
    paths.outputs().mkdir(parents=True, exist_ok=True)
    with (paths.outputs() / "native_messages.log").open("a") as log:
        os.dup2(log.fileno(), 2)


_keep_freed_memory()
_divert_native_messages()

import keras  # noqa: E402

# Each model that predicts is traced, and a notebook loads many: no sign of a mistake here.
logging.getLogger("tensorflow").addFilter(lambda record: "tf.function retracing" not in record.getMessage())

__all__ = ["keras"]
