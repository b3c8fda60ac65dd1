"""The published files that the results of a study depend on."""

import pandas as pd

from dogbreeds.analysis import failure_2020
from dogbreeds.data import stanford_dogs
from dogbreeds.downloads import Published, read_checksums
from dogbreeds.models import pretrained
from dogbreeds.study import Study, beforehand

COLUMNS = ["file", "publisher", "SHA-256"]


def table(study: Study) -> pd.DataFrame:
    """Returns one row per archive of photos and per weights file: its name, its publisher and its SHA-256.

    The hashes are those that were recorded when the files were used. "publisher" says so if a file is not the published
    one, but that of a mirror with its own checksums. A study without published files has no rows.
    """
    missing = beforehand.missing_files(study)  # they would be downloaded to identify the runs
    rows = [] if missing else [*_archives(study), *_initial_weights(study), *_weights_of_notebook_02(study)]
    return pd.DataFrame(list(dict.fromkeys(rows)), columns=COLUMNS)


def _archives(study: Study) -> list[tuple]:
    listed = stanford_dogs.location() / stanford_dogs.CHECKSUMS
    if study.photos != "stanford_dogs" or not listed.is_file():
        return []
    digests = read_checksums(listed)
    return [_row(file, digests[file.name], digests[file.name] == file.digest) for file in stanford_dogs.ARCHIVES]


def _initial_weights(study: Study) -> list[tuple]:
    """Of the finished runs, whose records have the hashes."""
    rows = []
    for run in filter(None, map(study.finished, study.configs() if study.published_weights() else ())):
        start = run.config.initialisation
        if start.kind == "imagenet" or start.kind in pretrained.PUBLISHED:
            file = pretrained.find(start.source, run.record["architecture"]).file
            rows.append(_row(file, start.fingerprint, file.expected[1] == file.digest))
    return rows


def _weights_of_notebook_02(study: Study) -> list[tuple]:
    if not study.is_full_comparison or study.failure_2020.get("weights") != "imagenet":
        return []
    rows = []
    for training in failure_2020.read(study.failure_files()):
        file = pretrained.PUBLISHED[pretrained.OF_KERAS_APPLICATIONS[str(training["network"])]].file
        rows.append(_row(file, str(training["weights sha256"]), file.expected[1] == file.digest))
    return rows


def _row(file: Published, digest: str, is_published: bool) -> tuple[str, str, str]:
    return file.name, file.publisher if is_published else f"not the file of {file.publisher}", digest
