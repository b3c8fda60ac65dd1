"""Exceptions for errors that a user can correct; the command line prints each of them as one line."""


class StudyError(ValueError):
    """An error whose message says in one line what is wrong and how to correct it."""

    status = 2  # exit status of the command: invalid input


class TrainingsFailed(StudyError):
    """Some of several trainings failed; the finished ones are kept."""

    status = 1


class Interrupted(StudyError):
    """The user interrupted work of which nothing is kept."""

    status = 130


def first_problem(error, kind: str, known: list[str]) -> str:
    """Returns the first problem in a ValidationError of pydantic as one line.

    `kind` says what is validated, such as "recipe field", and `known` lists the names that exist.
    """
    problem = error.errors()[0]
    if not problem["loc"]:  # of several fields together
        return f"{kind} {problem['msg'].removeprefix('Value error, ')}"
    name = ".".join(map(str, problem["loc"]))
    if problem["type"].startswith("unexpected"):
        return f"unknown {kind} '{name}': choose from {', '.join(known)}"
    wanted = problem["msg"].partition(" should ")[2].partition(" after validation")[0]
    return f"{kind} '{name}' must {wanted}, not {problem['input']!r}"
