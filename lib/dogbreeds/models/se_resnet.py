"""SE-ResNet50 in PyTorch, on torchvision's residual blocks.

Squeeze-and-Excitation Networks, Hu, Shen, Albanie, Sun and Wu, https://arxiv.org/abs/1709.01507 (section 3, figure 3).

What differs from the paper and from other ports:
- the residual network is torchvision's: the stride sits in the 3x3 convolution, not in the first 1x1;
- the two fully connected layers have no biases, reduction 16, as in the checkpoint published at
  https://github.com/moskomule/senet.pytorch, whose state-dict keys these are
  (timm's `legacy_seresnet50` has biases, another stride and another pooling).
"""

from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, ResNet


class SEModule(nn.Module):
    """Squeeze (global average), excitation (two fully connected layers), scale: one factor in 0 to 1 a channel."""

    def __init__(self, channels: int, reduction: int = 16):
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // reduction, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(channels // reduction, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels height width"]:
        scale = self.fc(self.avg_pool(x).flatten(1))
        return x * scale[:, :, None, None]


class SEBottleneck(Bottleneck):
    """torchvision's bottleneck with the module after `bn3` and before the addition."""

    def __init__(self, inplanes: int, planes: int, *args, **kwargs):
        super().__init__(inplanes, planes, *args, **kwargs)
        self.se = SEModule(planes * self.expansion)

    def forward(self, x: Float[Tensor, "batch in_channels height width"]) -> Float[Tensor, "batch channels h w"]:
        identity = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.se(self.bn3(self.conv3(x)))
        return self.relu(x + identity)


def se_resnet50(num_classes: int = 1000) -> ResNet:
    """SE-ResNet50: 28,071,976 parameters at 1000 classes. Starts as torchvision's with `zero_init_residual`."""
    return ResNet(SEBottleneck, [3, 4, 6, 3], num_classes=num_classes, zero_init_residual=True)
