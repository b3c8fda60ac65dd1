"""A classifier that runs an exported ONNX file with onnxruntime. This module imports neither PyTorch nor Keras.

The file may come from anywhere. onnxruntime refuses unknown operators, and external data outside the working directory;
this module limits its memory and checks the metadata, the input and the outputs.
"""

import re
import sys
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
from jaxtyping import Float, UInt8

from dogbreeds.analysis.classifier import LESS_ACCURATE
from dogbreeds.data.photo_files import shown
from dogbreeds.deployment.metadata import INPUT, KEY, OUTPUTS, Metadata
from dogbreeds.errors import StudyError

BATCH_SIZE = 32  # of a network that accepts any
MOST_MEMORY = 4 * 2**30  # bytes that a network may allocate
LARGEST_FILE = 2 * 2**30  # bytes, the limit of the format
SILENT = 4  # severity of fatal errors: others are raised, and need not be printed too


class OnnxClassifier:
    """An exported network as a `classifier.Classifier`.

    Raises StudyError if the file is missing, broken, not from `dogbreeds export`, or does what such a file does not.
    """

    def __init__(self, file: Path):
        self._file = file
        self._session = _session(file)
        self.metadata = Metadata.of(self._session.get_modelmeta().custom_metadata_map.get(KEY), file)
        self.breeds, self.image_size = self.metadata.breeds, self.metadata.image_size
        self.crop, self.least_evidence = self.metadata.crop, self.metadata.least_evidence
        self._batch_size = self._require_interface()
        if self.metadata.trained_on_boxes:
            print(f"dogbreeds: {shown(file)} {LESS_ACCURATE}", file=sys.stderr)

    def _require_interface(self) -> int | None:
        """Returns the batch size that the network is restricted to, or None.

        Raises StudyError if input and outputs are not those of an export.
        """
        size, ends = self.image_size, [*self._session.get_inputs(), *self._session.get_outputs()]
        found = [(end.name, end.type) for end in ends]
        expected = [(INPUT, "tensor(uint8)"), *((name, "tensor(float)") for name in OUTPUTS)]
        if found != expected or ends[0].shape[1:] != [size, size, 3]:
            expectation = f"images of {size} x {size} pixels, {' and '.join(OUTPUTS)}"
            raise StudyError(f"{shown(self._file)} does not have the input and outputs of an export ({expectation})")
        batch = ends[0].shape[0]
        return batch if isinstance(batch, int) else None

    def logits(self, images: UInt8[np.ndarray, "photos size size 3"]) -> Float[np.ndarray, "photos breeds"]:
        """Returns the logits of images. Raises StudyError if the network fails, or needs too much memory."""
        step = self._batch_size or BATCH_SIZE
        parts = [self._logits(images[start : start + step]) for start in range(0, len(images), step)]
        return np.concatenate(parts)

    def _logits(self, images: np.ndarray) -> np.ndarray:
        count, batch = len(images), images
        if self._batch_size:
            batch = np.zeros((self._batch_size, *images.shape[1:]), np.uint8)
            batch[:count] = images
        try:
            (logits,) = self._session.run(["logits"], {INPUT: batch})
        except Exception as error:  # onnxruntime raises its own exceptions, which have no common class
            raise _failed(self._file, error) from error
        if logits.shape != (len(batch), len(self.breeds)) or not np.isfinite(logits).all():
            raise StudyError(f"{shown(self._file)} gives no logits of {len(self.breeds)} breeds: export it again")
        return logits[:count]


def _session(file: Path) -> onnxruntime.InferenceSession:
    if not file.is_file():
        raise StudyError(f"{shown(file)} does not exist: give a file that dogbreeds export wrote")
    if file.stat().st_size >= LARGEST_FILE:
        raise StudyError(f"{shown(file)} has {file.stat().st_size >> 20} MB, and an export has less than 2048 MB")
    _limit_memory()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = SILENT
    options.add_session_config_entry("session.use_env_allocators", "1")
    try:
        return onnxruntime.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # see above
        raise _failed(file, error) from error


@cache
def _limit_memory() -> None:
    """Makes one allocator, of limited size, for all networks of this process."""
    onnxruntime.set_default_logger_severity(SILENT)
    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    memory = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg({"max_mem": MOST_MEMORY}))


def _failed(file: Path, error: Exception) -> StudyError:
    reason = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", " ".join(str(error).split()))[:200]
    return StudyError(f"onnxruntime cannot run {shown(file)} ({reason}): export it again")
