"""A mirror of all files that a study of Stanford Dogs from ImageNet weights downloads, made from drawn dogs.

Names, formats, keys, shapes and types are those of the published files. The photos are drawn dogs under the names of
five breeds, and the weights were learned on drawn dogs of other breeds.
"""

import io
import tarfile
from pathlib import Path

import h5py
import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from scipy.io import savemat

from dogbreeds import files, models
from dogbreeds.data import drawn_dogs
from dogbreeds.models import pretrained, weight_conversion
from dogbreeds.study import Study
from dogbreeds.training import trainer

BREEDS = (
    "n02085620-Chihuahua",
    "n02086240-Shih-Tzu",
    "n02106662-German_shepherd",
    "n02110958-pug",
    "n02111889-Samoyed",
)
BOX = "<object><bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox></object>"
SIZE = "<size><width>{0}</width><height>{1}</height></size>"


def write_archives(folder: Path, photos: dict[str, list[bytes]], train: int) -> None:
    """Writes the three archives of Stanford Dogs.

    `photos` are JPEG files by the names of the breeds' folders. The first `train` photos of each breed are on the
    training list and the others on the test list. Each photo has a small box and a larger one.
    """
    lists: dict[str, list] = {"train": [], "test": []}
    with tarfile.open(folder / "images.tar", "w") as images, tarfile.open(folder / "annotation.tar", "w") as boxes:
        for breed, contents in photos.items():
            for number, content in enumerate(contents):
                name = f"{breed}/{breed.partition('-')[0]}_{number}"
                add(images, f"Images/{name}.jpg", content)
                width, height = Image.open(io.BytesIO(content)).size
                large = BOX.format(width // 5, height // 8, 4 * width // 5, 7 * height // 8)
                annotation = SIZE.format(width, height) + BOX.format(1, 1, 5, 5) + large
                add(boxes, f"Annotation/{name}", f"<annotation>{annotation}</annotation>".encode())
                lists["train" if number < train else "test"].append([f"{name}.jpg"])
    with tarfile.open(folder / "lists.tar", "w") as archive:
        for split, names in lists.items():
            buffer = io.BytesIO()
            savemat(buffer, {"file_list": np.array(names, dtype=object)})
            add(archive, f"{split}_list.mat", buffer.getvalue())


def add(archive: tarfile.TarFile, name: str, content: bytes = b"", **fields) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for field, value in fields.items():
        setattr(member, field, value)
    archive.addfile(member, io.BytesIO(content))


def save_legacy(model, path: Path) -> None:
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


def write_mirror(folder: Path, drawings: int, recipe: dict, image_size: int) -> None:
    """Writes all published files to `folder`, and their checksums to SHA256SUMS.

    Each of the five breeds has `drawings` for training and half as many for the test. The networks learn on as many
    drawings of each other breed, at `image_size` and with `recipe`, whose epochs are also those of the ResNet50 of
    `keras.applications`.
    """
    drawn = drawn_dogs.write(folder / "made" / "drawn", list(drawn_dogs.TARGET), drawings + drawings // 2, seed=20)
    photos = {
        breed: [path.read_bytes() for path in sorted((drawn / target).iterdir())]
        for breed, target in zip(BREEDS, drawn_dogs.TARGET, strict=True)
    }
    write_archives(folder, photos, drawings)
    study = Study(
        "mirror",
        photos_per_breed=drawings,
        image_size=image_size,
        source_recipe=recipe,
        out=folder / "made" / "runs",
    )
    for name, modern in (("resnet50_v1", True), ("se_resnet50", False)):
        entry = pretrained.PUBLISHED[name]
        state = _learned(study, entry.architecture)
        # PyTorch's file lacks the counts of batches; the other one has them, and the format of PyTorch before 1.6.
        content = dict(_without_counts(state) if modern else state)
        torch.save(content, folder / entry.file.name, _use_new_zipfile_serialization=modern)
    _write_keras(folder, study, recipe["epochs"])
    sums = [f"{files.digest(path)}  {path.name}\n" for path in sorted(folder.iterdir()) if path.is_file()]
    (folder / "SHA256SUMS").write_text("".join(sums))


def _learned(study: Study, architecture: str) -> weight_conversion.State:
    """The state dict of a network with 1000 outputs and a random head, whose other weights learned the other breeds."""
    run = trainer.train(study.source_config(architecture, 0), study.other_breeds, study.store)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        own = models.build(architecture, "pytorch", 1000).state_dict()
    learned = load_file(run.weights)
    return {key: value if key.startswith("fc.") else learned.get(key, value) for key, value in own.items()}


def _write_keras(folder: Path, study: Study, epochs: int) -> None:
    """Writes the files of Xception with and without its head, and that of the ResNet50 of `keras.applications`."""
    from dogbreeds.models import keras_applications
    from dogbreeds.training import failure_start, failure_trainings

    applications = keras_applications.keras.applications
    own = models.build("xception", "keras", 1000)
    weight_conversion.fill(own, _without_counts(_learned(study, "xception")))
    whole = applications.Xception(weights=None, classifier_activation=None)
    whole.set_weights(own.get_weights())
    headless = applications.Xception(weights=None, include_top=False)
    headless.set_weights(own.get_weights()[:-2])
    resnet50 = applications.ResNet50(weights=None, include_top=False)
    start = failure_start.OtherBreeds(study.other_breeds, epochs)
    resnet50.set_weights(failure_trainings._initial_weights("resnet50", start, folder / "made"))
    save_legacy(whole, folder / pretrained.PUBLISHED["xception"].file.name)
    for network, model in (("xception", headless), ("resnet50", resnet50)):
        save_legacy(model, folder / pretrained.OF_KERAS_APPLICATIONS[network].file.name)


def _without_counts(state: weight_conversion.State) -> weight_conversion.State:
    return {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
