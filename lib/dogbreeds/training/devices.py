"""Several devices or machines that train one network together, with PyTorch."""

import ctypes
import gc
import os
import re
import resource
from dataclasses import dataclass
from pathlib import Path

import torch

from dogbreeds.errors import StudyError
from dogbreeds.training.runs import RunConfig

# What is called float32 is, on a GPU too: cuDNN would round to 10 bits of fraction (TF32). Its fast way is bfloat16.
torch.backends.cudnn.allow_tf32 = False
CLEAR_REFS = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Devices:
    """`count` devices on each of `nodes` machines, one process a device; each takes its part of every batch.

    torchrun, or else Lightning, starts the processes and tells each its place in environment variables.
    """

    count: int = 1
    nodes: int = 1

    @property
    def processes(self) -> int:
        return self.count * self.nodes

    @property
    def rank(self) -> int:
        """The place of this process among all."""
        if self.processes == 1:
            return 0
        own = int(os.environ.get("NODE_RANK", 0)) * self.count + int(os.environ.get("LOCAL_RANK", 0))
        return int(os.environ.get("RANK", own))

    def of_this_process(self) -> str:
        """The device as PyTorch calls it."""
        if not torch.accelerator.is_available():
            return "cpu"
        place = int(os.environ.get("LOCAL_RANK", 0)) if self.processes > 1 else torch.accelerator.current_device_index()
        return f"{torch.accelerator.current_accelerator().type}:{place}"

    def leave_group(self) -> None:
        """Ends the talk between the processes: a thread of gloo that outlives the interpreter aborts its process."""
        if self.processes > 1 and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()

    def check(self, config: RunConfig) -> None:
        """Raises StudyError for what several processes cannot do."""
        recipe = config.recipe
        if min(self.count, self.nodes) < 1:
            raise StudyError(f"--devices {self.count} and --nodes {self.nodes} must be 1 or more")
        if self.processes == 1:
            return
        if config.framework != "pytorch":
            raise StudyError(
                f"several devices train with PyTorch, not {config.framework}: leave out --devices and --nodes"
            )
        if recipe.batch_size % self.processes:
            raise StudyError(f"batch_size {recipe.batch_size} cannot be shared by {self.processes}: make it a multiple")
        if list(recipe.phases()) != ["all"]:
            raise StudyError("the head alone is trained on one device: leave out --devices and --nodes")
        if recipe.batch_norm != "frozen" and not torch.accelerator.is_available():
            # PyTorch has no batch normalisation over several processes on processors.
            raise StudyError("several processors need batch_norm frozen: each would take statistics of its own part")


ONE = Devices()


def reset_peak_memory() -> None:
    """From here on `peak_memory` no longer counts what this process took before and has let go."""
    gc.collect()
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):  # glibc keeps what is freed
        libc.malloc_trim(0)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    if CLEAR_REFS.is_file() and os.access(CLEAR_REFS, os.W_OK):
        CLEAR_REFS.write_text("5")  # the kernel's highest mark: proc(5)


def peak_memory(by_pytorch: bool = True) -> int:
    """Bytes that this process took at most: of the GPU where PyTorch computes on one, else of the machine."""
    if by_pytorch and torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage would tell the peak of the process that started this one, where that was higher
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
