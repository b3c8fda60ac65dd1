"""Images of large shapes, which a perceptual hash can distinguish."""

import numpy as np
from PIL import Image, ImageDraw


def scene(seed, size=(60, 50)):
    """Returns an image of random discs; the same seed gives the same image."""
    generator = np.random.default_rng(seed)
    image = Image.new("RGB", size, tuple(generator.integers(0, 256, 3).tolist()))
    for _ in range(12):
        x, y = generator.integers(0, size[0]), generator.integers(0, size[1])
        colour = tuple(generator.integers(0, 256, 3).tolist())
        ImageDraw.Draw(image).ellipse([x - 15, y - 15, x + 15, y + 15], fill=colour)
    return image


def folder_of_scenes(folder, breeds):
    """Writes twelve different scenes per breed, <breed>/00.png to 11.png, and returns `folder`."""
    for label, breed in enumerate(breeds):
        (folder / breed).mkdir(parents=True)
        for number in range(12):
            scene(100 * label + number).save(folder / breed / f"{number:02d}.png")
    return folder
