"""The three networks in Keras: Xception from `keras.applications`; ResNet50 and SE-ResNet50 as in PyTorch.

Deep Residual Learning for Image Recognition, He, Zhang, Ren and Sun, https://arxiv.org/abs/1512.03385. For the papers
on squeeze-and-excitation and Xception see `se_resnet` and `xception`.

Differences from the paper and from other implementations:
- The 3x3 convolution has the stride, as in torchvision; in the paper and in `keras.applications.ResNet50` the first
  1x1 convolution has it.
- `keras.applications.ResNet50` also has biases in its convolutions, epsilon 1.001e-5 and BGR input, so that it
  computes a different function.
- The running variances differ by the factor n / (n - 1) from PyTorch's, see `batch_norm.with_biased_variances`.

Layers have the names of torchvision's modules, with underscores. The networks run on every Keras backend.
"""

from dogbreeds.models import keras_runtime

keras = keras_runtime.load_keras()
layers = keras.layers

STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))  # channels of the 3x3 convolutions, blocks: He et al., table 1
BATCH_NORM_MOMENTUM = 0.9  # weight of the old statistics; PyTorch's 0.1 is the weight of the new ones


def xception(num_classes: int) -> keras.Model:
    """Returns `keras.applications.Xception` for any input size, with a linear head that outputs logits."""
    photos = keras.Input((None, None, 3), name="photos")
    backbone = keras.applications.Xception(include_top=False, weights=None, input_tensor=photos, pooling="avg")
    for layer in backbone.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM
    logits = layers.Dense(num_classes, name="fc")(backbone.output)
    return keras.Model(photos, logits, name="xception")


def _convolution(x, channels: int, kernel: int, name: str, stride: int = 1):
    """Adds a convolution with torchvision's initialisation, and with padding of `kernel // 2` on every side."""
    if kernel > 1 and stride > 1:  # Keras' "same" would pad only the right and the bottom
        x = layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)
    he_normal = keras.initializers.VarianceScaling(2.0, mode="fan_out", distribution="untruncated_normal")
    padding = "valid" if stride > 1 else "same"
    return layers.Conv2D(channels, kernel, stride, padding, use_bias=False, kernel_initializer=he_normal, name=name)(x)


def _batch_norm(x, name: str, scale: str = "ones"):
    return layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, epsilon=1e-5, gamma_initializer=scale, name=name)(x)


def _linear(x, channels: int, name: str, **options):
    """Adds a dense layer whose kernel is initialised as in PyTorch's nn.Linear."""
    uniform = keras.initializers.VarianceScaling(1 / 3, mode="fan_in", distribution="uniform")
    return layers.Dense(channels, kernel_initializer=uniform, name=name, **options)(x)


def _squeeze_excitation(x, channels: int, name: str):
    scale = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_avg_pool")(x)
    scale = _linear(scale, channels // 16, f"{name}_fc_0", activation="relu", use_bias=False)
    scale = _linear(scale, channels, f"{name}_fc_2", activation="sigmoid", use_bias=False)
    return layers.Multiply(name=f"{name}_scale")([x, scale])


def _bottleneck(x, planes: int, name: str, stride: int, squeeze_excitation: bool):
    identity = x
    if x.shape[-1] != 4 * planes:
        identity = _convolution(x, 4 * planes, 1, f"{name}_downsample_0", stride)
        identity = _batch_norm(identity, f"{name}_downsample_1")
    for number, kernel, step in ((1, 1, 1), (2, 3, stride)):
        x = _batch_norm(_convolution(x, planes, kernel, f"{name}_conv{number}", step), f"{name}_bn{number}")
        x = layers.ReLU(name=f"{name}_relu{number}")(x)
    # Each residual branch is initialised to zero (Goyal et al., https://arxiv.org/abs/1706.02677, section 5.1;
    # torchvision's `zero_init_residual`), so that a network of this depth learns from few photos.
    x = _batch_norm(_convolution(x, 4 * planes, 1, f"{name}_conv3"), f"{name}_bn3", scale="zeros")
    if squeeze_excitation:
        x = _squeeze_excitation(x, 4 * planes, f"{name}_se")
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, identity]))


def resnet50(num_classes: int, name: str = "resnet50", squeeze_excitation: bool = False) -> keras.Model:
    photos = keras.Input((None, None, 3), name="photos")
    x = _batch_norm(_convolution(photos, 64, 7, "conv1", stride=2), "bn1")
    # After a ReLU, padding with zeros does not change the maximum.
    x = layers.ZeroPadding2D(1, name="maxpool_pad")(layers.ReLU(name="relu")(x))
    x = layers.MaxPooling2D(3, 2, name="maxpool")(x)
    for stage, (planes, blocks) in enumerate(STAGES, 1):
        for block in range(blocks):
            stride = 2 if stage > 1 and block == 0 else 1
            x = _bottleneck(x, planes, f"layer{stage}_{block}", stride, squeeze_excitation)
    logits = _linear(layers.GlobalAveragePooling2D(name="avgpool")(x), num_classes, "fc")
    return keras.Model(photos, logits, name=name)


def se_resnet50(num_classes: int) -> keras.Model:
    return resnet50(num_classes, "se_resnet50", squeeze_excitation=True)
