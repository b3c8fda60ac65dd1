"""Which published files a report names, and whether it says that they are the published ones."""

import json
from dataclasses import replace

import numpy as np
import pytest

from dogbreeds import files
from dogbreeds.data import stanford_dogs
from dogbreeds.models import pretrained
from dogbreeds.study import Study, files_used


@pytest.fixture
def study():
    return Study("dogs", "stanford_dogs", failure_2020={"weights": "imagenet"})


def publishers(study):
    table = files_used.table(study)
    return dict(zip(table["file"], table["publisher"], strict=True))


def test_nothing_is_named_before_anything_was_used(study):
    assert files_used.table(study).empty


def test_archives_are_the_published_ones_if_their_recorded_hashes_are(study):
    lines = [f"{archive.digest}  {archive.name}\n" for archive in stanford_dogs.ARCHIVES]
    stanford_dogs.location().mkdir()
    sums = stanford_dogs.location() / "SHA256SUMS"
    sums.write_text("".join(lines))
    assert set(publishers(study).values()) == {stanford_dogs.ARCHIVES[0].publisher}
    sums.write_text("".join(lines).replace("a443", "b443"))
    others = [name for name, publisher in publishers(study).items() if publisher.startswith("not known to be the")]
    assert others == ["images.tar"]
    assert publishers(replace(study, photos="drawn_dogs")) == {}


@pytest.mark.parametrize(("digest", "known"), [("0676ba61" + "f" * 56, True), ("f" * 64, False)])
def test_weights_of_finished_runs_are_named_with_their_recorded_hash(study, digest, known):
    start = {"kind": "imagenet", "source": "imagenet", "fingerprint": digest}
    for name, initialisation in (("run", start), ("another", {"kind": "scratch"})):
        (study.store / name).mkdir(parents=True)
        record = {"architecture": "resnet50", "initialisation": initialisation}
        (study.store / name / "run.json").write_text(json.dumps(record))
    table = files_used.table(study)
    assert table[["file", "SHA-256"]].to_numpy().tolist() == [["resnet50-0676ba61.pth", digest]]
    assert table["publisher"][0].startswith("https" if known else "not known to be the file of https")


def test_a_published_md5_is_compared_with_the_file_itself(study, monkeypatch):
    weights = pretrained.OF_KERAS_APPLICATIONS["resnet50"]
    weights.file.path.parent.mkdir(parents=True)
    weights.file.path.write_bytes(b"weights")
    folder = study.folder / "failure_2020" / "key"
    folder.mkdir(parents=True)
    used = {"network": "resnet50", "weights sha256": files.digest(weights.file.path)}
    np.savez(folder / "one.npz", **used)
    np.savez(folder / "from other breeds.npz", network="resnet50")
    assert publishers(study) == {weights.file.name: f"not known to be the file of {weights.file.publisher}"}
    genuine = replace(weights.file, digest=files.digest(weights.file.path, "md5"))
    monkeypatch.setitem(pretrained.OF_KERAS_APPLICATIONS, "resnet50", replace(weights, file=genuine))
    assert publishers(study) == {weights.file.name: weights.file.publisher}
    weights.file.path.write_bytes(b"another file since")
    assert publishers(study)[weights.file.name].startswith("not known")
