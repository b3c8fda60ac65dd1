"""What is known of the published weights agrees with what their publishers say of them."""

import inspect

import pytest
from keras.src.applications import resnet, xception
from torchvision.models import ResNet50_Weights

from dogbreeds.models import pretrained


@pytest.mark.parametrize(("name", "weights"), list(zip(("resnet50_v1", "resnet50_v2"), ResNet50_Weights, strict=True)))
def test_weights_of_torchvision_are_known_as_torchvision_describes_them(name, weights):
    entry, accuracies = pretrained.PUBLISHED[name], weights.meta["_metrics"]["ImageNet-1K"]
    assert entry.file.url == weights.url
    assert round(entry.file.size / 2**20, 3) == pytest.approx(weights.meta["_file_size"], abs=0.001)
    assert entry.file.digest == weights.url.split("-")[-1].removesuffix(".pth")  # as torch.hub checks it
    assert entry.top1 == accuracies["acc@1"]


def test_weights_of_keras_are_known_as_keras_describes_them():
    source = inspect.getsource(xception.Xception)
    for name, address in (("xception", xception.WEIGHTS_PATH), ("xception_notop", xception.WEIGHTS_PATH_NO_TOP)):
        entry = pretrained.PUBLISHED[name].file
        assert entry.url == address
        assert f'file_hash="{entry.digest}"' in source
    whole, without_head = resnet.WEIGHTS_HASHES["resnet50"]
    entry = pretrained.OF_KERAS_APPLICATIONS["resnet50"].file
    assert entry.digest == without_head != whole
    assert entry.url == f"{resnet.BASE_WEIGHTS_PATH}resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
