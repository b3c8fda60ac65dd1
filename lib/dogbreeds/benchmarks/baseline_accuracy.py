"""`dogbreeds bench --accuracy`: does speed cost accuracy? One recipe, from the same weights, ours and the plain way.

The plain way opens every photo anew in every epoch, turns and crops it by itself with PIL and torchvision at its own
resolution, and trains in a bare loop in float32, in PyTorch's own layout, with the optimiser as it stands. Ours is the
training of the study: pixels decoded once at the size of training, augmented a batch at a time, channels last, a fused
step, in float32 and in bfloat16.
"""

import copy
import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as change
from tqdm.auto import tqdm

from dogbreeds import models
from dogbreeds.analysis import intervals
from dogbreeds.data import pixel_cache
from dogbreeds.data.batches import AREA, RATIO, TURN
from dogbreeds.data.datasets import Dataset
from dogbreeds.data.photo_files import open_photo
from dogbreeds.errors import StudyError
from dogbreeds.models import weight_conversion
from dogbreeds.study import Study
from dogbreeds.training import parallel, photo_streams, trainer
from dogbreeds.training.devices import ONE
from dogbreeds.training.jobs import Job
from dogbreeds.training.recipe import Recipe
from dogbreeds.training.runs import RunConfig

PRECISIONS = ("float32", "bfloat16")
# What the plain way does not do: a recipe must leave it as it is by default.
NOT_DONE = ("head_epochs", "optimizer", "backbone_rate", "freeze", "restore_best")


class Photos(torch.utils.data.Dataset):
    """The photos of a split, each read from its file when it is asked for; augmented when they are for training."""

    def __init__(self, config: RunConfig, dataset: Dataset, split: str):
        self.photos, self.size = dataset.photos.iloc[dataset.rows(split)], config.image_size
        self.augmentation = split == "train" and config.recipe.augmentation
        self.crop = v2.RandomResizedCrop(self.size, AREA, RATIO)
        colours = models.preprocessing(config.architecture, config.recipe.preprocessing)
        self.to_numbers = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(*colours)])

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> tuple[Float[Tensor, "3 height width"], int]:
        path, label = self.photos[["path", "label"]].iloc[index]
        if not self.augmentation:
            return self.to_numbers(pixel_cache.decode(path, self.size).copy()), int(label)
        photo = open_photo(path)
        side = min(photo.size)
        # Mirrored at the edges before it is turned: there are no black corners in ours either.
        photo = change.pad(change.center_crop(photo, [side]), side // 6, padding_mode="reflect")
        turn = math.degrees(TURN) * (2 * torch.rand(1).item() - 1)
        photo = change.center_crop(change.rotate(photo, turn, v2.InterpolationMode.BILINEAR), [side])
        photo = change.horizontal_flip(photo) if torch.rand(1) < 0.5 else photo
        return self.to_numbers(self.crop(photo)), int(label)


def train(config: RunConfig, dataset: Dataset, workers: int) -> Float[np.ndarray, "photos breeds"]:
    """The logits of the test photos after the recipe of `config`, from scratch, by the best epoch."""
    recipe, device = config.recipe, ONE.of_this_process()
    torch.manual_seed(config.seed)
    model = models.build(config.architecture, "pytorch", len(config.breeds), batch_norm=recipe.batch_norm)
    weight_conversion.fill(model, trainer.starting_weights(config, ".")).to(device)
    options = {"num_workers": workers, "persistent_workers": workers > 0}
    photos = DataLoader(Photos(config, dataset, "train"), recipe.batch_size, shuffle=True, drop_last=True, **options)
    optimizer = _optimizer(model, config)
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
        logits, labels = _predict(model, config, dataset, "validation", workers)
        loss = F.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing).item()
        accuracy = (logits.argmax(dim=1) == labels).float().mean().item()
        history.append({"epoch": epoch, "validation_loss": loss, "validation_accuracy": accuracy})
        if recipe.best_epoch(history) == epoch:
            best = copy.deepcopy(model.state_dict())
    model.load_state_dict(best)
    return _predict(model, config, dataset, "test", workers)[0].numpy()


def _optimizer(model: nn.Module, config: RunConfig) -> torch.optim.Optimizer:
    """As torch has it, but for the decay, which the recipe has for weights alone."""
    parameters, decay = list(model.parameters()), config.recipe.weight_decay
    groups = [
        {"params": [value for value in parameters if value.ndim > 1], "weight_decay": decay},
        {"params": [value for value in parameters if value.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups)


@torch.inference_mode()
def _predict(model: nn.Module, config: RunConfig, dataset: Dataset, split: str, workers: int) -> tuple[Tensor, Tensor]:
    device = next(model.parameters()).device
    model.eval()
    loader = DataLoader(Photos(config, dataset, split), photo_streams.EVALUATION_BATCH_SIZE, num_workers=workers)
    logits, labels = zip(*((model(inputs.to(device)).cpu(), labels) for inputs, labels in loader), strict=True)
    return torch.cat(logits), torch.cat(labels)


def _refuse_what_is_not_done(study: Study) -> None:
    asked, done = Recipe.of(study.recipe), Recipe()
    others = [name for name in NOT_DONE if getattr(asked, name) != getattr(done, name)]
    others += ["crop"] if study.crop != "centre" else []
    if others:
        raise StudyError(f"the plain way does not know {', '.join(others)}: leave that out")
    if asked.patience:
        raise StudyError("the plain way does not stop early: set patience to 0")


def measure(study: Study, workers: int) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Test accuracy by network, path and seed, and what ours is ahead of the plain path: so far, after each network.

    Raises StudyError for a recipe and a crop that the plain way does not obey.
    """
    _refuse_what_is_not_done(study)
    dataset, accuracies, differences = study.dataset, [], []
    labels = dataset.photos["label"].to_numpy()[dataset.rows("test")]
    for architecture in models.ARCHITECTURES:
        configs = [study.config(architecture, "pytorch", seed) for seed in study.seeds]
        found = {}
        for precision in PRECISIONS:
            exact = [replace(each, recipe=replace(each.recipe, precision=precision)) for each in configs]
            runs = parallel.train_all([Job(each, dataset) for each in exact], study.store)
            found[f"ours, {precision}"] = np.stack([run.correct() for run in runs])
        network = models.TITLES[architecture]
        watched = tqdm(configs, f"{network}, the plain way", unit="training")
        plain = [parallel.in_own_process(train, config, dataset, workers) for config in watched]
        found["plain"] = np.stack([logits.argmax(axis=1) == labels for logits in plain])
        for (path, correct), place in product(found.items(), range(len(study.seeds))):
            row = {"network": network, "path": path, "seed": study.seeds[place]}
            row |= {"test accuracy": correct[place].mean(), "test photos": len(labels), "image_size": study.image_size}
            accuracies.append(row | {name: getattr(configs[0].recipe, name) for name in ("batch_size", "epochs")})
        for precision in PRECISIONS:
            gap = intervals.difference(found[f"ours, {precision}"], found["plain"])
            differences.append({"network": network, "ours in": precision} | gap)
        yield pd.DataFrame(accuracies), pd.DataFrame(differences)
