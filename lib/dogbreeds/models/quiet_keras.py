"""Imports Keras with a TensorFlow that is fast on CPUs and quiet; modules that use Keras import it from here.

`keras_backend` chooses the backend. No backend rounds float32 to a lower precision.

TensorFlow's compiled code writes a dozen lines to standard error at any TF_CPP_MIN_LOG_LEVEL (as of version 2.21).
This module redirects them to outputs/native_messages.log, where a fatal error can still be read. Messages that Python
writes still go to standard error.
"""

import ctypes
import logging
import os
import sys

from dogbreeds import paths
from dogbreeds.models import keras_backend

# oneDNN makes TensorFlow's convolutions about 2.5 times as fast on CPUs where it is off by default.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ["KERAS_BACKEND"] = keras_backend.chosen()
# TensorFlow and JAX do not reserve all memory of a GPU, because other processes use it too. The GPU does not round
# float32 to the 10-bit mantissa of TF32.
os.environ |= {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")


def _keep_freed_memory() -> None:
    """Makes glibc keep freed memory.

    By default, glibc returns large blocks to the system, which has to clear their pages again when they are reused:
    65,000 pages in every training step of Xception.
    """
    libc, trim_threshold, mmap_max = ctypes.CDLL(None), -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX in malloc.h
    if hasattr(libc, "mallopt"):
        libc.mallopt(trim_threshold, 2**31 - 1)
        libc.mallopt(mmap_max, 0)


def _redirect_native_messages() -> None:
    if sys.stderr is sys.__stderr__:  # false in notebooks, which have their own stream
        sys.stderr = open(os.dup(2), "w", buffering=1)  # noqa: SIM115 (the file stays open)
    paths.outputs().mkdir(parents=True, exist_ok=True)
    with (paths.outputs() / "native_messages.log").open("a") as log:
        os.dup2(log.fileno(), 2)


_keep_freed_memory()
_redirect_native_messages()

import keras  # noqa: E402

# TensorFlow traces every model that predicts and warns about it; a notebook loads many models, so that this is normal.
logging.getLogger("tensorflow").addFilter(lambda record: "tf.function retracing" not in record.getMessage())

__all__ = ["keras"]
