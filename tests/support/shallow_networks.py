"""ResNet50 with one block per stage in both frameworks, for tests of the training rather than of the network."""

import torchvision
from torchvision.models.resnet import Bottleneck, ResNet

STAGES = tuple((planes, 1) for planes in (64, 128, 256, 512))


def resnet50(**options):
    return ResNet(Bottleneck, [1, 1, 1, 1], **options)


def install(framework):
    """Replaces ResNet50 by the shallow network until the process ends.

    PyTorch's ResNet50 is replaced for both frameworks, because PyTorch draws the initial weights of both.
    """
    torchvision.models.resnet50 = resnet50
    if framework == "keras":
        from dogbreeds.models import keras_networks

        keras_networks.STAGES = STAGES
