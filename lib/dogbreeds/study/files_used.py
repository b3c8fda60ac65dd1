"""The published files that the results of a study depend on."""

import numpy as np
import pandas as pd

from dogbreeds.data import stanford_dogs
from dogbreeds.downloads import Published, read_checksums
from dogbreeds.files import remembered_digest
from dogbreeds.models import pretrained
from dogbreeds.study import Study
from dogbreeds.training.runs import RunStore

COLUMNS = ["file", "publisher", "SHA-256"]


def table(study: Study) -> pd.DataFrame:
    """Returns one row per archive of photos and per weights file: its name, its publisher and its SHA-256.

    The hashes are those that were recorded when the files were used. "publisher" says so if a file is not known to be
    the published one, as with a mirror that has its own checksums. A study without published files has no rows.
    """
    rows = [*_archives(study), *_initial_weights(study), *_weights_of_notebook_02(study)]
    return pd.DataFrame(list(dict.fromkeys(rows)), columns=COLUMNS)


def _archives(study: Study) -> list[tuple]:
    listed = stanford_dogs.location() / stanford_dogs.CHECKSUMS
    if study.photos != "stanford_dogs" or not listed.is_file():
        return []
    digests = read_checksums(listed)
    return [_row(file, digests[file.name]) for file in stanford_dogs.ARCHIVES]


def _initial_weights(study: Study) -> list[tuple]:
    rows = []
    for run in RunStore(study.store).runs():
        start, network = run.record["initialisation"], run.record["architecture"]
        if start["kind"] == "imagenet" or start["kind"] in pretrained.PUBLISHED:
            rows.append(_row(pretrained.find(start["source"], network).file, start["fingerprint"]))
    return rows


def _weights_of_notebook_02(study: Study) -> list[tuple]:
    rows = []
    for path in sorted((study.folder / "failure_2020").glob("*/*.npz")):
        with np.load(path) as training:
            if "weights sha256" in training:
                file = pretrained.OF_KERAS_APPLICATIONS[str(training["network"])].file
                rows.append(_row(file, str(training["weights sha256"])))
    return rows


def _row(file: Published, sha256: str) -> tuple[str, str, str]:
    """Returns a row for a file with the recorded hash `sha256`.

    If the publisher gives another kind of hash, only the file itself shows that it is the published one.
    """
    found = sha256
    if file.algorithm != "sha256":
        here = file.path.is_file() and remembered_digest(file.path) == sha256
        found = remembered_digest(file.path, file.algorithm) if here else ""
    published = found.startswith(file.digest)
    return file.name, file.publisher if published else f"not known to be the file of {file.publisher}", sha256
