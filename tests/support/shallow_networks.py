"""ResNet50 with one block a stage in both frameworks: where a training is under test, and not the network."""

import torchvision
from torchvision.models.resnet import Bottleneck, ResNet

STAGES = tuple((planes, 1) for planes in (64, 128, 256, 512))


def resnet50(**options):
    return ResNet(Bottleneck, [1, 1, 1, 1], **options)


def install(framework):
    """Puts it in the place of ResNet50, for as long as this process lives.

    In PyTorch whatever the framework: weights are drawn there.
    """
    torchvision.models.resnet50 = resnet50
    if framework == "keras":
        from dogbreeds.models import keras_networks

        keras_networks.STAGES = STAGES
