"""Training in Keras as others do it, beside this study's own; see `pipelines`."""

from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np

from dogbreeds.benchmarks.pipelines import Work, ours, ours_loader, turns
from dogbreeds.models.quiet_keras import keras
from dogbreeds.training import keras_trainer


def compute_only(work: Work) -> Iterator[float]:
    """The limit in Keras: its compiled step on one batch that the backend holds."""
    model = _network(work)
    size = work.config.image_size
    photos = keras.ops.convert_to_tensor(np.random.default_rng(0).random((work.batch_size, size, size, 3), np.float32))
    labels = keras.ops.convert_to_tensor(np.arange(work.batch_size) % work.classes)

    def epoch():
        for _ in range(work.steps):
            model.train_on_batch(photos, labels)
        return work.steps * work.batch_size

    return turns(epoch)


def _network(work: Work):
    model = keras_trainer.network(work.config.architecture, work.classes, precision=work.config.recipe.precision)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        keras.optimizers.AdamW(0.001), loss, metrics=["accuracy"], jit_compile=keras.backend.backend() == "jax"
    )
    return model


def directory_loader(work: Work):
    """Keras' guide on image classification from scratch: a directory, decoded, mirrored and turned in tf.data."""
    import tensorflow  # which Keras on another backend does without

    size, (mean, deviation) = work.config.image_size, work.normalisation
    photos = keras.utils.image_dataset_from_directory(
        work.folder, image_size=(size, size), batch_size=work.batch_size, verbose=False
    )
    layers = [keras.layers.RandomFlip("horizontal"), keras.layers.RandomRotation(0.1)]
    # Normalization, as Sequential, fails in tf.data where Keras is not on TensorFlow.
    layers += [keras.layers.Rescaling(list(1 / (255 * np.array(deviation))), list(-np.array(mean) / deviation))]
    augment = keras.layers.Pipeline(layers)
    at_once = tensorflow.data.AUTOTUNE
    augmented = photos.map(lambda images, labels: (augment(images, training=True), labels), num_parallel_calls=at_once)
    return augmented.prefetch(at_once)


def directory(work: Work) -> Iterator[float]:
    model, loader = _network(work), directory_loader(work)

    def epoch():
        model.fit(loader, shuffle=False, verbose=0)  # tf.data shuffles
        return len(work.dataset.rows("train"))

    return turns(epoch)


PIPELINES = {
    "compute_only": (compute_only, None),
    "ours": (ours, ours_loader),
}
if find_spec("tensorflow"):  # which it reads photos with, on any backend
    PIPELINES["keras_directory"] = (directory, directory_loader)
