"""Drawn dogs: caricatures of breeds, because no photographs may be distributed with the code."""

from dogbreeds.data.drawn_dogs.scenes import BREEDS, SIMILAR_BREEDS, SOURCE, TARGET, draw, write

__all__ = ["BREEDS", "SIMILAR_BREEDS", "SOURCE", "TARGET", "draw", "write"]
