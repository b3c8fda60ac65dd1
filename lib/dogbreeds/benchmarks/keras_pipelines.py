"""The pipelines that `dogbreeds bench speed` times in Keras: this library and a reference pipeline; see `pipelines`."""

from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np

from dogbreeds.benchmarks.pipelines import Work, this_library, this_library_loader, timed_epochs
from dogbreeds.models import keras_runtime
from dogbreeds.training import keras_trainer

keras = keras_runtime.load_keras()


def compute_only(work: Work) -> Iterator[float]:
    """The compute-only upper bound: Keras' compiled training step on one batch of random data in backend memory."""
    model = _network(work)
    size = work.config.image_size
    photos = keras.ops.convert_to_tensor(np.random.default_rng(0).random((work.batch_size, size, size, 3), np.float32))
    labels = keras.ops.convert_to_tensor(np.arange(work.batch_size) % work.classes)
    callbacks = keras_trainer.Callbacks([], add_history=True, model=model)  # as in the training of this library

    def epoch():
        if keras.backend.backend() != "tensorflow":  # `train_on_batch` waits for each loss; JAX copies all weights too
            model.fit(_SameBatch(photos, labels, work.steps), shuffle=False, verbose=0, callbacks=callbacks)
        else:
            for _ in range(work.steps):
                model.train_on_batch(photos, labels)
        return work.steps * work.batch_size

    return timed_epochs(epoch)


class _SameBatch(keras.utils.PyDataset):
    """The same batch in every step of an epoch."""

    def __init__(self, photos, labels, steps: int):
        super().__init__()
        self.batch, self.steps = (photos, labels), steps

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> tuple:
        return self.batch


def _network(work: Work):
    model = keras_trainer.network(work.config.architecture, work.classes, precision=work.config.recipe.precision)
    loss, jit = keras.losses.SparseCategoricalCrossentropy(from_logits=True), keras.backend.backend() == "jax"
    model.compile(keras.optimizers.AdamW(0.001), loss, metrics=["accuracy"], jit_compile=jit)
    return model


def directory_loader(work: Work):
    """Keras' guide "Image classification from scratch": tf.data decodes, flips and rotates photos of a directory."""
    import tensorflow  # imported here, because Keras on another backend does not need it

    size, (mean, deviation) = work.config.image_size, work.normalisation
    photos = keras.utils.image_dataset_from_directory(
        work.folder, image_size=(size, size), batch_size=work.batch_size, verbose=False
    )
    layers = [keras.layers.RandomFlip("horizontal"), keras.layers.RandomRotation(0.1)]
    # Rescaling and Pipeline, because Normalization and Sequential fail in tf.data on backends other than TensorFlow.
    layers += [keras.layers.Rescaling(list(1 / (255 * np.array(deviation))), list(-np.array(mean) / deviation))]
    augment = keras.layers.Pipeline(layers)
    autotune = tensorflow.data.AUTOTUNE
    augmented = photos.map(lambda images, labels: (augment(images, training=True), labels), num_parallel_calls=autotune)
    return augmented.prefetch(autotune)


def directory(work: Work) -> Iterator[float]:
    """`model.fit` on the batches of `directory_loader`, as in Keras' guide."""
    model, loader = _network(work), directory_loader(work)

    def epoch():
        model.fit(loader, shuffle=False, verbose=0)  # tf.data shuffles already
        return len(work.dataset.rows("train"))

    return timed_epochs(epoch)


PIPELINES = {"compute_only": (compute_only, None), "this_library": (this_library, this_library_loader)}
if find_spec("tensorflow"):  # it reads photos with tf.data on every backend
    PIPELINES["keras_directory"] = (directory, directory_loader)
