"""Files in the layout of the published weights, on the server of the fixture `weights_mirror`."""

import hashlib
from dataclasses import replace

import h5py

from dogbreeds.models import pretrained


def publish(monkeypatch, name, content: bytes, folder):
    """Serves `content` as the published file `name` and registers its hash."""
    entry = pretrained.PUBLISHED[name]
    (folder / entry.file).write_bytes(content)
    entry = replace(entry, digest=hashlib.new(entry.algorithm, content).hexdigest())
    monkeypatch.setitem(pretrained.PUBLISHED, name, entry)
    return entry


def save_legacy(model, path):
    """Saves HDF5 in the layout of Keras 1 and 2: one group per layer, with the names of its weights as attributes."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.0.0"
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{variable.name}:0".encode() for variable in layer.weights]
            group.attrs["weight_names"] = names
            for name, value in zip(names, layer.get_weights(), strict=True):
                group.create_dataset(name.decode(), data=value)
