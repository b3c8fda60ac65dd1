"""A small network in place of those of `keras.applications`."""

from dogbreeds.models import keras_runtime

keras = keras_runtime.load_keras()


def backbone(include_top, weights, input_shape, pooling):
    """Has the arguments of the functions of `keras.applications`; its weights are random."""
    inputs = keras.Input(input_shape)
    maps = keras.layers.Conv2D(4, 3, strides=4)(inputs)
    maps = keras.layers.ReLU()(keras.layers.BatchNormalization()(maps))
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(maps))


def replace(set_attribute=setattr):
    """Replaces both networks with `set_attribute`, in a test `monkeypatch.setattr`."""
    for name in ("ResNet50", "Xception"):
        set_attribute(keras.applications, name, backbone)


def random_backbone(size=32):
    """Returns a backbone whose weights and statistics are all random and positive."""
    model = backbone(False, None, (size, size, 3), "avg")
    model.set_weights([keras.random.uniform(weight.shape, 0.5, 1.0) for weight in model.weights])
    return model
