"""Draws one dog with Pillow and NumPy as an anatomy of smooth shapes; `scenes` adds light, fur and clutter.

Dog units: one unit is the depth of the chest, x points to the muzzle, y points up, and the origin is the middle of the
trunk.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

SUPERSAMPLING = 2  # drawings are made twice as large and then reduced, for smooth edges
COATS = [
    (226, 205, 168), (196, 148, 92), (150, 98, 56), (104, 72, 50),
    (128, 122, 120), (238, 232, 222), (66, 58, 56),
]  # fmt: skip
GROUNDS = [(112, 152, 82), (196, 176, 128), (226, 230, 236), (152, 128, 104), (120, 124, 130), (160, 108, 78)]
SKIES = [(168, 204, 234), (232, 214, 190), (196, 188, 206), (150, 170, 168), (236, 236, 228), (120, 134, 160)]


@dataclass(frozen=True)
class Anatomy:
    """The features that distinguish the drawn breeds. Lengths are in chest depths; `shag` is in 0 to 1."""

    length: float = 2.0  # length of the trunk, from chest to rump
    leg: float = 1.0  # from elbow to ground
    bone: float = 0.24  # thickness of a leg
    tuck: float = 0.12  # how far the belly rises towards the hind legs
    neck: float = 0.55
    head: float = 0.42  # radius of the skull
    muzzle: float = 0.5  # from skull to nose
    snout: float = 0.24  # depth of the muzzle
    ears: str = "drop"  # pricked, bat, drop, pendulous, rose
    ear: float = 0.5  # length of an ear
    tail: str = "sickle"  # sickle, curl, plume, whip, docked, pompom
    coat: str = "plain"  # plain, saddle, mask, spots, patches, points, blaze, brindle, pompoms
    shag: float = 0.0  # roughness of the outline


def closed_curve(points: Float[np.ndarray, "knots 2"], steps: int = 8) -> Float[np.ndarray, "curve 2"]:
    """Returns the closed Catmull-Rom spline through `points` (Catmull and Rom, 1974), with `steps` points per knot."""
    before, here, after, beyond = (np.roll(points, shift, axis=0)[:, None] for shift in (1, 0, -1, -2))
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    cubic = (3 * (here - after) + beyond - before) * t**3
    curve = here + 0.5 * ((after - before) * t + (2 * before - 5 * here + 4 * after - beyond) * t**2 + cubic)
    return curve.reshape(-1, 2)


class Layer:
    """A transparent image on which shapes are drawn in dog units."""

    def __init__(self, size, scale: float, origin, tilt: float):
        self.image = Image.new("RGBA", size)
        self.scale, self.origin, self.tilt = scale, np.asarray(origin, float), tilt
        self.rotation = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])

    def _pixels(self, points):
        return [tuple(p) for p in self.origin + self.scale * (np.asarray(points, float) @ self.rotation) * (1, -1)]

    def blob(self, knots, colour):
        """Draws a smooth closed shape through `knots`."""
        curve = closed_curve(np.asarray(knots, float))
        ImageDraw.Draw(self.image).polygon(self._pixels(curve), fill=(*colour, 255))

    def ellipse(self, centre, radii, colour, turn: float = 0.0):
        angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        x, y = radii[0] * np.cos(angles), radii[-1] * np.sin(angles)
        ring = np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], axis=1)
        self.blob(np.asarray(centre) + ring, colour)

    def limb(self, joints, widths, colour):
        """Draws a tapering stroke through `joints`; `widths` is the width at each joint."""
        joints, widths, knots = np.asarray(joints, float), np.asarray(widths, float), np.arange(len(joints))
        along = np.linspace(0, knots[-1], 9 * len(joints))
        centres = self._pixels(np.stack([np.interp(along, knots, joints[:, axis]) for axis in (0, 1)], axis=1))
        pen = ImageDraw.Draw(self.image)
        for (x, y), r in zip(centres, self.scale * np.interp(along, knots, widths) / 2, strict=True):
            pen.ellipse((x - r, y - r, x + r, y + r), fill=(*colour, 255))

    def blank(self) -> "Layer":
        """Returns an empty layer with the same position and scale, for markings."""
        return Layer(self.image.size, self.scale, self.origin, self.tilt)

    def mark(self, markings: "Layer"):
        """Draws `markings` only where this layer is already opaque, so that a coat pattern stays within the fur."""
        clip = np.minimum(*(np.asarray(layer.image.getchannel("A")) for layer in (self, markings)))
        self.image.paste(markings.image, mask=Image.fromarray(clip))


def shade(colour, factor: float) -> tuple[int, int, int]:
    return tuple(int(np.clip(channel * factor, 0, 255)) for channel in colour)


def draw_tail(layer: Layer, anatomy: Anatomy, root, base, marking, wag: float):
    x, y = root
    t = np.linspace(0, 1, 9)
    if anatomy.tail == "curl":  # curled over the back
        angle = np.pi * (0.9 - 1.75 * t)
        path = np.stack([x + 0.1 + 0.3 * np.cos(angle), y + 0.32 + 0.3 * np.sin(angle)], axis=1)
        layer.limb(path, np.linspace(0.2, 0.14, 9) + 0.14 * anatomy.shag, base)
    elif anatomy.tail == "whip":  # thin, low, turned up at the end
        path = np.stack([x - 0.95 * t, y - 0.95 * t + 0.75 * t**3 + wag * t], axis=1)
        layer.limb(path, np.linspace(0.13, 0.04, 9), base)
    elif anatomy.tail == "plume":  # carried low, with long hair
        path = np.stack([x - 0.9 * t, y - 1.0 * t + 0.3 * t**2 + wag * t], axis=1)
        layer.limb(path, 0.16 + 0.26 * np.sin(np.pi * t**0.8), base)
    elif anatomy.tail == "sickle":  # raised
        path = np.stack([x - 0.5 * t + 0.25 * t**2, y + 0.95 * t + wag * t], axis=1)
        layer.limb(path, np.linspace(0.2, 0.07, 9) + 0.1 * anatomy.shag * np.sin(np.pi * t), base)
    else:
        layer.limb([(x, y), (x - 0.18, y + 0.3)], [0.14, 0.1], base)
        if anatomy.tail == "pompom":
            layer.ellipse((x - 0.24, y + 0.48), (0.24,), marking)


def draw_ear(layer: Layer, anatomy: Anatomy, skull, colour):
    """Draws one ear, hanging or upright, at the back of the skull."""
    (x, y), size, r = skull, anatomy.ear, anatomy.head
    shapes = {
        "pricked": [(-0.65, 0.5), (-0.45, 0.75), (-0.32, 0.9 + size / r), (0.0, 0.9), (0.1, 0.6)],
        "bat": [
            (-0.7, 0.5),
            (-0.75, 0.6 + size / r),
            (-0.35, 0.85 + size / r),
            (0.0, 0.6 + size / r),
            (0.0, 0.6),
        ],
        "drop": [
            (-0.55, 0.85),
            (0.0, 0.9),
            (0.25, 0.55 - size / r * 0.5),
            (0.05, 0.5 - size / r),
            (-0.35, 0.4),
        ],
        "pendulous": [
            (-0.6, 0.6),
            (-0.05, 0.65),
            (0.15, -size / r * 0.7),
            (-0.3, -size / r),
            (-0.75, -size / r * 0.7),
        ],
        "rose": [(-0.2, 0.85), (-0.1, 0.5), (-0.6, 0.45), (-0.7 - size / r, 0.5), (-0.6, 0.85)],
    }
    layer.blob([(x + r * across, y + r * up) for across, up in shapes[anatomy.ears]], colour)


def draw_leg(layer: Layer, anatomy: Anatomy, hip, swing: float, ground: float, hind: bool, colour, cuff=None):
    """Draws a leg from `hip` to `ground`. Hind legs bend at the hock. `cuff` is the colour of a poodle's bracelet."""
    x, y, bone = *hip, anatomy.bone
    paw = (x + swing + (-0.06 if hind else 0.0), ground + bone * 0.4)
    bend = (x + 0.4 * swing + (0.12 if hind else -0.02), 0.5 * (y + ground) + 0.1)
    hock = (paw[0] - 0.1 if hind else paw[0], ground + 0.35 * (y - ground))
    thigh = bone * (2.4 if hind else 1.7)
    layer.limb([hip, bend, hock, paw], [thigh, bone * 1.25, bone * 0.9, bone * 0.85], colour)
    layer.ellipse((paw[0] + 0.07, ground + bone * 0.3), (bone * 0.75, bone * 0.36), colour)
    if cuff:
        layer.ellipse((paw[0], ground + 0.3), (bone * 1.5, 0.2), cuff)


def draw_markings(layer: Layer, anatomy: Anatomy, skull, nose, marking, rng):
    """Draws the coat pattern of trunk and face, only on the fur."""
    half, (x, y), r, paint = anatomy.length / 2, skull, anatomy.head, layer.blank()
    if anatomy.coat == "saddle":
        saddle = [(-half * 1.05, 0.1), (-half * 0.5, 0.7), (half * 0.6, 0.75), (half * 0.75, 0.1), (0, -0.2)]
        paint.blob(saddle, marking)
    elif anatomy.coat in ("spots", "patches"):
        count, low, high = (42, 0.05, 0.13) if anatomy.coat == "spots" else (5, 0.3, 0.48)
        for _ in range(count):
            centre = rng.uniform((-half - 0.3, -0.8 - anatomy.leg), (x + r, y + r))
            paint.ellipse(centre, rng.uniform(low, high, 2), marking, rng.uniform(0, 3))
    elif anatomy.coat == "brindle":
        for stripe in np.linspace(-half - 0.2, half + 0.3, 13):
            paint.ellipse((stripe, 0.1), (0.05, rng.uniform(0.4, 0.8)), marking, rng.uniform(-0.35, 0.1))
    elif anatomy.coat == "points":
        paint.blob([(half + 0.4, 0.2), (half, -0.15), (half - 0.3, -0.6), (half + 0.2, -0.5)], marking)
        for leg in (-half, half - 0.3):
            paint.ellipse((leg, -0.5 - anatomy.leg), (0.5, 0.5 * anatomy.leg), marking)
    if anatomy.coat in ("saddle", "mask", "points"):
        face = 0.35 * np.asarray(skull) + 0.65 * np.asarray(nose)
        paint.ellipse(face, (0.7 * r + 0.3 * anatomy.muzzle, 0.62 * r), marking)
    elif anatomy.coat == "blaze":
        paint.ellipse((x + 0.75 * r, y), (0.4 * r, 1.1 * r), marking)
        paint.ellipse((half, -0.35), (0.4, 0.42), marking)
    layer.mark(paint)


def draw_head(layer: Layer, anatomy: Anatomy, skull, base, marking, rng):
    """Draws skull, muzzle, nose, eye, mouth and ear; the head nods by a random angle."""
    (x, y), r, nod = skull, anatomy.head, rng.uniform(-0.25, 0.12)
    reach = r * 0.75 + anatomy.muzzle
    nose = (x + reach * np.cos(nod), y - 0.12 * r + reach * np.sin(nod))
    layer.ellipse(skull, (r,), base)
    layer.limb([(x + 0.3 * r, y - 0.15 * r), nose], [1.5 * r, anatomy.snout], base)
    if anatomy.coat == "pompoms":
        layer.ellipse((x - 0.2 * r, y + 0.75 * r), (0.95 * r, 0.75 * r), marking)
    draw_markings(layer, anatomy, skull, nose, marking, rng)
    dark = (34, 28, 30)
    if rng.random() < 0.5:  # half of the dogs show their tongue
        layer.ellipse((nose[0] - 0.14, nose[1] - 0.8 * anatomy.snout), (0.07, 0.14), (222, 112, 122))
    corner = (x + 0.75 * r, nose[1] - 0.36 * anatomy.snout - 0.04)
    layer.limb([(nose[0] - 0.02, nose[1] - 0.42 * anatomy.snout), corner], [0.035, 0.03], dark)
    layer.ellipse((nose[0] + 0.3 * anatomy.snout, nose[1] + 0.2 * anatomy.snout), (0.09, 0.075), dark)
    layer.ellipse((x + 0.42 * r, y + 0.26 * r), (0.085, 0.095), dark)
    layer.ellipse((x + 0.42 * r + 0.03, y + 0.26 * r + 0.035), (0.028,), (250, 250, 250))
    ear_colour = marking if anatomy.coat in ("mask", "patches", "pompoms", "spots") else shade(base, 0.82)
    draw_ear(layer, anatomy, skull, ear_colour)


def draw_dog(layer: Layer, anatomy: Anatomy, rng: np.random.Generator):
    """Draws one dog on a transparent layer, with paws at y = -0.5 - leg; all breeds share the coat colours."""
    base, other = (np.array(COATS[i]) for i in rng.choice(len(COATS), 2, replace=False))
    base = shade(base, rng.uniform(0.85, 1.1))
    contrast = 0.4 if sum(base) > 330 else 1.9  # markings stand out from every coat colour
    marking = shade(0.7 * np.array(base) + 0.3 * other, contrast)
    half, ground, far = anatomy.length / 2, -0.5 - anatomy.leg, shade(base, 0.68)
    gait, raised = rng.uniform(-0.3, 0.3) * min(anatomy.leg, 1), rng.uniform(-0.3, 0.35)
    cuff = marking if anatomy.coat == "pompoms" else None
    hips, shoulder = (-half + 0.12, 0.0), (half - 0.22, -0.1)
    for hip, swing, hind in ((hips, -gait, True), (shoulder, gait, False)):
        draw_leg(
            layer,
            anatomy,
            (hip[0] + 0.16, hip[1]),
            swing,
            ground + 0.06,
            hind,
            far,
            cuff and shade(cuff, 0.8),
        )
    draw_tail(layer, anatomy, (-half - 0.12, 0.28), base, marking, rng.uniform(-0.15, 0.3))
    back, belly = rng.uniform(0.4, 0.5), -0.5 + anatomy.tuck
    upper = [(half - 0.05, 0.52), (0.1, back), (-half + 0.1, 0.46), (-half - 0.22, 0.18), (-half - 0.1, -0.28)]
    lower = [(-0.35 * half, belly), (0.35 * half, -0.5 + 0.3 * anatomy.tuck), (half - 0.1, -0.52), (half + 0.28, -0.12)]
    layer.blob(upper + lower, base)
    for hip, swing, hind in ((hips, gait, True), (shoulder, -gait, False)):
        draw_leg(layer, anatomy, hip, swing, ground, hind, base, cuff)
    skull = (half + 0.28 + 0.65 * anatomy.neck, 0.42 + anatomy.neck * (0.75 + raised))
    layer.limb([(half - 0.1, 0.08), skull], [1.0, 1.35 * anatomy.head], base)
    if anatomy.coat == "pompoms":
        layer.ellipse((half - 0.1, 0.05), (0.62, 0.6), marking)
        layer.limb([(half, 0.3), skull], [0.5, 0.9 * anatomy.head], base)
    if rng.random() < 0.4:
        collar, paint = 0.5 * np.array((half - 0.1, 0.08)) + 0.5 * np.array(skull), layer.blank()
        across = np.arctan2(skull[1] - 0.08, skull[0] - half + 0.1)
        paint.ellipse(collar, (0.07, 0.7), tuple(rng.integers(40, 230, 3).tolist()), across)
        layer.mark(paint)
    draw_head(layer, anatomy, skull, base, marking, rng)
