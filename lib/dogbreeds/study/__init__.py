"""Turns the parameters of a profile into a study: photos, runs, executed notebooks and figures."""

from dogbreeds.study.study import Study, print_versions

__all__ = ["Study", "print_versions"]
