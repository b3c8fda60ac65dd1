"""Trainings: what identifies one, how it is done in each framework, and what is kept of it."""
