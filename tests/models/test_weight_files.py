"""Reading of weights files in the published layouts, with random weights and downloads from a local server."""

import pickle

import keras
import numpy as np
import pytest
import torch
from networks import channels_last, photos, random_network, save
from published_files import save_legacy
from safetensors.torch import save_file

from dogbreeds import models, paths
from dogbreeds.errors import StudyError
from dogbreeds.models import pretrained, weight_conversion


def cache():
    return sorted(path.name for path in (paths.data() / "weights").glob("*"))


@pytest.mark.slow
@pytest.mark.parametrize("zipped", [True, False])
def test_se_resnet50_loads_the_published_layout(mirror, checksums, tmp_path, zipped):
    """The published file of 2019 has the layout that PyTorch used before zip files."""
    source = random_network("se_resnet50", 1000)
    name = pretrained.PUBLISHED["se_resnet50"].file.name
    torch.save(source.state_dict(), mirror / name, _use_new_zipfile_serialization=zipped)
    checksums(mirror / name)
    model = models.build("se_resnet50", "pytorch", 1000, weights="imagenet")
    assert cache() == [name]
    model.load_state_dict(source.state_dict(), strict=True)
    batch = photos(2, 64)
    twin = models.build("se_resnet50", "keras", 1000, weights=paths.data() / "weights" / name)
    logits = source(batch).detach().numpy()
    others = keras.ops.convert_to_numpy(twin(channels_last(batch), training=False))
    assert np.abs(logits - others).max() < 1e-4 * logits.std()


@pytest.mark.slow
@pytest.mark.parametrize("framework", models.FRAMEWORKS)
@pytest.mark.parametrize("layout", ["published.h5", "published_notop.h5", "saved.weights.h5"])
def test_xception_reads_keras_files(mirror, checksums, tmp_path, layout, framework):
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
        chosen = "xception" if top else "xception_notop"
        served = mirror / pretrained.PUBLISHED[chosen].file.name
        save_legacy(source, served)
        checksums(served)
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
