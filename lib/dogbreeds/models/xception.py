"""Xception in PyTorch, equivalent to `keras.applications.Xception`.

Xception: Deep Learning with Depthwise Separable Convolutions, Chollet, https://arxiv.org/abs/1610.02357 (figure 5).

Differences from the paper and from other implementations:
- As in Keras, batch normalisation has epsilon 1e-3, and the weight decay and dropout of the paper's ImageNet recipe
  are left to the training recipe.
- Padding is TensorFlow's SAME: for an even size, only the right and the bottom are padded. (The implementations of
  Cadene and timm pad both sides and have epsilon 1e-5, so that they compute different functions.)
"""

from functools import partial
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

Maps = Float[Tensor, "batch channels height width"]
batch_norm = partial(nn.BatchNorm2d, eps=1e-3)


class SeparableConv2d(nn.Module):
    """A 3x3 convolution within each channel, directly followed by a 1x1 convolution across channels."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.depthwise = nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False)
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Maps) -> Float[Tensor, "batch out_channels height width"]:
        return self.pointwise(self.depthwise(x))


def max_pool_same(x: Maps) -> Float[Tensor, "batch channels half_height half_width"]:
    """3x3 max pooling with stride 2 and TensorFlow's SAME padding: odd and even sizes become ceil(size / 2)."""
    return F.max_pool2d(x, 3, stride=2, padding=(x.shape[2] % 2, x.shape[3] % 2), ceil_mode=True)


class Block(nn.Module):
    """Separable convolutions with a shortcut; a block that changes the number of channels halves height and width."""

    def __init__(self, channels: list[int], first_relu: bool = True):
        super().__init__()
        self.first_relu = first_relu
        pairs = list(pairwise(channels))
        self.sepconvs = nn.ModuleList(SeparableConv2d(*pair) for pair in pairs)
        self.bns = nn.ModuleList(batch_norm(out_channels) for _, out_channels in pairs)
        self.shortcut = None
        if channels[0] != channels[-1]:
            projection = nn.Conv2d(channels[0], channels[-1], 1, stride=2, bias=False)
            self.shortcut = nn.Sequential(projection, batch_norm(channels[-1]))

    def forward(self, x: Maps) -> Float[Tensor, "batch out_channels out_height out_width"]:
        identity = x
        for index, (sepconv, bn) in enumerate(zip(self.sepconvs, self.bns, strict=True)):
            if index or self.first_relu:
                x = F.relu(x)
            x = bn(sepconv(x))
        if self.shortcut is None:
            return x + identity
        return max_pool_same(x) + self.shortcut(identity)


class Xception(nn.Module):
    """Xception, which has 22,855,952 parameters with 1000 classes.

    Blocks 1 to 4 are the entry flow, blocks 5 to 12 the middle flow, and blocks 13 and 14 the exit flow.
    """

    def __init__(self, num_classes: int):
        super().__init__()
        self.block1 = nn.Sequential(
            nn.Conv2d(3, 32, 3, stride=2, bias=False), batch_norm(32), nn.ReLU(),
            nn.Conv2d(32, 64, 3, bias=False), batch_norm(64), nn.ReLU(),
        )  # fmt: skip
        self.block2 = Block([64, 128, 128], first_relu=False)
        self.block3 = Block([128, 256, 256])
        self.block4 = Block([256, 728, 728])
        for number in range(5, 13):
            self.add_module(f"block{number}", Block([728, 728, 728, 728]))
        self.block13 = Block([728, 728, 1024])
        self.block14 = nn.Sequential(
            SeparableConv2d(1024, 1536), batch_norm(1536), nn.ReLU(),
            SeparableConv2d(1536, 2048), batch_norm(2048), nn.ReLU(),
        )  # fmt: skip
        self.fc = nn.Linear(2048, num_classes)
        for module in self.modules():  # Keras' default initialisation
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch num_classes"]:
        for number in range(1, 15):
            x = getattr(self, f"block{number}")(x)
        return self.fc(x.mean(dim=(2, 3)))
