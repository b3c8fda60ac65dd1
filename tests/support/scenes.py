"""Pictures of large shapes, which a perceptual hash tells apart."""

import numpy as np
from PIL import Image, ImageDraw


def scene(seed, size=(60, 50)):
    """The same picture for the same seed."""
    generator = np.random.default_rng(seed)
    picture = Image.new("RGB", size, tuple(generator.integers(0, 256, 3).tolist()))
    for _ in range(12):
        x, y = generator.integers(0, size[0]), generator.integers(0, size[1])
        colour = tuple(generator.integers(0, 256, 3).tolist())
        ImageDraw.Draw(picture).ellipse([x - 15, y - 15, x + 15, y + 15], fill=colour)
    return picture


def folder_of_scenes(folder, breeds):
    """Twelve different scenes of each breed: <breed>/00.png to 11.png."""
    for label, breed in enumerate(breeds):
        (folder / breed).mkdir(parents=True)
        for number in range(12):
            scene(100 * label + number).save(folder / breed / f"{number:02d}.png")
    return folder
