"""SE-ResNet50 in PyTorch, based on torchvision's residual blocks.

Squeeze-and-Excitation Networks, Hu, Shen, Albanie, Sun and Wu, https://arxiv.org/abs/1709.01507 (section 3, figure 3).

Differences from the paper and from other implementations:
- The residual network is torchvision's: the 3x3 convolution has the stride, not the first 1x1 convolution.
- The two fully connected layers have no biases and reduction 16, as in the checkpoint published at
  https://github.com/moskomule/senet.pytorch. The state dict has the same keys as that checkpoint.
  (timm's `legacy_seresnet50` has biases, a different stride and a different pooling.)
"""

from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, ResNet


class SEModule(nn.Module):
    """Multiplies each channel by a factor in 0 to 1: squeeze by global average pooling, excitation by two layers."""

    def __init__(self, channels: int):
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // 16, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(channels // 16, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels height width"]:
        return x * self.fc(self.avg_pool(x).flatten(1))[:, :, None, None]


class SEBottleneck(Bottleneck):
    """torchvision's `Bottleneck` with an `SEModule` after `bn3` and before the addition."""

    def __init__(self, inplanes: int, planes: int, *args, **kwargs):
        super().__init__(inplanes, planes, *args, **kwargs)
        self.se = SEModule(planes * self.expansion)

    def forward(self, x: Float[Tensor, "batch in_channels height width"]) -> Float[Tensor, "batch channels h w"]:
        identity = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.se(self.bn3(self.conv3(x)))
        return self.relu(x + identity)


def se_resnet50(num_classes: int) -> ResNet:
    """Returns SE-ResNet50, which has 28,071,976 parameters with 1000 classes."""
    return ResNet(SEBottleneck, [3, 4, 6, 3], num_classes=num_classes, zero_init_residual=True)
