"""Exceptions for errors that a user can correct; the command line prints each of them as one line."""


class StudyError(ValueError):
    """An error whose message says in one line what is wrong and how to correct it."""

    status = 2  # exit status of the command: invalid input


class TrainingsFailed(StudyError):
    """Some of several trainings failed; the finished ones are kept."""

    status = 1
