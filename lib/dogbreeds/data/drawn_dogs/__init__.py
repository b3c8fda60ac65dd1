"""Drawn dogs: caricatures of breeds, for want of photographs that may be shipped."""

from dogbreeds.data.drawn_dogs.scenes import BREEDS, LOOK_ALIKES, SOURCE, TARGET, draw, write

__all__ = ["BREEDS", "LOOK_ALIKES", "SOURCE", "TARGET", "draw", "write"]
