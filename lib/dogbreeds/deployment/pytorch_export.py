"""Exports a PyTorch network to ONNX and to a `torch.export` program, which need neither this library nor its code."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from dogbreeds import models
from dogbreeds.deployment.metadata import FILE, INPUT, OUTPUTS


class WithPreprocessing(nn.Module):
    """A network that maps images as bytes to logits and probabilities."""

    def __init__(self, network: nn.Module, mean: tuple, deviation: tuple):
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(1, 3, 1, 1))

    def forward(
        self, images: UInt8[Tensor, "batch size size 3"]
    ) -> tuple[Float[Tensor, "batch breeds"], Float[Tensor, "batch breeds"]]:
        scaled = images.permute(0, 3, 1, 2).float() / 255
        logits = self.network((scaled - self.mean) / self.deviation)
        return logits, logits.softmax(dim=1)


def with_preprocessing(network: nn.Module, architecture: str, preprocessing: str, size: int) -> nn.Module:
    """Returns a network that maps images as bytes to logits and probabilities; `size` is only for Keras."""
    return WithPreprocessing(network, *models.preprocessing(architecture, preprocessing)).eval()


def to_onnx(model: nn.Module, size: int, batch: int | None, file: Path) -> None:
    """Writes an ONNX file for batches of `batch` images, or of any number."""
    program = _program(model, size, batch)
    names = {"input_names": [INPUT], "output_names": list(OUTPUTS)}
    torch.onnx.export(program, dynamo=True, verbose=False, **names).save(file, external_data=False)


def to_own_format(model: nn.Module, size: int, batch: int | None, file: Path, metadata: str) -> None:
    """Writes a program that `torch.export.load` reads, with `metadata` as its extra file."""
    program = _program(model, size, batch)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # it names folders of this machine
    torch.export.save(program, file, extra_files={FILE: metadata})


def load_own_format(file: Path) -> Callable[[UInt8[np.ndarray, "batch size size 3"]], list[np.ndarray]]:
    """Returns a function from images to logits and probabilities, which runs a program that `to_own_format` wrote."""
    module = torch.export.load(file).module()

    def outputs(images):
        with torch.inference_mode():
            return [output.numpy() for output in module(torch.from_numpy(images))]

    return outputs


def _program(model: nn.Module, size: int, batch: int | None) -> torch.export.ExportedProgram:
    images = torch.zeros(batch or 2, size, size, 3, dtype=torch.uint8)
    any_number = None if batch else ({0: torch.export.Dim("batch")},)
    return torch.export.export(model, (images,), dynamic_shapes=any_number)
