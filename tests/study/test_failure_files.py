"""Where the trainings of notebook 02 on the failure of 2020 start."""

import pytest

from dogbreeds.errors import StudyError
from dogbreeds.models import pretrained
from dogbreeds.study import Study
from dogbreeds.training import failure_trainings
from dogbreeds.training.failure_start import ImageNet


def refuse(study):
    raise StudyError("no other breeds")


@pytest.fixture
def study(monkeypatch, photo_folder):
    """A function that returns a study without other breeds, with the given trainings."""
    monkeypatch.setattr(Study, "other_breeds", property(refuse))
    monkeypatch.setattr(failure_trainings, "train_all", lambda settings, dataset, start, folder: start)
    return lambda **failure: Study("toy", str(photo_folder), image_size=48, crop="squash", failure_2020=failure)


def test_imagenet_weights_need_no_other_breeds_and_use_the_images_of_the_study(study, monkeypatch):
    monkeypatch.setattr(pretrained, "fetch", lambda entry: entry.file.path)
    start = study(weights="imagenet").failure_files()
    assert isinstance(start, ImageNet)
    assert (start.image_size, start.crop) == (48, "squash")
    names = {network: path.name for network, path in start.published.items()}
    assert names == {
        "resnet50": "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "xception": "xception_weights_tf_dim_ordering_tf_kernels_notop.h5",
    }


def test_without_them_the_networks_learn_on_other_breeds(study):
    with pytest.raises(StudyError, match="no other breeds"):
        study(seeds=[0]).failure_files()
