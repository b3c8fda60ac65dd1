"""The exceptions for what a user can put right; the command line prints each as one line."""


class StudyError(ValueError):
    """Names the thing that is wrong and its remedy, in one line."""

    status = 2  # of the command that ends with it: bad input


class TrainingsFailed(StudyError):
    """Some of several trainings did not finish; the others did, and are kept."""

    status = 1
