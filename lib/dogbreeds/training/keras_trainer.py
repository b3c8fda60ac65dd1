"""Training with Keras: `fit` and its callbacks, on the backend that Keras was imported with."""

from dataclasses import replace
from functools import lru_cache
from itertools import zip_longest

import numpy as np
import torch
from jaxtyping import Float

from dogbreeds import models
from dogbreeds.data.batches import Batches
from dogbreeds.errors import StudyError
from dogbreeds.models import keras_runtime
from dogbreeds.training.devices import Devices
from dogbreeds.training.epochs import Epochs
from dogbreeds.training.recipe import Recipe

keras = keras_runtime.load_keras()


class _ByRecipe:
    """Adds a learning-rate multiplier per variable and the recipe's weight decay to an optimiser of Keras.

    Keras itself decouples weight decay in SGD too, and uses one learning rate for all variables.
    """

    def __init__(self, recipe: Recipe, variables: list, rates: "Rates", **options):
        super().__init__(rates, **options)
        self.recipe = recipe
        heads = [variable.path.split("/")[-2] == "fc" for variable in variables]
        self.multipliers = [1.0 if head else recipe.backbone_multiplier for head in heads]
        self.build(variables)  # variables created while `fit` traces would cause a second trace

    def update_step(self, gradient, variable, learning_rate):
        rate = learning_rate * self.multipliers[self._get_variable_index(variable)]
        decay = self.recipe.weight_decay
        if decay and len(variable.shape) > 1:
            if self.recipe.optimizer == "adamw":
                self.assign_sub(variable, rate * decay * variable)
            else:
                gradient = gradient + decay * variable
        super().update_step(gradient, variable, rate)

    def _parallel_update_step(self, gradients, variables, learning_rate):
        """Updates all variables with the same multiplier and decay at once.

        Keras calls this method instead of `update_step` on PyTorch. Updates of one variable at a time would need
        hundreds of small copies to a GPU, and each of them blocks.
        """
        kinds = {}
        for gradient, variable in zip(gradients, variables, strict=True):
            kind = self.multipliers[self._get_variable_index(variable)], len(variable.shape) > 1
            kinds.setdefault(kind, []).append((gradient, variable))
        for (multiplier, decays), pairs in kinds.items():
            mine, those = map(list, zip(*pairs, strict=True))
            values, rate = [variable.value for variable in those], learning_rate * multiplier
            decay = self.recipe.weight_decay if decays else 0.0
            if decay and self.recipe.optimizer == "adamw":
                torch._foreach_mul_(values, 1 - rate * decay)
            elif decay:
                mine = torch._foreach_add(mine, values, alpha=decay)
            super()._parallel_update_step(mine, those, rate)


class _Momentum(type(keras.optimizers.SGD())):  # `type`: the class of the backend, which differs on PyTorch
    """SGD whose momentum accumulates gradients, as in PyTorch; Keras accumulates gradients times rate."""

    def update_step(self, gradient, variable, learning_rate):
        momentum = self.momentums[self._get_variable_index(variable)]
        self.assign(momentum, self.momentum * momentum + gradient)
        self.assign_sub(variable, learning_rate * momentum)

    def _parallel_update_step(self, gradients, variables, learning_rate):
        momenta = [self.momentums[self._get_variable_index(variable)].value for variable in variables]
        torch._foreach_mul_(momenta, self.momentum)
        torch._foreach_add_(momenta, gradients)
        torch._foreach_sub_([variable.value for variable in variables], torch._foreach_mul(momenta, learning_rate))


class SGD(_ByRecipe, _Momentum):
    pass


class AdamW(_ByRecipe, type(keras.optimizers.Adam())):
    pass


class Rates(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of every step, looked up in the graph: JAX's compiled step ignores a rate set from outside."""

    def __init__(self, rates: list[float]):
        self.rates = keras.ops.convert_to_tensor(rates, keras.config.floatx())

    def __call__(self, step):
        return keras.ops.take(self.rates, step)


def optimizer(recipe: Recipe, variables: list, steps: int) -> _ByRecipe:
    """Returns the recipe's optimiser for `variables`, with the learning rates of `steps` steps."""
    rates = Rates([recipe.learning_rate_at(step, steps) for step in range(steps)])
    if recipe.optimizer == "adamw":
        return AdamW(recipe, variables, rates, epsilon=1e-7)
    return SGD(recipe, variables, rates, momentum=0.9)


class _Callback(keras.callbacks.Callback):
    """Passes the events of Keras on to `Epochs`."""

    def __init__(self, epochs: Epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        self.epochs.begin()

    def on_train_batch_end(self, batch, logs=None):
        self.logs = logs
        self.epochs.step(batch, self._measures)

    def on_test_begin(self, logs=None):
        self._measures()  # waits for the last step, which belongs to the time of the training
        self.epochs.begin_validation()

    def _measures(self) -> tuple[float, float]:
        return tuple(float(keras.ops.convert_to_numpy(self.logs[name])) for name in ("loss", "accuracy"))

    def on_epoch_end(self, epoch, logs=None):
        names = {"loss": "training_loss", "accuracy": "training_accuracy"}
        names |= {"val_loss": "validation_loss", "val_accuracy": "validation_accuracy"}
        measures = {name: float(logs[key]) for key, name in names.items()}
        variables = enumerate(self.model.optimizer.variables)
        optimizer = {f"{number:04d}": torch.tensor(variable.numpy()) for number, variable in variables}
        self.model.stop_training = self.epochs.end(self.model, measures, optimizer)


class Callbacks(keras.callbacks.CallbackList):
    """Leaves the measures of a step on the device: Keras would read them after every step, and wait for the device."""

    def on_train_batch_end(self, batch, logs=None):
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs)

    def on_test_batch_end(self, batch, logs=None):
        pass  # no callback listens


def fit(model: keras.Model, recipe: Recipe, streams: dict[str, Batches], epochs: Epochs, devices: Devices) -> None:
    """Trains `model` to the end of the phase of `epochs`."""
    phase, restored = epochs.phase, epochs.training_state.optimizer
    # These fields do not affect the graph: with fixed values, `_compiled` reuses it.
    traced = replace(recipe, preprocessing="expected", restore_best=True, monitor="validation_loss")
    model = _compiled(model, phase.name, traced, phase.epochs * len(streams["train"]))
    variables = model.optimizer.variables
    if restored and len(restored) != len(variables):
        folder = epochs.training_state.folder
        raise StudyError(f"{folder} was started by another version of this project: delete it and start again")
    # Restore the optimiser of an interrupted phase, or clear it: a reused model still has that of another training.
    for variable, value in zip_longest(variables, restored.values()):
        variable.assign(keras.ops.zeros(variable.shape, variable.dtype) if value is None else value.numpy())
    model.fit(
        _feed(streams["train"]),
        validation_data=_feed(streams["validation"]),
        initial_epoch=phase.done,
        epochs=phase.epochs,
        callbacks=Callbacks([_Callback(epochs)], add_history=True, model=model),
        shuffle=False,  # the stream is already shuffled
        verbose=0,
    )


@lru_cache(maxsize=1)
def _compiled(model: keras.Model, phase: str, recipe: Recipe, steps: int) -> keras.Model:
    """Compiles the network or its head. A call with equal arguments returns the same object with its graphs."""
    if phase == "head":
        model = keras.Sequential([keras.Input(model.layers[-1].input.shape[1:]), model.layers[-1]])
    classes = model.layers[-1].units

    def loss(labels, logits):  # Keras' sparse loss has no label smoothing; on JAX, labels are floats
        labels, logits = keras.ops.one_hot(keras.ops.cast(labels, "int32"), classes), keras.ops.cast(logits, "float32")
        smoothing = recipe.label_smoothing
        return keras.losses.categorical_crossentropy(labels, logits, from_logits=True, label_smoothing=smoothing)

    update = optimizer(recipe, model.trainable_variables, steps)
    # Given only the name of the metric, Keras would create it while tracing.
    accuracy = keras.metrics.SparseCategoricalAccuracy("accuracy")
    # JAX is slow without its compiler; those of TensorFlow and PyTorch take longer than they save here.
    model.compile(update, loss, metrics=[accuracy], jit_compile=keras.backend.backend() == "jax")
    return model


def _jax_array(tensor: torch.Tensor):
    """Returns a copy of `tensor` as an array of JAX on the same device.

    DLPack makes JAX's stream on a GPU wait for PyTorch's, so the values are complete when JAX reads them.
    """
    import jax

    # Copied, because JAX may drop an array before the step that reads it has run, and PyTorch would reuse the memory;
    # a copy holds what it reads until it is done.
    array = jax.device_put(jax.dlpack.from_dlpack(tensor), may_alias=False)
    # Arrays from DLPack are committed to their device. Results would be too, and the step would be compiled again.
    return type(array)(array.aval, array.sharding, [array], committed=False)


class _JaxBatches(keras.utils.PyDataset):
    """A stream as arrays of JAX on the device of the stream; Keras passes them to the compiled step as they are."""

    def __init__(self, stream: Batches):
        super().__init__()
        self.stream = stream

    def __len__(self) -> int:
        return len(self.stream)

    def __getitem__(self, index: int) -> tuple:
        images, labels = self.stream[index]
        return _jax_array(images), _jax_array(labels.int())


def _feed(stream: Batches):
    """Returns the batches in the format that suits the backend: a `tf.data` data set for TensorFlow, else a DataLoader.

    Keras converts a DataLoader for TensorFlow too, but with the autotuning of `tf.data`. That has nothing to tune
    here, and its thread sometimes delays the first step of an epoch by seconds (TensorFlow 2.21). For JAX, Keras
    converts a DataLoader to NumPy arrays, which costs nothing on a CPU, but would copy each batch from a GPU
    to the host and back.
    """
    if keras.backend.backend() == "jax" and stream.device != "cpu":
        return _JaxBatches(stream)
    if keras.backend.backend() != "tensorflow":
        return stream.loader()
    import tensorflow

    kinds = tuple(tensorflow.TensorSpec((None, *each.shape[1:]), each.numpy().dtype) for each in stream[0])
    batches = tensorflow.data.Dataset.from_generator(
        lambda: ((inputs.numpy(), labels.numpy()) for inputs, labels in stream.loader()), output_signature=kinds
    )
    options = tensorflow.data.Options()
    options.autotune.enabled = False
    return batches.apply(tensorflow.data.experimental.assert_cardinality(len(stream))).with_options(options)


@lru_cache(maxsize=3)  # for training, for prediction, and with bfloat16 for features in float32
def network(architecture: str, classes: int, precision: str = "float32", **options) -> keras.Model:
    """Returns a network whose layers compute in `precision`; `options` are passed to `models.build`.

    A call with equal arguments returns the same object with its traced graphs, because tracing takes as long as
    hundreds of steps. Fill the network with weights before each use.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy({"float32": "float32", "bfloat16": "mixed_bfloat16"}[precision])
    try:
        return models.build(architecture, "keras", classes, **options)
    finally:
        keras.config.set_dtype_policy(before)


def features(model: keras.Model, stream: Batches) -> Float[np.ndarray, "photos 2048"]:
    """Returns the input of the head for every photo of a stream, in order."""
    return predict(keras.Model(model.inputs[0], model.layers[-1].input), stream)


def predict(model: keras.Model, stream: Batches) -> Float[np.ndarray, "photos breeds"]:
    """Returns the logits of every photo of a stream, in order, in inference mode and float32."""
    return model.predict(_feed(stream), verbose=0).astype(np.float32, copy=False)


def device(model: keras.Model | None) -> str:
    """Returns the backend of Keras and its device, which may differ from the device of PyTorch."""
    backend = keras.backend.backend()
    if backend == "torch":
        return f"keras on torch, {'cuda:0' if torch.cuda.is_available() else 'cpu:0'}"
    return f"keras on {backend}, {keras.distribution.list_devices()[0]}"


def last_features(model: keras.Model, photos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the feature maps before pooling `[photo, channel, height, width]` and the head `[channel, breed]`."""
    maps = keras.Model(model.inputs[0], model.layers[-2].input)  # the last layers are pooling and the head
    channels_last = np.ascontiguousarray(photos.transpose(0, 2, 3, 1))
    return maps.predict(channels_last, verbose=0).transpose(0, 3, 1, 2), model.layers[-1].kernel.numpy()
