"""What an exported file says about its network: how to prepare a photo, what the outputs mean, and how good they are.

This module imports neither PyTorch nor Keras.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, PositiveInt, ValidationError
from pydantic.dataclasses import dataclass

from dogbreeds.data.photo_files import shown
from dogbreeds.errors import StudyError

KEY = "dogbreeds"  # of the metadata in an ONNX file; the name of its entry in other files is FILE
FILE = "dogbreeds.json"
INPUT, OUTPUTS = "images", ("logits", "probabilities")  # names in every exported network
LARGEST_BATCH = 1024  # images of a network with a fixed batch


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("has characters that cannot be printed")
    return text


def _distinct(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("has a name twice")
    return names


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
Breeds = Annotated[list[Name], Field(min_length=2, max_length=10_000), AfterValidator(_distinct)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class Metadata:
    """The image, the breeds and the quality of an exported network. Raises ValidationError if a value is impossible."""

    run: Name
    network: Name
    framework: Name
    breeds: Breeds  # in the order of the outputs
    image_size: Annotated[PositiveInt, Field(le=4096)]  # height and width in pixels
    crop: Literal["centre", "squash"]  # of a photo before it is resized, see pixel_cache.CROPS
    trained_on_boxes: bool  # the training photos were cropped to annotated boxes, which other photos do not have
    least_evidence: Annotated[float, Field(allow_inf_nan=False)]  # an image with less is out of distribution
    test_accuracy: Share
    test_accuracy_interval: tuple[Share, Share]  # 95 %, Wilson
    test_photos: PositiveInt
    commit: Name | None = None  # of the code that trained the network

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def of(cls, text: str | None, file: Path) -> "Metadata":
        """Returns the metadata in a text. Raises StudyError that names `file` if there are none, or impossible ones."""
        if text is None:
            raise StudyError(f"{shown(file)} has no metadata of this library: export it with dogbreeds export")
        try:
            values = json.loads(text)
            values["test_accuracy_interval"] = tuple(values["test_accuracy_interval"])  # JSON has only lists
            return cls(**values)
        except ValidationError as error:
            raise _invalid(file, problem_of(error)) from error
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise _invalid(file, "not those of an export") from error


def problem_of(error: ValidationError) -> str:
    """Returns the first problem in one line: the name of the value, and what is wrong with it."""
    problem = error.errors()[0]
    where = ".".join(map(str, problem["loc"]))
    return shown(f"'{where}': {problem['msg'].removeprefix('Value error, ')}")


def _invalid(file: Path, problem: str) -> StudyError:
    return StudyError(f"{shown(file)} has invalid metadata ({problem}): export it again with dogbreeds export")
