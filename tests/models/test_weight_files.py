"""Reading of weights files in the published layouts, with random weights and downloads from a local server."""

import hashlib
import pickle

import keras
import numpy as np
import pytest
import torch
from loopback import Handler
from networks import channels_last, photos, random_network, save
from published_weights import publish, save_legacy
from safetensors.torch import save_file

from dogbreeds import downloads, models, paths
from dogbreeds.errors import StudyError
from dogbreeds.models import pretrained, weight_conversion


def cache(tmp_path):
    return sorted(path.name for path in (paths.data() / "weights").glob("*"))


def bytes_of(state, tmp_path, **options):
    torch.save(state, tmp_path / "state", **options)
    return (tmp_path / "state").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("zipped", [True, False])
def test_se_resnet50_loads_the_published_layout(weights_mirror, tmp_path, monkeypatch, zipped):
    """The published file of 2019 has the layout that PyTorch used before zip files."""
    source = random_network("se_resnet50", 1000)
    content = bytes_of(source.state_dict(), tmp_path, _use_new_zipfile_serialization=zipped)
    entry = publish(monkeypatch, "se_resnet50", content, weights_mirror)
    model = models.build("se_resnet50", "pytorch", 1000, weights="imagenet")
    assert cache(tmp_path) == [entry.file]
    model.load_state_dict(source.state_dict(), strict=True)
    batch = photos(2, 64)
    twin = models.build("se_resnet50", "keras", 1000, weights=paths.data() / "weights" / entry.file)
    logits = source(batch).detach().numpy()
    others = keras.ops.convert_to_numpy(twin(channels_last(batch), training=False))
    assert np.abs(logits - others).max() < 1e-4 * logits.std()


@pytest.mark.slow
@pytest.mark.parametrize("framework", models.FRAMEWORKS)
@pytest.mark.parametrize("layout", ["published.h5", "published_notop.h5", "saved.weights.h5"])
def test_xception_reads_keras_files(weights_mirror, tmp_path, monkeypatch, layout, framework):
    """`.h5` as keras.applications publishes it, with and without a head, and `.weights.h5` as Keras 3 saves it."""
    top = "notop" not in layout
    source = keras.applications.Xception(weights=None, include_top=top, classifier_activation=None)
    generator = np.random.default_rng(0)
    source.set_weights([generator.uniform(0.5, 1, weight.shape) * 0.02 for weight in source.get_weights()])
    path = tmp_path / layout
    if layout == "saved.weights.h5":
        source.save_weights(path)
        chosen = path
    else:
        save_legacy(source, path)
        chosen = "xception" if top else "xception_notop"
        publish(monkeypatch, chosen, path.read_bytes(), weights_mirror)
    model = models.build("xception", framework, 1000 if top else 5, weights=chosen)
    state = weight_conversion.read(model)
    expected = source.get_layer("block14_sepconv2").get_weights()[1].transpose(3, 2, 0, 1)
    np.testing.assert_array_equal(state["block14.3.pointwise.weight"].numpy(), expected)
    shortcut = [layer for layer in source.layers if layer.name.startswith("conv2d")][3].get_weights()[0]
    np.testing.assert_array_equal(state["block13.shortcut.0.weight"].numpy(), shortcut.transpose(3, 2, 0, 1))
    if top:
        np.testing.assert_array_equal(state["fc.weight"].numpy(), source.layers[-1].get_weights()[0].T)
    else:
        assert state["fc.weight"].shape == (5, 2048)


def test_interrupted_download_resumes(weights_mirror, tmp_path):
    content = np.random.default_rng(0).bytes(3_000_000)
    (weights_mirror / "file").write_bytes(content)
    Handler.drops = 2
    url = pretrained.PUBLISHED["resnet50_v1"].url.rpartition("/")[0] + "/file"
    path = downloads.fetch(url, tmp_path / "cache" / "file", "sha256", hashlib.sha256(content).hexdigest())
    assert path.read_bytes() == content
    assert len(Handler.ranges) == 3
    assert Handler.ranges[0] is None
    assert all(requested.startswith("bytes=") for requested in Handler.ranges[1:])
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]
    weights_mirror.joinpath("file").unlink()
    assert downloads.fetch(url, path, "sha256", "") == path  # already in the cache


def test_repeatedly_interrupted_download_fails_and_resumes_next_time(weights_mirror, tmp_path, monkeypatch):
    content = np.random.default_rng(0).bytes(3_000_000)
    entry = publish(monkeypatch, "resnet50_v1", content, weights_mirror)
    Handler.drops = 3
    with pytest.raises(StudyError, match=r"interrupted.*put the file at"):
        pretrained.fetch(entry)
    assert cache(tmp_path) == [entry.file + ".part"]
    assert pretrained.fetch(entry).read_bytes() == content
    assert cache(tmp_path) == [entry.file]


@pytest.mark.parametrize("content", [b"another file", b""])
def test_file_with_a_wrong_hash_is_refused_and_removed(weights_mirror, tmp_path, content):
    (weights_mirror / pretrained.PUBLISHED["resnet50_v1"].file).write_bytes(content)
    with pytest.raises(StudyError, match="is not the expected file"):
        models.build("resnet50", "pytorch", 2, weights="imagenet")
    assert cache(tmp_path) == []


def test_connection_error_names_the_file_and_its_destination(tmp_path, monkeypatch):
    monkeypatch.setenv("DOGBREEDS_WEIGHTS_MIRROR", "http://127.0.0.1:9/")
    with pytest.raises(StudyError, match=r"no connection.*put the file at .*data\d*/weights/resnet50-0676ba61\.pth"):
        models.build("resnet50", "keras", 2, weights="imagenet")
    assert cache(tmp_path) == []


def test_missing_file_on_the_server_is_reported(weights_mirror, tmp_path):
    with pytest.raises(StudyError, match="status 404"):
        models.build("resnet50", "pytorch", 2, weights="resnet50_v2")
    assert cache(tmp_path) == []


class Hostile:
    def __reduce__(self):
        return open, ("executed", "w")


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_hostile_pickle_is_not_executed(tmp_path, monkeypatch, wrapped):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.pth"
    if wrapped:
        torch.save({"fc.weight": Hostile()}, path)
    else:
        path.write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(StudyError, match="not executed: if you trust it, save only its state dict"):
        models.build("resnet50", "pytorch", 2, weights=path)
    assert not (tmp_path / "executed").exists()


def broken(kind, state):
    if kind == "missing":
        return {key: value for key, value in state.items() if key != "layer1.0.conv1.weight"}
    if kind == "unexpected":
        return state | {"layer9.weight": torch.zeros(1)}
    if kind == "wrong shape":
        return state | {"conv1.weight": torch.zeros(64, 3, 3, 3)}
    return {key: value for key, value in state.items() if key != "fc.bias"}


@pytest.mark.parametrize("framework", models.FRAMEWORKS)
@pytest.mark.parametrize("kind", ["missing", "unexpected", "wrong shape", "incomplete head"])
def test_weights_with_mismatched_tensors_are_refused(tmp_path, framework, kind):
    state = broken(kind, weight_conversion.read(models.build("resnet50", "pytorch", 2)))
    save_file(state, tmp_path / "state.safetensors")
    problem = "missing: fc.bias" if kind == "incomplete head" else f"{kind}: (layer|conv1)"
    with pytest.raises(StudyError, match=problem):
        models.build("resnet50", framework, 2, weights=tmp_path / "state.safetensors")


@pytest.mark.parametrize("name", ["model.pth", "model.safetensors", "model.h5", "model.weights.h5"])
def test_a_truncated_file_is_refused(tmp_path, name):
    model = models.build("resnet50", "keras" if "h5" in name else "pytorch", 2)
    path = tmp_path / name
    if name == "model.pth":
        torch.save(model.state_dict(), path)
    elif name == "model.safetensors":
        save(model, path)
    else:
        model.save_weights(tmp_path / "model.weights.h5")
    content = (tmp_path / name.replace("model.h5", "model.weights.h5")).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(StudyError, match=r"broken"):
        models.build("resnet50", "pytorch", 2, weights=path)


@pytest.mark.slow
def test_saved_file_is_loaded_in_the_other_framework(tmp_path):
    source = random_network("resnet50", 3)
    path = save(source, tmp_path / "model.safetensors")
    read = weight_conversion.read(models.build("resnet50", "keras", 3, weights=path))
    assert all(torch.equal(value, read[key]) for key, value in weight_conversion.read(source).items())
    other_head = weight_conversion.read(models.build("resnet50", "keras", 4, weights=path))
    assert torch.equal(other_head["conv1.weight"], read["conv1.weight"])
    assert other_head["fc.weight"].shape == (4, 2048)


def test_missing_file_and_weights_of_another_network_are_refused(tmp_path):
    with pytest.raises(StudyError, match="weights file nowhere does not exist"):
        models.build("resnet50", "pytorch", 2, weights="nowhere")
    with pytest.raises(StudyError, match="are for xception, not for resnet50"):
        models.build("resnet50", "pytorch", 2, weights="xception")
