"""The Keras half of training: `fit` with its callbacks, on whichever backend Keras was started with."""

import time
from dataclasses import replace
from functools import lru_cache
from itertools import zip_longest

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dogbreeds import models
from dogbreeds.data.batches import Batches
from dogbreeds.errors import StudyError
from dogbreeds.models import weight_conversion
from dogbreeds.models.quiet_keras import keras
from dogbreeds.training.devices import Devices
from dogbreeds.training.progress import Progress
from dogbreeds.training.recipe import Recipe
from dogbreeds.training.training_state import Course


class _OfBackend:
    """Keras' optimisers as its backend has them: on PyTorch they take all variables at once."""

    SGD, ADAM = type(keras.optimizers.SGD()), type(keras.optimizers.Adam())


class _ByRecipe:
    """An optimiser of Keras that knows the share of the rate a variable learns at, and the recipe's decay.

    Keras' own decay is decoupled in SGD as well, and one rate holds for all its variables.
    """

    def obey(self, recipe: Recipe, variables: list) -> "_ByRecipe":
        self.recipe = recipe
        heads = [variable.path.split("/")[-2] == "fc" for variable in variables]
        self.shares = [1.0 if head else recipe.backbone_rate for head in heads]
        self.build(variables)  # variables made while `fit` traces would have it traced twice
        return self

    def update_step(self, gradient, variable, learning_rate):
        rate = learning_rate * self.shares[self._get_variable_index(variable)]
        decay = self.recipe.weight_decay
        if decay and len(variable.shape) > 1:
            if self.recipe.optimizer == "adamw":
                self.assign_sub(variable, rate * decay * variable)
            else:
                gradient = gradient + decay * variable
        super().update_step(gradient, variable, rate)

    def _parallel_update_step(self, gradients, variables, learning_rate):
        """`update_step` for all variables of a share and decay at once, as Keras asks for on PyTorch.

        One after the other they would take hundreds of small copies to a GPU, each of which is waited for.
        """
        kinds = {}
        for gradient, variable in zip(gradients, variables, strict=True):
            kind = self.shares[self._get_variable_index(variable)], len(variable.shape) > 1
            kinds.setdefault(kind, []).append((gradient, variable))
        for (share, decayed), pairs in kinds.items():
            mine, those = map(list, zip(*pairs, strict=True))
            values, rate = [variable.value for variable in those], learning_rate * share
            decay = self.recipe.weight_decay if decayed else 0.0
            if decay and self.recipe.optimizer == "adamw":
                torch._foreach_mul_(values, 1 - rate * decay)
            elif decay:
                mine = torch._foreach_add(mine, values, alpha=decay)
            super()._parallel_update_step(mine, those, rate)


class _Momentum(_OfBackend.SGD):
    """SGD whose momentum gathers gradients, as in PyTorch; Keras' gathers steps, each of the rate of its time."""

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


class AdamW(_ByRecipe, _OfBackend.ADAM):
    pass


class Rates(keras.optimizers.schedules.LearningRateSchedule):
    """The rate of every step, looked up inside the step: one set from outside does not reach what JAX has compiled."""

    def __init__(self, rates: list[float]):
        self.rates = keras.ops.convert_to_tensor(rates, keras.config.floatx())

    def __call__(self, step):
        return keras.ops.take(self.rates, step)


def optimizer(recipe: Recipe, variables: list, steps: int) -> _ByRecipe:
    """The recipe's optimiser of some variables, for so many steps."""
    rates = Rates([recipe.learning_rate_at(step, steps) for step in range(steps)])
    if recipe.optimizer == "adamw":
        return AdamW(rates, epsilon=1e-7).obey(recipe, variables)
    return SGD(rates, momentum=0.9).obey(recipe, variables)


class Epochs(keras.callbacks.Callback):
    """After an epoch: its row, its checkpoint, its end. Photos a second are of training alone, without validation."""

    def __init__(self, stream: Batches, course: Course, phase: str, progress: Progress):
        super().__init__()
        self.stream, self.course, self.phase, self.progress = stream, course, phase, progress

    def on_epoch_begin(self, epoch, logs=None):
        self.stream.epoch = len(self.course.history) + 1
        self.start, self.seconds = time.perf_counter(), None

    def on_train_batch_end(self, batch, logs=None):
        photos = (batch + 1) * self.stream.batch_size
        self.progress.step(len(self.course.history) + 1, photos, lambda: (float(logs["loss"]), float(logs["accuracy"])))

    def on_test_begin(self, logs=None):
        self.seconds = time.perf_counter() - self.start

    def on_epoch_end(self, epoch, logs=None):
        names = {"loss": "training_loss", "accuracy": "training_accuracy"}
        names |= {"val_loss": "validation_loss", "val_accuracy": "validation_accuracy"}
        row = {"epoch": len(self.course.history) + 1, "phase": self.phase}
        row |= {name: float(logs[key]) for key, name in names.items()}
        row |= {"seconds": self.seconds}
        row |= {"photos_per_second": len(self.stream) * self.stream.batch_size / self.seconds}
        ends = self.course.end_epoch(row, _trained(self.model), _optimizer_state(self.model.optimizer))
        self.progress.epoch(row)
        self.model.stop_training = ends


def _trained(model: keras.Model) -> weight_conversion.State:
    """The weights of the network, or of the head alone under its name in the network, as copies."""
    return {key: value.clone() for key, value in weight_conversion.from_keras(model).items()}


def _optimizer_state(optimizer) -> dict[str, Tensor]:
    return {f"{number:04d}": _tensor(variable) for number, variable in enumerate(optimizer.variables)}


def _tensor(variable) -> Tensor:
    return torch.from_numpy(np.array(variable.numpy() if hasattr(variable, "numpy") else variable))


def train_phase(model, recipe: Recipe, streams: dict, course: Course, progress: Progress, devices: Devices) -> None:
    """Trains `model` to the end of its phase; `course` gets every epoch."""
    phase, done, epochs = course.phase()
    # Fields that are in no graph must not have it traced again.
    traced = replace(recipe, preprocessing="expected", restore_best=True, monitor="validation_loss")
    model = _compiled(model, phase, traced, epochs * len(streams["train"]))
    variables = model.optimizer.variables
    if course.optimizer and len(course.optimizer) != len(variables):
        raise StudyError(f"{course.folder} was begun by another version of this project: delete it and start again")
    for variable, value in zip_longest(variables, course.optimizer.values()):
        variable.assign(keras.ops.zeros(variable.shape, variable.dtype) if value is None else value.numpy())
    model.fit(
        _feed(streams["train"]),
        validation_data=_feed(streams["validation"]),
        initial_epoch=done,
        epochs=epochs,
        callbacks=[Epochs(streams["train"], course, phase, progress)],
        shuffle=False,  # the stream is shuffled already
        verbose=0,
    )


@lru_cache(maxsize=1)
def _compiled(model: keras.Model, phase: str, recipe: Recipe, steps: int) -> keras.Model:
    """The network, or its head alone, with optimiser and loss: the same object, with its graphs, when asked again."""
    if phase == "head":
        model = keras.Sequential([keras.Input(model.layers[-1].input.shape[1:]), model.layers[-1]])
    classes = model.layers[-1].units

    def loss(labels, logits):  # Keras' loss for whole-number labels, floats on JAX, does not smooth them
        labels, logits = keras.ops.one_hot(keras.ops.cast(labels, "int32"), classes), keras.ops.cast(logits, "float32")
        smoothing = recipe.label_smoothing
        return keras.losses.categorical_crossentropy(labels, logits, from_logits=True, label_smoothing=smoothing)

    update = optimizer(recipe, model.trainable_variables, steps)
    accuracy = keras.metrics.SparseCategoricalAccuracy("accuracy")  # by its name alone it is made during tracing
    # JAX is slow without its compiler; TensorFlow's and PyTorch's take longer than they save here.
    model.compile(update, loss, metrics=[accuracy], jit_compile=keras.backend.backend() == "jax")
    return model


def _feed(stream: Batches):
    """The batches as Keras takes them best: its backend's own kind of data set.

    Keras would make one for TensorFlow by itself, but with the tuning of tf.data, which has nothing to tune here and
    whose thread lets the first step of an epoch wait for seconds, now and then (TensorFlow 2.21).
    """
    if keras.backend.backend() != "tensorflow":
        return stream.loader()
    import tensorflow

    inputs, labels = stream[0]
    kinds = [tensorflow.TensorSpec((None, *each.shape[1:]), each.numpy().dtype) for each in (inputs, labels)]
    batches = tensorflow.data.Dataset.from_generator(
        lambda: ((inputs.numpy(), labels.numpy()) for inputs, labels in stream.loader()), output_signature=tuple(kinds)
    )
    options = tensorflow.data.Options()
    options.autotune.enabled = False
    return batches.apply(tensorflow.data.experimental.assert_cardinality(len(stream))).with_options(options)


@lru_cache(maxsize=3)  # one that trains, one that predicts, and in bfloat16 one for features in float32
def network(architecture: str, classes: int, precision: str = "float32", **options) -> keras.Model:
    """A network to be filled with weights, whose layers compute in this precision. `options` are those of `build`.

    Asked for again it is the same object, with the graphs that were traced for it: tracing takes as long as hundreds of
    steps. Fill it with weights before each use.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy({"float32": "float32", "bfloat16": "mixed_bfloat16"}[precision])
    try:
        return models.build(architecture, "keras", classes, **options)
    finally:
        keras.config.set_dtype_policy(before)


def features(model: keras.Model, stream: Batches) -> Float[np.ndarray, "photos 2048"]:
    """What the head is given, of every photo of a stream in order."""
    return predict(keras.Model(model.inputs[0], model.layers[-1].input), stream)


def predict(model: keras.Model, stream: Batches) -> Float[np.ndarray, "photos breeds"]:
    """The logits of every photo of a stream in order, in inference mode and float32."""
    return model.predict(_feed(stream), verbose=0).astype(np.float32, copy=False)


def device(model: keras.Model | None) -> str:
    """Keras' backend and where it computes, which need not be where PyTorch does."""
    backend = keras.backend.backend()
    if backend == "torch":
        return f"keras on torch, {'cuda:0' if torch.cuda.is_available() else 'cpu:0'}"
    return f"keras on {backend}, {keras.distribution.list_devices()[0]}"


def last_features(model: keras.Model, photos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The maps before pooling `[photo, channel, height, width]` and the head's weights `[channel, breed]`."""
    maps = keras.Model(model.inputs[0], model.layers[-2].input)  # layers end in pooling, then the head
    channels_last = np.ascontiguousarray(photos.transpose(0, 2, 3, 1))
    return maps.predict(channels_last, verbose=0).transpose(0, 3, 1, 2), model.layers[-1].kernel.numpy()
