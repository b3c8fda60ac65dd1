"""Drawn dogs: built-in drawings for use without photographs (on a plane, in CI, for a first look at the study).

Fifteen breeds are drawn as caricatures that differ in ears, muzzle, legs, tail, coat pattern and proportions. All
breeds share one palette of coats, so that a network cannot distinguish them by colour. The drawings are written once,
as an ordinary folder of JPEG files with one sub-folder per breed; the study then treats them exactly like photographs.
"""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageFilter
from tqdm.auto import tqdm

from dogbreeds import files
from dogbreeds.data.drawn_dogs.anatomy import GROUNDS, SKIES, SUPERSAMPLING, Anatomy, Layer, draw_dog, shade
from dogbreeds.errors import StudyError

TARGET = {
    "dachshund": Anatomy(length=3.1, leg=0.35, bone=0.26, neck=0.6, head=0.4, muzzle=0.75, ears="pendulous", ear=0.6, tail="whip"),
    "pug": Anatomy(length=1.5, leg=0.6, bone=0.24, neck=0.25, head=0.52, muzzle=0.08, snout=0.5, ear=0.25, tail="curl", coat="mask"),
    "german_shepherd": Anatomy(length=2.3, leg=0.95, bone=0.25, tuck=0.2, neck=0.75, head=0.42, muzzle=0.65, ears="pricked", ear=0.32, tail="plume", coat="saddle", shag=0.35),
    "poodle": Anatomy(length=1.6, leg=1.25, bone=0.18, tuck=0.3, neck=0.8, head=0.38, muzzle=0.7, snout=0.2, ears="pendulous", ear=0.5, tail="pompom", coat="pompoms"),
    "greyhound": Anatomy(length=2.1, leg=1.45, bone=0.17, tuck=0.48, neck=1.0, head=0.32, muzzle=0.75, snout=0.17, ears="rose", ear=0.12, tail="whip", coat="brindle"),
}  # fmt: skip
SOURCE = {
    "corgi": Anatomy(length=2.4, leg=0.4, bone=0.26, neck=0.5, head=0.46, muzzle=0.5, ears="bat", ear=0.4, tail="docked", coat="blaze", shag=0.3),
    "dalmatian": Anatomy(length=2.0, leg=1.1, bone=0.22, tuck=0.25, neck=0.8, head=0.38, muzzle=0.6, ear=0.42, tail="whip", coat="spots"),
    "beagle": Anatomy(length=2.0, leg=0.8, bone=0.25, neck=0.55, head=0.42, muzzle=0.52, ears="pendulous", ear=0.5, coat="patches"),
    "husky": Anatomy(length=2.0, leg=1.0, bone=0.26, neck=0.6, head=0.45, muzzle=0.5, ears="pricked", ear=0.24, tail="curl", coat="mask", shag=0.6),
    "basset": Anatomy(length=2.8, leg=0.42, bone=0.36, neck=0.45, head=0.46, muzzle=0.65, snout=0.34, ears="pendulous", ear=0.85, coat="patches"),
    "bull_terrier": Anatomy(length=1.9, leg=0.85, bone=0.28, neck=0.7, head=0.5, muzzle=0.55, snout=0.42, ears="pricked", ear=0.16, tail="whip"),
    "dobermann": Anatomy(length=1.9, leg=1.3, bone=0.2, tuck=0.32, neck=0.95, head=0.36, muzzle=0.7, snout=0.2, ears="pricked", ear=0.4, tail="docked", coat="points"),
    "chihuahua": Anatomy(length=1.5, leg=0.95, bone=0.15, tuck=0.22, neck=0.45, head=0.58, muzzle=0.22, snout=0.16, ears="bat", ear=0.5, tail="sickle"),
    "samoyed": Anatomy(length=1.8, leg=0.8, bone=0.32, neck=0.5, head=0.52, muzzle=0.42, ears="pricked", ear=0.12, tail="curl", shag=1.0),
    "whippet": Anatomy(length=1.9, leg=1.4, bone=0.15, tuck=0.46, neck=0.95, head=0.32, muzzle=0.62, snout=0.16, ears="rose", ear=0.12, tail="whip", coat="blaze"),
}  # fmt: skip
BREEDS = TARGET | SOURCE
SIMILAR_BREEDS = [("greyhound", "whippet"), ("husky", "samoyed"), ("dachshund", "basset")]


def _background(size: tuple[int, int], horizon: float, rng: np.random.Generator) -> Image.Image:
    """Returns a sky or wall above a ground, both of any colour, with a few blurred shapes in the distance."""
    width, height = size
    sky, ground = (np.array(colours[rng.integers(len(colours))]) for colours in (SKIES, GROUNDS))
    rows = np.linspace(0, 1, height)[:, None, None]
    image = np.where(rows < horizon, sky * (0.85 + 0.3 * rows), ground * (1.15 - 0.3 * rows))
    scene = Image.fromarray(np.broadcast_to(image.clip(0, 255), (height, width, 3)).astype(np.uint8))
    distant = Layer(size, width / 4, (0, height * horizon), 0.0)
    for _ in range(rng.integers(0, 5)):
        colour = shade(ground if rng.random() < 0.6 else sky, rng.uniform(0.6, 1.1))
        distant.ellipse((rng.uniform(0, 4), rng.uniform(0, 0.4)), rng.uniform(0.2, 0.9, 2), colour)
    scene.paste(distant.image, mask=distant.image)
    return scene.filter(ImageFilter.GaussianBlur(rng.uniform(1, 4)))


def _add_fur(dog: Image.Image, raggedness: float, rng: np.random.Generator) -> Image.Image:
    """Takes each pixel of the dog from a random nearby pixel, which makes a smooth shape look hairy."""
    pixels = np.asarray(dog)
    height, width = pixels.shape[:2]
    step = rng.normal(0, raggedness, (2, height, width))
    rows = (np.arange(height)[:, None] + step[0]).round().astype(int).clip(0, height - 1)
    columns = (np.arange(width)[None, :] + step[1]).round().astype(int).clip(0, width - 1)
    return Image.fromarray(pixels[rows, columns]).filter(ImageFilter.GaussianBlur(0.7))


def _add_light(dog: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Makes the dog look round: darker towards its outline and on the side away from the light."""
    alpha = dog.getchannel("A")
    depth = np.asarray(alpha.filter(ImageFilter.GaussianBlur(dog.width / 28)), float) / 255
    fall = np.linspace(1.12, rng.uniform(0.72, 0.95), dog.height)[:, None]
    colours = np.asarray(dog.convert("RGB")) * ((0.6 + 0.42 * depth) * fall)[..., None]
    lit = Image.fromarray(colours.clip(0, 255).astype(np.uint8)).convert("RGBA")
    lit.putalpha(alpha)
    return lit


def _add_occluder(scene: Image.Image, ground: float, rng: np.random.Generator):
    """Draws grass, a post or a ball in front of the dog, in place."""
    width, height = scene.size
    front = Layer(scene.size, height / 4, (0, ground), 0.0)
    colour = tuple(rng.integers(30, 200, 3).tolist())
    occluder = rng.choice(["grass", "post", "ball"])
    if occluder == "grass":
        for x in rng.uniform(0, 4 * width / height, 45):
            tip = (x + rng.uniform(-0.15, 0.15), rng.uniform(0.1, 0.55))
            front.limb([(x, -0.25), tip], [0.07, 0.02], shade((96, 140, 70), rng.uniform(0.6, 1.2)))
    elif occluder == "post":
        x = rng.uniform(0.3, 4 * width / height - 0.3)
        front.blob([(x - 0.1, -2), (x + 0.1, -2), (x + 0.1, 4), (x - 0.1, 4)], colour)
    else:
        front.ellipse((rng.uniform(0.4, 4 * width / height - 0.4), 0.12), (rng.uniform(0.2, 0.4),), colour)
    scene.paste(front.image, mask=front.image)


def draw(breed: str, seed: int) -> UInt8[np.ndarray, "height width 3"]:
    """Returns one drawn dog of `breed` in a scene 150 to 210 pixels wide; the same seed gives the same drawing.

    Pose, scale, direction, light, background and objects in front of the dog are random.
    Raises StudyError if the breed has no drawing.
    """
    if breed not in BREEDS:
        raise StudyError(f"no drawing of the breed '{breed}': choose from {', '.join(BREEDS)}")
    rng, anatomy = np.random.default_rng([seed, list(BREEDS).index(breed)]), BREEDS[breed]
    width, height = (SUPERSAMPLING * rng.integers((150, 140), (210, 190))).tolist()
    dog_height = 1.3 + anatomy.leg + anatomy.neck + anatomy.head + 0.5 * anatomy.ear
    dog_length = anatomy.length + 1.5 + anatomy.muzzle + 0.65 * anatomy.neck
    scale = min(min(width, height) * 1.1 / dog_length, height / dog_height) * rng.uniform(0.78, 1.0)
    margin = (max(0.0, width - scale * dog_length) / 2, max(0.0, height - scale * dog_height))
    ground = height - rng.uniform(0.3, 0.9) * margin[1] - 0.04 * height
    middle = width / 2 - 0.12 * width + rng.uniform(-1, 1) * margin[0]
    scene = _background((width, height), rng.uniform(0.3, ground / height - 0.08), rng)
    layer = Layer((width, height), scale, (middle, ground - scale * (0.5 + anatomy.leg)), rng.uniform(-0.1, 0.1))
    shadow = Layer((width, height), scale, (middle, ground), 0.0)
    shadow.ellipse((0.1, 0.0), (0.5 * anatomy.length + 0.4, 0.16), (20, 20, 30))
    dark = shadow.image.getchannel("A").filter(ImageFilter.GaussianBlur(4)).point(lambda alpha: alpha * 0.45)
    scene.paste((20, 20, 30), mask=dark)
    draw_dog(layer, anatomy, rng)
    dog = _add_light(_add_fur(layer.image, (0.15 + 1.7 * anatomy.shag) * SUPERSAMPLING * scale / 60, rng), rng)
    scene.paste(dog, mask=dog)
    if rng.random() < 0.3:
        _add_occluder(scene, ground, rng)
    scene = scene.reduce(SUPERSAMPLING)
    light = rng.uniform(0.7, 1.2) * rng.uniform(0.92, 1.08, 3)  # exposure and colour of the light
    grain = rng.normal(0, rng.uniform(1, 7), (*scene.size[::-1], 1))
    pixels = (np.asarray(scene) * light + grain).clip(0, 255).astype(np.uint8)
    return pixels[:, ::-1].copy() if rng.random() < 0.5 else pixels


def write(folder: Path, breeds: list[str], photos_per_breed: int, seed: int) -> Path:
    """Writes `photos_per_breed` JPEG files per breed into sub-folders of `folder`, and returns `folder`.

    An existing folder is left unchanged. The folder is atomic: it is written under a temporary name and then renamed.
    """

    def make(unfinished: Path) -> None:
        for breed in breeds:
            (unfinished / breed).mkdir(parents=True)
        dogs = [(unfinished, breed, seed, number) for breed in breeds for number in range(photos_per_breed)]
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
            list(tqdm(pool.map(_draw_to_file, dogs, chunksize=8), total=len(dogs), desc="drawing dogs", unit="dog"))

    return files.once(Path(folder), make)


def _draw_to_file(dog: tuple[Path, str, int, int]) -> None:
    folder, breed, seed, number = dog
    image = Image.fromarray(draw(breed, seed * 1_000_000 + number))
    image.save(folder / breed / f"{breed}_{number:04d}.jpg", quality=88)
