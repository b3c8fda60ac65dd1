"""The batches of a run: shuffled and augmented for training, in order for validation and test."""

from dogbreeds import models
from dogbreeds.data import pixel_cache
from dogbreeds.data.batches import Batches
from dogbreeds.data.datasets import Dataset
from dogbreeds.errors import StudyError
from dogbreeds.training.devices import ONE, Devices
from dogbreeds.training.runs import RunConfig

EVALUATION_BATCH_SIZE = 64


def batches(config: RunConfig, dataset: Dataset, devices: Devices = ONE) -> dict[str, Batches]:
    """Returns the streams "train", "validation" and "test" of `config`; the last two are in order.

    Raises StudyError if a batch is larger than the training split.
    """
    recipe, rows = config.recipe, dataset.rows("train")
    if recipe.batch_size > len(rows):
        raise StudyError(f"batch_size {recipe.batch_size} exceeds the {len(rows)} training photos: lower it")
    array, labels = pixel_cache.load(dataset, config.image_size, config.crop), dataset.photos["label"].to_numpy()
    shared = {
        "preprocessing": models.preprocessing(config.architecture, recipe.preprocessing),
        "channels_last": config.framework == "keras",
        "device": devices.of_batches(config.backend),
    }
    training = {"seed": config.seed, "augmentation": recipe.augmentation, "part": (devices.rank, devices.processes)}
    streams = {"train": Batches(array, labels, rows, recipe.batch_size, **shared, **training)}
    for split in ("validation", "test"):
        streams[split] = Batches(array, labels, dataset.rows(split), EVALUATION_BATCH_SIZE, **shared)
    return streams
