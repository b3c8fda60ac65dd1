"""Decodes many photos at the same time, on all cores."""

from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool

from joblib import Parallel, delayed
from tqdm.auto import tqdm

from dogbreeds.errors import StudyError

# Photos from which on processes are faster. On two cores they decode half as many small photos again per second as
# threads, of which Python runs one at a time, but they need over half a second to start.
MANY = 2000
IDLE_SECONDS = 10  # after which processes end, even if the process that started them was killed


def run(function: Callable, tasks: Sequence[tuple], processes: int | None = None, **bar) -> list:
    """Returns `function(*task)` of each of `tasks`, in their order; `bar` are the options of tqdm's progress bar.

    Runs in threads, or for many tasks in processes, one per core that this process may use. `processes` sets their
    number; 1 is this process. The processes import the module of `function`, so it should import little, and send back
    its results, so these should be small. They do not import the script that calls. Raises what `function` raises, and
    StudyError if a process is killed.
    """
    backend = "loky" if processes or len(tasks) >= MANY else "threading"
    at_once = {"n_jobs": processes or -1, "backend": backend, "idle_worker_timeout": IDLE_SECONDS}
    results = Parallel(**at_once, return_as="generator")(delayed(function)(*task) for task in tasks)
    try:
        return list(tqdm(results, total=len(tasks), unit="photo", **bar))
    except BrokenProcessPool as error:
        remedy = "free some memory, then start again"
        raise StudyError(f"a process that decodes photos was killed, probably for lack of memory: {remedy}") from error
