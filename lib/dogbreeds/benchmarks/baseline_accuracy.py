"""`dogbreeds bench accuracy`: compares the test accuracy of this library with that of a baseline pipeline.

Both train with the same recipe from the same initial weights, which shows whether speed costs accuracy. The baseline
pipeline opens every photo again in every epoch, rotates and crops each photo separately with PIL and torchvision at the
photo's own resolution, and trains in a minimal loop in float32, in PyTorch's default memory format, with the standard
optimiser. This library decodes each photo once at the training size, augments whole batches, and trains in the
channels-last memory format with a fused optimiser step, in float32 and in bfloat16.
"""

import copy
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from timm.optim import param_groups_weight_decay
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as change
from tqdm.auto import tqdm

from dogbreeds import models
from dogbreeds.analysis import intervals, tables
from dogbreeds.data.batches import AREA, RATIO, TURN
from dogbreeds.data.datasets import Dataset
from dogbreeds.data.photo_files import decode, open_photo
from dogbreeds.errors import StudyError
from dogbreeds.models import weight_conversion
from dogbreeds.study import Study
from dogbreeds.training import parallel, photo_streams, trainer
from dogbreeds.training.devices import ONE
from dogbreeds.training.jobs import Job
from dogbreeds.training.recipe import Recipe
from dogbreeds.training.runs import RunConfig

PRECISIONS = ("float32", "bfloat16")
# Recipe fields that the baseline pipeline does not support: they must have their default values.
UNSUPPORTED = ("head_epochs", "optimizer", "backbone_multiplier", "freeze", "restore_best")


class Photos(torch.utils.data.Dataset):
    """The photos of one split, read from their files on access; training photos are augmented if the recipe says so."""

    def __init__(self, config: RunConfig, dataset: Dataset, split: str):
        self.photos, self.size = dataset.photos.iloc[dataset.rows(split)], config.image_size
        self.augmentation = split == "train" and config.recipe.augmentation
        self.crop = v2.RandomResizedCrop(self.size, AREA, RATIO)
        colours = models.preprocessing(config.architecture, config.recipe.preprocessing)
        self.to_tensor = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(*colours)])

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> tuple[Float[Tensor, "3 height width"], int]:
        path, label = self.photos[["path", "label"]].iloc[index]
        if not self.augmentation:
            return self.to_tensor(decode(path, self.size).copy()), int(label)
        photo = open_photo(path)
        side = min(photo.size)
        # Reflection padding before the rotation: like this library, the baseline produces no black corners.
        photo = change.pad(change.center_crop(photo, [side]), side // 6, padding_mode="reflect")
        angle = math.degrees(TURN) * (2 * torch.rand(1).item() - 1)
        photo = change.center_crop(change.rotate(photo, angle, v2.InterpolationMode.BILINEAR), [side])
        photo = change.horizontal_flip(photo) if torch.rand(1) < 0.5 else photo
        return self.to_tensor(self.crop(photo)), int(label)


def train(config: RunConfig, dataset: Dataset, workers: int) -> Float[np.ndarray, "photos breeds"]:
    """Trains a network from scratch with the baseline pipeline and returns the logits of the test photos.

    The logits come from the weights of the best epoch. `workers` processes read the photos.
    """
    recipe, device = config.recipe, ONE.of_this_process()
    torch.manual_seed(config.seed)
    model = models.build(config.architecture, "pytorch", len(config.breeds), batch_norm=recipe.batch_norm)
    weight_conversion.fill(model, trainer.initial_weights(config, ".")).to(device)
    options = {"num_workers": workers, "persistent_workers": workers > 0}
    photos = DataLoader(Photos(config, dataset, "train"), recipe.batch_size, shuffle=True, drop_last=True, **options)
    # Weight decay acts on matrices and kernels only, as in this library.
    optimizer = torch.optim.AdamW(param_groups_weight_decay(model, recipe.weight_decay))
    truth = torch.from_numpy(dataset.photos["label"].to_numpy()[dataset.rows("validation")])
    steps, step, history, best = recipe.epochs * len(photos), 0, [], None
    for epoch in range(1, recipe.epochs + 1):
        model.train()
        for inputs, labels in photos:
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate_at(step, steps)
            loss = F.cross_entropy(model(inputs.to(device)), labels.to(device), label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
        logits = _predict(model, config, dataset, "validation", workers)
        loss = F.cross_entropy(logits, truth, label_smoothing=recipe.label_smoothing).item()
        accuracy = (logits.argmax(dim=1) == truth).float().mean().item()
        history.append({"epoch": epoch, "validation_loss": loss, "validation_accuracy": accuracy})
        if recipe.best_epoch(history) == epoch:
            best = copy.deepcopy(model.state_dict())
    model.load_state_dict(best)
    return _predict(model, config, dataset, "test", workers).numpy()


@torch.inference_mode()
def _predict(model: nn.Module, config: RunConfig, dataset: Dataset, split: str, workers: int) -> Tensor:
    device = next(model.parameters()).device
    model.eval()
    loader = DataLoader(Photos(config, dataset, split), photo_streams.EVALUATION_BATCH_SIZE, num_workers=workers)
    return torch.cat([model(inputs.to(device)).cpu() for inputs, _ in loader])


def _check_supported(study: Study) -> None:
    recipe, default = Recipe.of(study.recipe), Recipe()
    unsupported = [name for name in UNSUPPORTED if getattr(recipe, name) != getattr(default, name)]
    unsupported += ["crop"] if study.crop != "centre" else []
    if unsupported:
        raise StudyError(f"the baseline pipeline does not support {', '.join(unsupported)}: use the default values")
    if recipe.patience:
        raise StudyError("the baseline pipeline does not support early stopping: set patience to 0")


def measure(study: Study, workers: int) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Yields two tables after each network, which contain all results so far.

    The first table has one row per network, pipeline and seed with the test accuracy. The second has one row per
    network and precision of this library: the difference in test accuracy, this library minus the baseline pipeline,
    with its 95 % interval, and the p-value of `intervals.equivalence`. These p-values are not corrected. Raises
    StudyError if the baseline pipeline does not support the recipe or the crop.
    """
    _check_supported(study)
    dataset, accuracies, differences = study.dataset, [], []
    labels = dataset.photos["label"].to_numpy()[dataset.rows("test")]
    for architecture in models.ARCHITECTURES:
        configs = [study.config(architecture, "pytorch", seed) for seed in study.seeds]
        found = {}
        for precision in PRECISIONS:
            precise = [replace(each, recipe=replace(each.recipe, precision=precision)) for each in configs]
            jobs = [Job(each, dataset) for each in precise]
            found[f"this library, {precision}"] = tables.correct(parallel.train_all(jobs, study.store))
        network = models.TITLES[architecture]
        watched = tqdm(configs, f"{network}, baseline pipeline", unit="training")
        baseline = [parallel.in_own_process(train, config, dataset, workers) for config in watched]
        found["baseline"] = np.stack([logits.argmax(axis=1) == labels for logits in baseline])
        recipe = configs[0].recipe
        settings = {"test photos": len(labels), "image_size": study.image_size}
        settings |= {"batch_size": recipe.batch_size, "epochs": recipe.epochs}
        for pipeline, correct in found.items():
            for seed, right in zip(study.seeds, correct, strict=True):
                row = {"network": network, "pipeline": pipeline, "seed": seed, "test accuracy": right.mean()}
                accuracies.append(row | settings)
        for precision in PRECISIONS:
            both = found[f"this library, {precision}"], found["baseline"]
            row = {"network": network, "this library in": precision} | intervals.difference(*both)
            differences.append(row | {"p equal": intervals.equivalence(*both)["p"]})
        yield pd.DataFrame(accuracies), pd.DataFrame(differences)
