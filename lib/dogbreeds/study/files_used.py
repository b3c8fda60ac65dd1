"""The published files that the results of a study depend on."""

import pandas as pd

from dogbreeds.analysis import failure_2020
from dogbreeds.data import stanford_dogs
from dogbreeds.downloads import read_checksums
from dogbreeds.models import pretrained
from dogbreeds.study import Study

COLUMNS = ["file", "published at", "SHA-256"]


def table(study: Study) -> pd.DataFrame:
    """Returns one row per archive of photos and per weights file: its name, its publisher and its SHA-256.

    The hashes are those that were recorded when the files were used. A study without published files has no rows.
    """
    rows = [*_archives(study), *_initial_weights(study), *_weights_of_notebook_02(study)]
    return pd.DataFrame(list(dict.fromkeys(rows)), columns=COLUMNS)


def _archives(study: Study) -> list[tuple]:
    listed = stanford_dogs.location() / stanford_dogs.CHECKSUMS
    if study.photos != "stanford_dogs" or not listed.is_file():
        return []
    publishers = {archive.name: archive.publisher for archive in stanford_dogs.ARCHIVES}
    return [(name, publishers[name], digest) for name, digest in read_checksums(listed).items()]


def _initial_weights(study: Study) -> list[tuple]:
    rows = []
    for run in study.runs():
        initialisation = run.config.initialisation
        if initialisation.kind == "imagenet" or initialisation.kind in pretrained.PUBLISHED:
            file = pretrained.find(initialisation.source, run.record["architecture"]).file
            rows.append((file.name, file.publisher, initialisation.fingerprint))
    return rows


def _weights_of_notebook_02(study: Study) -> list[tuple]:
    if not study.is_full_comparison or study.failure_2020.get("weights") != "imagenet":
        return []
    publishers = {entry.file.name: entry.file.publisher for entry in pretrained.PUBLISHED.values()}
    trainings = failure_2020.read(study.failure_files())
    used = [(str(training["weights file"]), str(training["weights sha256"])) for training in trainings]
    return [(name, publishers[name], digest) for name, digest in used]
