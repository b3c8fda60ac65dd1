"""Training one network on several devices or machines, with PyTorch."""

import ctypes
import gc
import os
import re
import resource
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from dogbreeds.errors import StudyError
from dogbreeds.models import keras_runtime
from dogbreeds.training.runs import RunConfig

# float32 means float32 on a GPU too: cuDNN would round to 10 bits of fraction (TF32). The fast option is bfloat16.
torch.backends.cudnn.allow_tf32 = False


@dataclass(frozen=True)
class Devices:
    """`count` devices on each of `nodes` machines; one process per device computes its part of every batch.

    Either torchrun or Lightning starts the processes and passes each its rank in environment variables.
    """

    count: int = 1
    nodes: int = 1

    @property
    def processes(self) -> int:
        return self.count * self.nodes

    @property
    def rank(self) -> int:
        """The index of this process among all processes, starting at 0."""
        if self.processes == 1:
            return 0
        own = int(os.environ.get("NODE_RANK", 0)) * self.count + int(os.environ.get("LOCAL_RANK", 0))
        return int(os.environ.get("RANK", own))

    def of_this_process(self) -> str:
        """Returns PyTorch's name of the device that this process uses, such as `cpu` or `cuda:0`."""
        if not torch.accelerator.is_available():
            return "cpu"
        place = int(os.environ.get("LOCAL_RANK", 0)) if self.processes > 1 else torch.accelerator.current_device_index()
        return f"{torch.accelerator.current_accelerator().type}:{place}"

    def of_batches(self, backend: str) -> str:
        """Returns the device on which batches are augmented for a backend of Keras ("" is for PyTorch itself).

        It is the training device, or the CPU if the backend cannot read the memory that PyTorch uses on its device.
        """
        reads = backend in ("", "torch") or (backend == "jax" and keras_runtime.jax_finds_gpu())
        return self.of_this_process() if reads else "cpu"

    def check(self, config: RunConfig) -> None:
        """Raises StudyError if the devices cannot train `config`."""
        recipe, remedy = config.recipe, "leave out --devices and --nodes"
        if min(self.count, self.nodes) < 1:
            raise StudyError(f"--devices {self.count} and --nodes {self.nodes} must be 1 or more")
        if self.processes == 1:
            return
        if config.framework != "pytorch":
            raise StudyError(f"several devices require PyTorch, not {config.framework}: {remedy}")
        if recipe.batch_size % self.processes:
            raise StudyError(f"batch_size {recipe.batch_size} is not divisible by {self.processes}: use a multiple")
        if list(recipe.phases()) != ["all"]:
            raise StudyError(f"head warm-up and linear probes use one device: {remedy}")
        if recipe.batch_norm != "frozen" and not torch.accelerator.is_available():
            # PyTorch synchronises batch normalisation between processes on GPUs only.
            raise StudyError("several processes on CPUs cannot share batch statistics: set batch_norm=frozen")


ONE = Devices()


def reset_peak_memory() -> None:
    """Resets `peak_memory`, so that it ignores memory that this process has used and released, except on JAX."""
    gc.collect()
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):  # glibc keeps freed memory
        libc.malloc_trim(0)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):  # only Linux has this file
        Path("/proc/self/clear_refs").write_text("5")  # resets the kernel's peak, see proc(5)


def peak_memory(backend: str = "") -> int:
    """Returns the peak memory of this process in bytes: of the GPU if `backend` computes on one, else of the machine.

    `backend` is that of Keras, or "" for PyTorch itself. On JAX, the peak of PyTorch, which augments the batches, is
    added, and earlier trainings of this process count: JAX cannot reset its peak.
    """
    on_gpu = torch.cuda.max_memory_allocated() if torch.cuda.is_available() and ONE.of_batches(backend) != "cpu" else 0
    if backend == "jax" and keras_runtime.jax_finds_gpu():
        import jax

        return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0) + on_gpu
    if on_gpu:
        return on_gpu
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage would report the parent process's peak if that is higher
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
