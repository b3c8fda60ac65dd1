"""The Keras half of training: `fit` with its callbacks, on whichever backend Keras was started with."""

import time
from pathlib import Path

import numpy as np

from dogbreeds import models
from dogbreeds.batches import Batches
from dogbreeds.models.quiet_keras import keras
from dogbreeds.runs import RunConfig
from dogbreeds.training import Fitted, report

BEST = "best.weights.h5"


class Schedule(keras.callbacks.Callback):
    """Sets the recipe's learning rate before every step and the epoch of the stream of batches."""

    def __init__(self, config: RunConfig, stream: Batches):
        super().__init__()
        self.recipe, self.stream, self.step = config.recipe, stream, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.stream.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        rate = self.recipe.learning_rate_at(self.step, self.recipe.epochs * len(self.stream))
        self.model.optimizer.learning_rate = rate
        self.step += 1


class History(keras.callbacks.Callback):
    """One row an epoch under the study's names; photos a second are of training alone, without validation."""

    def __init__(self, config: RunConfig, stream: Batches):
        super().__init__()
        self.config, self.photos, self.rows = config, len(stream) * stream.batch_size, []

    def on_epoch_begin(self, epoch, logs=None):
        self.start, self.seconds = time.perf_counter(), None

    def on_test_begin(self, logs=None):
        self.seconds = time.perf_counter() - self.start

    def on_epoch_end(self, epoch, logs=None):
        names = {"loss": "training_loss", "accuracy": "training_accuracy"}
        names |= {"val_loss": "validation_loss", "val_accuracy": "validation_accuracy"}
        row = {"epoch": epoch + 1} | {name: float(logs[key]) for key, name in names.items()}
        self.rows.append(row | {"seconds": self.seconds, "photos_per_second": self.photos / self.seconds})
        report(self.config, self.rows[-1])


def fit(config: RunConfig, streams: dict[str, Batches], folder: Path) -> Fitted:
    """Trains by `config`; the best weights stay in `folder`."""
    recipe = config.recipe
    keras.utils.set_random_seed(config.seed)
    model = models.build(config.architecture, "keras", len(config.breeds))
    optimizer = keras.optimizers.AdamW(weight_decay=recipe.weight_decay)
    optimizer.exclude_from_weight_decay([v for v in model.trainable_variables if len(v.shape) < 2])
    optimizer.build(model.trainable_variables)  # before tracing: variables made during it have it traced twice
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    accuracy = keras.metrics.SparseCategoricalAccuracy("accuracy")  # by its name alone it is made during tracing
    model.compile(optimizer, loss, metrics=[accuracy], jit_compile=False)  # XLA compiles longer than it saves here
    history = History(config, streams["train"])
    callbacks = [
        Schedule(config, streams["train"]),
        history,
        keras.callbacks.ModelCheckpoint(folder / BEST, save_best_only=True, save_weights_only=True),
        keras.callbacks.EarlyStopping(patience=recipe.patience),
    ]
    loaders = {split: stream.loader() for split, stream in streams.items()}
    model.fit(
        loaders["train"],
        validation_data=loaders["validation"],
        epochs=recipe.epochs,
        callbacks=callbacks,
        shuffle=False,  # the stream is shuffled already
        verbose=0,
    )
    model.load_weights(folder / BEST)
    logits = {split: model.predict(loaders[split], verbose=0) for split in ("validation", "test")}
    return Fitted(history.rows, logits, models.count_parameters(model), f"keras on {keras.backend.backend()}")


def load_weights(model: keras.Model, folder: Path) -> keras.Model:
    model.load_weights(folder / BEST)
    return model


def last_features(model: keras.Model, photos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The maps before pooling `[photo, channel, height, width]` and the head's weights `[channel, breed]`."""
    maps = keras.Model(model.inputs[0], model.layers[-2].input)  # layers end in pooling, then the head
    channels_last = np.ascontiguousarray(photos.transpose(0, 2, 3, 1))
    return maps.predict(channels_last, verbose=0).transpose(0, 3, 1, 2), model.layers[-1].kernel.numpy()
