"""Jobs: trainings with their datasets, for the executors on this machine (`parallel`) and on a cluster."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dogbreeds.data import pixel_cache
from dogbreeds.data.datasets import Dataset
from dogbreeds.errors import TrainingsFailed
from dogbreeds.training.runs import Run, RunConfig, RunStore


@dataclass(frozen=True)
class Job:
    """One training and its dataset. It waits for the run that is the source of its initial weights."""

    config: RunConfig
    dataset: Dataset

    @property
    def id(self) -> str:
        return self.config.id

    @property
    def network(self) -> tuple[str, str]:
        """The architecture and the framework that trains it."""
        return self.config.architecture, self.config.framework


def train_missing(jobs: list[Job], store: Path, train: Callable[[list[Job], Path], dict[str, str]]) -> list[Run]:
    """Returns the runs of `jobs`, in their order; `train` trains those that are not finished in `store`.

    `train` returns the reasons for failures by job id. If there are any, raises TrainingsFailed, which names the first.
    """
    missing = [job for job in jobs if not RunStore(store).finished(job.config)]
    for job in missing:  # decoded once, before parallel trainings need the pixels
        pixel_cache.load(job.dataset, job.config.image_size, job.config.crop)
    failed = train(missing, store) if missing else {}
    if failed:
        name, reason = next(iter(failed.items()))
        what = f"{len(failed)} of {len(missing)} trainings failed; the finished runs are kept"
        raise TrainingsFailed(f"{what}. {name}: {reason}")
    return [Run(store / job.id) for job in jobs]
