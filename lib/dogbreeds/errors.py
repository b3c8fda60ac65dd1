"""The one exception for what a user can put right; the command line prints it as one line."""


class StudyError(ValueError):
    """Names the thing that is wrong and its remedy, in one line."""
