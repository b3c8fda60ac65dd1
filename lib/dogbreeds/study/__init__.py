"""A study: from the parameters of a profile to photos, runs, notebooks and figures."""

from dogbreeds.study.study import Study, print_versions

__all__ = ["Study", "print_versions"]
