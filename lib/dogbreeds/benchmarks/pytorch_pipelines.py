"""The PyTorch pipelines of `dogbreeds bench speed`: this library and reference pipelines; see `pipelines`."""

from collections.abc import Iterator
from functools import partial

import timm.data
import timm.optim
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, default_collate
from torchvision import datasets as folders, transforms
from torchvision.transforms import v2

from dogbreeds import models
from dogbreeds.benchmarks.pipelines import Work, this_library, this_library_loader, timed_epochs


def _network(work: Work) -> nn.Module:
    return models.build(work.config.architecture, "pytorch", work.classes).to(work.device)


def _autocast(work: Work):
    return torch.autocast(work.device.type, torch.bfloat16, enabled=work.config.recipe.precision == "bfloat16")


def compute_only(work: Work) -> Iterator[float]:
    """The compute-only upper bound: a minimal training loop on one batch of random data that stays on the device.

    It uses the memory format and the fused optimiser of this library.
    """
    model = _network(work).train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    size = work.config.image_size
    photos = torch.rand(work.batch_size, 3, size, size, device=work.device).to(memory_format=torch.channels_last)
    labels = torch.arange(work.batch_size, device=work.device) % work.classes

    def epoch():
        for _ in range(work.steps):
            with _autocast(work):
                loss = F.cross_entropy(model(photos).float(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return work.steps * work.batch_size

    return timed_epochs(epoch)


def _image_folder(work: Work, steps: list, collate=None) -> DataLoader:
    dataset = folders.ImageFolder(work.folder, transforms.Compose(steps))
    options = {"shuffle": True, "num_workers": work.workers, "persistent_workers": work.workers > 0}
    options |= {"pin_memory": work.device.type != "cpu", "drop_last": True, "collate_fn": collate}
    return DataLoader(dataset, work.batch_size, **options)


def tutorial_loader(work: Work) -> DataLoader:
    size = work.config.image_size
    steps = [transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    return _image_folder(work, [*steps, transforms.Normalize(*work.normalisation)])


def tutorial(work: Work) -> Iterator[float]:
    """PyTorch's tutorial on transfer learning: ImageFolder, PIL, SGD; loss and accuracy are summed at every step."""
    model, loader = _network(work).train(), tutorial_loader(work)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)

    def epoch():
        running_loss, running_corrects = 0.0, 0
        for inputs, labels in loader:
            inputs, labels = inputs.to(work.device), labels.to(work.device)
            optimizer.zero_grad()
            outputs = model(inputs)
            loss = F.cross_entropy(outputs, labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item() * len(inputs)
            running_corrects += torch.sum(outputs.argmax(1) == labels)
        return len(loader) * work.batch_size

    return timed_epochs(epoch)


def timm_loader(work: Work):
    mean, deviation = work.normalisation
    size, gpu = work.config.image_size, work.device.type == "cuda"
    dataset = timm.data.create_dataset("", root=str(work.folder))
    options = {"is_training": True, "auto_augment": "rand-m7-mstd0.5-inc1", "re_prob": 0.25, "mean": mean}
    options |= {"std": deviation, "num_workers": work.workers, "use_prefetcher": gpu, "pin_memory": gpu}
    return timm.data.create_loader(dataset, (3, size, size), work.batch_size, device=work.device, **options)


def timm_training(work: Work) -> Iterator[float]:
    """timm: its loader, its optimiser and the training step of its train.py.

    Source: https://github.com/huggingface/pytorch-image-models.
    """
    model, loader = _network(work).train().to(memory_format=torch.channels_last), timm_loader(work)
    optimizer = timm.optim.create_optimizer_v2(model, "adamw", lr=0.001, weight_decay=0.05)

    def epoch():
        photos = 0
        for inputs, labels in loader:
            inputs = inputs.to(work.device).contiguous(memory_format=torch.channels_last)
            with _autocast(work):
                loss = F.cross_entropy(model(inputs).float(), labels.to(work.device), label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            photos += len(inputs)
        return photos

    return timed_epochs(epoch)


def _mixed(mix, batch: list):
    return mix(*default_collate(batch))


def torchvision_loader(work: Work) -> DataLoader:
    mix = v2.RandomChoice([v2.MixUp(num_classes=work.classes), v2.CutMix(num_classes=work.classes)])
    steps = [v2.RandomResizedCrop(work.config.image_size), v2.RandomHorizontalFlip(), v2.TrivialAugmentWide()]
    steps += [v2.PILToTensor(), v2.ToDtype(torch.float, scale=True), v2.Normalize(*work.normalisation)]
    steps += [v2.RandomErasing(0.1), v2.ToPureTensor()]
    return _image_folder(work, steps, partial(_mixed, mix))


def torchvision(work: Work) -> Iterator[float]:
    """torchvision's reference recipe for its new weights: augmentation, SGD, loss and averaged weights.

    Source: references/classification in the torchvision repository, section "the new weights".
    """
    model, loader = _network(work).train(), torchvision_loader(work)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5 * work.batch_size / 1024, momentum=0.9, weight_decay=2e-5)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9999))

    def epoch():
        for step, (inputs, labels) in enumerate(loader):
            inputs, labels = inputs.to(work.device, non_blocking=True), labels.to(work.device, non_blocking=True)
            with _autocast(work):
                loss = F.cross_entropy(model(inputs), labels, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % 32 == 0:
                average.update_parameters(model)
        return len(loader) * work.batch_size

    return timed_epochs(epoch)


PIPELINES = {
    "compute_only": (compute_only, None),
    "this_library": (this_library, this_library_loader),
    "tutorial": (tutorial, tutorial_loader),
    "timm": (timm_training, timm_loader),
    "torchvision": (torchvision, torchvision_loader),
}
if torch.cuda.is_available():  # `throughput` switches the autotuning of cuDNN on
    PIPELINES["this_library_autotuned"] = (this_library, this_library_loader)
