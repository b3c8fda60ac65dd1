"""A classifier that runs an exported ONNX file with onnxruntime. This module imports neither PyTorch nor Keras.

The file may come from anywhere. onnxruntime refuses unknown operators; this module refuses external data, limits memory
and time, and checks the metadata, the input and the outputs.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer

import numpy as np
import onnxruntime
from jaxtyping import UInt8

from dogbreeds.analysis.classifier import LESS_ACCURATE
from dogbreeds.data.photo_files import shown
from dogbreeds.deployment import batches
from dogbreeds.deployment.batches import Outputs
from dogbreeds.deployment.metadata import INPUT, KEY, LARGEST_BATCH, OUTPUTS, Metadata
from dogbreeds.errors import StudyError

PIXELS = 32 * 224**2  # of a batch, if the network accepts any number of images; at most 32 images
MOST_MEMORY = 4 * 2**30  # bytes that a network may allocate
MOST_SECONDS = 120  # that a network may take for one batch
LARGEST_FILE = 2 * 2**30  # bytes, the limit of the format
SILENT = 4  # severity of fatal errors: others are raised, and need not be printed too


class OnnxClassifier:
    """An exported network as a `classifier.Classifier`.

    Raises StudyError if the file is missing, broken, not from `dogbreeds export`, or does what such a file does not.
    """

    def __init__(self, file: Path):
        self._file = file
        with _one_line(file):
            self._session = _session(file)
            text = self._session.get_modelmeta().custom_metadata_map.get(KEY)
        self.metadata = Metadata.of(text, file)
        self.breeds, self.image_size = self.metadata.breeds, self.metadata.image_size
        self.crop, self.least_evidence = self.metadata.crop, self.metadata.least_evidence
        with _one_line(file):
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
        batch = ends[0].shape[0] if found == expected and ends[0].shape[1:] == [size, size, 3] else 0
        if isinstance(batch, int) and not 0 < batch <= LARGEST_BATCH:
            expectation = f"at most {LARGEST_BATCH} images of {size} x {size} pixels, {' and '.join(OUTPUTS)}"
            raise StudyError(
                f"{shown(self._file)} does not have the input and outputs of an export ({expectation}): export it again"
            )
        return batch if isinstance(batch, int) else None

    def logits(self, images: UInt8[np.ndarray, "photos size size 3"]) -> Outputs:
        """Returns the logits of images. Raises StudyError if the network fails, or takes too much memory or time."""
        return self.outputs(images)[0]

    def outputs(self, images: UInt8[np.ndarray, "photos size size 3"]) -> tuple[Outputs, Outputs]:
        """Returns the logits and the probabilities of images; see `logits`."""
        largest = max(1, min(32, PIXELS // self.image_size**2))
        return batches.run(self._outputs, images, largest, self._batch_size)

    def _outputs(self, images: np.ndarray) -> list[np.ndarray]:
        options = onnxruntime.RunOptions()
        limit = Timer(MOST_SECONDS, setattr, (options, "terminate", True))
        with _one_line(self._file):
            limit.start()
            try:
                found = self._session.run(list(OUTPUTS), {INPUT: images}, options)
            finally:
                limit.cancel()
        expected = (len(images), len(self.breeds))
        if any(each.shape != expected or not np.isfinite(each).all() for each in found):
            breeds = f"each of its {len(self.breeds)} breeds"
            raise StudyError(f"{shown(self._file)} does not return one finite number for {breeds}: export it again")
        return found


def _session(file: Path) -> onnxruntime.InferenceSession:
    _limit_memory()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = SILENT
    options.add_session_config_entry("session.use_env_allocators", "1")
    with TemporaryDirectory() as empty:  # where external data would have to be
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", empty)
        return onnxruntime.InferenceSession(
            _content(file),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["ConstantFolding"],  # which ignores the limit on memory
            enable_fallback=0,  # which loads the file twice, with a message
        )


def _content(file: Path) -> bytes:
    if not file.is_file():
        raise StudyError(f"{shown(file)} is no file: give a file that dogbreeds export wrote")
    try:
        if (size := file.stat().st_size) >= LARGEST_FILE:
            limit = f"an export has less than {LARGEST_FILE >> 20} MB"
            raise StudyError(f"{shown(file)} has {size >> 20} MB, and {limit}: give a file that dogbreeds export wrote")
        return file.read_bytes()
    except OSError as error:
        raise StudyError(f"{shown(file)} cannot be read ({error.strerror}): change its permissions") from error


@cache
def _limit_memory() -> None:
    """Makes one allocator, of limited size, for all networks of this process."""
    onnxruntime.set_default_logger_severity(SILENT)
    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    memory = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg({"max_mem": MOST_MEMORY}))


@contextmanager
def _one_line(file: Path) -> Iterator[None]:
    """Raises StudyError for every other exception: onnxruntime has many, which have no class in common."""
    try:
        yield
    except StudyError:
        raise
    except Exception as error:
        reason = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", " ".join(str(error).split()))[:200]
        remedy = "use a file that dogbreeds export wrote, with small batches"
        raise StudyError(f"onnxruntime cannot run {shown(file)} ({shown(reason)}): {remedy}") from error
