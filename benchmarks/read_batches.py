"""Photos a second into batches: the array of pixels against JPEG files read the ordinary way, in one run.

    python benchmarks/read_batches.py FOLDER [--size 96] [--batch-size 32] [--workers 0 2] [--photos 2000]

FOLDER has one sub-folder of photographs a breed. Both ways end in normalised float32 batches, in order with centre
crops (reading), and shuffled with random crops, mirrors and turns (augmented). The ways take turns, and the ratio of
the medians is the result: seconds differ between machines and moments.
"""

import argparse
import statistics
import time
from itertools import cycle, islice

import numpy as np
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from dogbreeds import datasets, models, pixels
from dogbreeds.batches import Batches

ROUNDS = 5


def photos_per_second(loader, batches: int, batch_size: int) -> float:
    start = time.perf_counter()
    for _ in islice(cycle(loader), batches):
        pass
    return batches * batch_size / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2], help="of the ordinary way; the best counts")
    parser.add_argument("--photos", type=int, default=2000)
    options = parser.parse_args()
    dataset = datasets.load(options.folder)
    preprocessing = models.preprocessing("resnet50")
    rows = np.random.default_rng(0).permutation(len(dataset.photos))[: options.photos]
    array, labels = pixels.load(dataset, options.size), dataset.photos["label"].to_numpy()
    for augmented in (False, True):
        seed = 0 if augmented else None
        ours = Batches(array, labels, rows, options.batch_size, preprocessing, seed=seed, augmentation=augmented)
        ordinary = Subset(ImageFolder(options.folder, transform(options.size, preprocessing, augmented)), rows.tolist())
        loaders = {"array": ours.loader()}
        for workers in options.workers:
            loaders[f"ImageFolder, {workers} workers"] = DataLoader(
                ordinary, options.batch_size, shuffle=augmented, num_workers=workers
            )
        report("augmented" if augmented else "reading", loaders, len(rows) // options.batch_size, options.batch_size)


def transform(size: int, preprocessing: tuple, augmented: bool) -> transforms.Compose:
    """The ordinary way for one photo, by PIL."""
    if augmented:
        crop = transforms.RandomResizedCrop(size, scale=(0.6, 1))
        steps = [crop, transforms.RandomHorizontalFlip(), transforms.RandomRotation(8)]
    else:
        steps = [transforms.Resize(size), transforms.CenterCrop(size)]
    return transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(*preprocessing)])


def report(what: str, loaders: dict[str, DataLoader], batches: int, batch_size: int) -> None:
    speeds = {name: [] for name in loaders}
    for _ in range(ROUNDS):  # in turns, so that what else the machine does falls on all alike
        for name, loader in loaders.items():
            speeds[name].append(photos_per_second(loader, batches, batch_size))
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    for name, values in speeds.items():
        spread = f"from {min(values):.0f} to {max(values):.0f}"
        print(f"{what:10} {name:24} {medians[name]:8.0f} photos/s ({spread})", flush=True)
    fastest = max(value for name, value in medians.items() if name != "array")
    print(f"{what:10} ratio {medians['array'] / fastest:.1f}", flush=True)


if __name__ == "__main__":
    main()
