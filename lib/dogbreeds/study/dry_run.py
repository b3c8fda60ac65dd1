"""What a study will train and download, and its time on a GPU and space on disk, without starting anything."""

import math
from collections import Counter
from functools import cache
from itertools import chain, product

from dogbreeds import models
from dogbreeds.data import drawn_dogs, layouts, stanford_dogs
from dogbreeds.models.complexity import multiply_adds
from dogbreeds.models.names import IMAGE_SIZES
from dogbreeds.study import Study, beforehand
from dogbreeds.training.duration import passes
from dogbreeds.training.failure_settings import Settings
from dogbreeds.training.recipe import Recipe
from dogbreeds.training.runs import OTHER_BREEDS

# Photos/s of training steps in PyTorch on one H100 80GB at 224 x 224 pixels, batches of 128 in bfloat16, measured on
# 2026-11-27; and how many times slower a training in Keras (on PyTorch) was there, on small drawn dogs.
GPU, PHOTOS_PER_SECOND, SLOWER_IN_KERAS = "H100", {"resnet50": 3749, "se_resnet50": 2629, "xception": 2829}, 6
# Stanford Dogs by its official lists: 100 photos of each of the 120 breeds for training, the others for the test.
LISTED, IN_TEST, BREEDS, ALL = 100, 8580 / 120, 120, 20_580
SHARES = {"train": 0.6, "validation": 0.15, "test": 0.25}  # of a random split
BYTES = 4  # of a parameter


def describe(study: Study) -> list[str]:
    """Returns one line per fact. Reads no photo, and neither downloads nor writes anything.

    Photos are counted by the official lists for Stanford Dogs, and by the default shares of the splits for a folder.
    """
    breeds, photos = _photos(study)
    counts = ", ".join(f"{round(count):,} {split}" for split, count in photos.items())
    pixels = f"{study.image_size} x {study.image_size} pixels"
    trainings = {name: _unique(wanted) for name, wanted in study.trainings().items() if wanted}
    sources = list(product(study.seeds, study.architectures)) if OTHER_BREEDS in study.weights else []
    failure = Settings.of(study.failure_2020).trainings() if study.failure_2020 and study.is_full_comparison else []
    jobs = _unique(chain(*trainings.values()))
    lines = [f"photos: about {round(sum(photos.values())):,} of {breeds} breeds at {pixels} ({counts})"]
    lines += [f"trainings: {len(jobs) + len(sources) + len(failure)}"]
    lines += [f"  {len(wanted)} {name}: {_choices(wanted)}" for name, wanted in trainings.items()]
    lines += [f"  {len(sources)} of initial weights on other breeds, not in the time below"] if sources else []
    lines += [f"  {len(failure)} why ResNet50 failed in 2020: networks of keras.applications"] if failure else []
    shared = sum(map(len, trainings.values())) - len(jobs)
    lines += [f"  ({shared} of these serve two purposes and are trained once)"] if shared else []
    missing = beforehand.missing_files(study)
    lines += beforehand.listed(missing) if missing else ["downloads: none"]
    return [*lines, _time(study, jobs, failure, photos), _disk(study, jobs, breeds, photos)]


def _unique(trainings) -> list[tuple]:
    """Different trainings; a recipe is a dictionary and cannot be compared by a set."""
    return list({repr((*which, Recipe.of(recipe))): (*which, recipe) for *which, recipe in trainings}.values())


def _choices(trainings: list[tuple]) -> str:
    """What is combined in the trainings: `networks 3, frameworks 2, seeds 3, ...`."""
    names = ("networks", "frameworks", "seeds", "initial weights", "recipes")
    different = [len({repr(values) for values in column}) for column in zip(*trainings, strict=True)]
    if math.prod(different) != len(trainings):  # not every combination
        names, different = names[:1], different[:1]
    return ", ".join(f"{name} {count}" for name, count in zip(names, different, strict=True))


def _photos(study: Study) -> tuple[int, dict[str, float]]:
    """The number of breeds, and the expected number of photos of each split."""
    if layouts.is_stanford_dogs(study.photos):
        breeds, train, test = len(study.breeds) or BREEDS, 0.9 * LISTED, IN_TEST
        share = min(1, study.photos_per_breed / (LISTED + IN_TEST)) if study.photos_per_breed else 1
        each = {"train": train * share, "validation": (LISTED - train) * share, "test": test * share}
        return breeds, {split: breeds * count for split, count in each.items()}
    shares = SHARES
    if study.photos == "drawn_dogs":
        breeds, each = len(study.breeds) or len(drawn_dogs.TARGET), study.photos_per_breed or layouts.DRAWINGS
        if study.test_drawings_per_breed:
            shares = {"train": 0.8, "validation": 0.2, "test": study.test_drawings_per_breed / each}
        whole = breeds * each
    else:
        found = layouts.find(study.photos, study.breeds, (), None, 0, study.labels, study.breed_from).files
        breeds, most = len(found), study.photos_per_breed
        whole = sum(min(len(files), most or len(files)) for files in found.values())
    return breeds, {split: whole * share for split, share in shares.items()}


def _time(study: Study, jobs: list[tuple], failure: list, photos: dict[str, float]) -> str:
    size, on_imagenet = study.image_size, study.failure_2020.get("weights") == "imagenet"
    wanted = [(network, framework, Recipe.of(recipe), size) for network, framework, *_, recipe in jobs]
    sizes = dict.fromkeys(IMAGE_SIZES, size) if on_imagenet else IMAGE_SIZES
    wanted += [(each.network, "keras", Recipe(epochs=each.epochs), sizes[each.network]) for each in failure]
    cost, seconds = cache(multiply_adds), Counter()
    for network, framework, recipe, pixels in wanted:
        relative = cost(network, pixels) / cost(network, 224)
        seconds[framework] += passes(recipe, photos) * relative / (3 * PHOTOS_PER_SECOND[network])
    fast, slow = (max(0.1, (seconds["pytorch"] + factor * seconds["keras"]) / 3600) for factor in (1, SLOWER_IN_KERAS))
    return (
        f"time: {fast:.1f} hours on one {GPU} if Keras is as fast as PyTorch, {slow:.1f} if it is {SLOWER_IN_KERAS} "
        "times slower, as it was on PyTorch with small images. This is an estimate from measured speeds (224 pixels, "
        "batches of 128, bfloat16), if no training stops early, without the start of each training and the notebooks"
    )


def _disk(study: Study, jobs: list[tuple], breeds: int, photos: dict[str, float]) -> str:
    missing = beforehand.missing_files(study)
    # While the archives of the photos are extracted, they and their content are there.
    archives = sum((file.size or 0) * (1 + (file in stanford_dogs.ARCHIVES)) for file in missing)
    # Notebook 06 also decodes the other breeds.
    pixels = 3 * study.image_size**2 * (ALL if layouts.is_stanford_dogs(study.photos) else sum(photos.values()))
    parameters = {name: models.count_parameters(models.build(name, "pytorch", breeds)) for name in study.architectures}
    runs = BYTES * sum(parameters[network] for network, *_ in jobs)
    amounts = {"downloads and extracted photos": archives, "decoded photos": pixels, "weights of the runs": runs}
    parts = ", ".join(f"{name} {amount / 1e9:.1f}" for name, amount in amounts.items())
    return f"disk: about {sum(amounts.values()) / 1e9:.1f} GB ({parts})"
