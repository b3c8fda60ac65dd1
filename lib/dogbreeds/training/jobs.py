"""What to train and in which order: a list of jobs, which this machine or a cluster works through."""

from dataclasses import dataclass
from pathlib import Path

from dogbreeds.data import pixel_cache
from dogbreeds.data.datasets import Dataset
from dogbreeds.errors import TrainingsFailed
from dogbreeds.training.runs import RunConfig, finished


@dataclass(frozen=True)
class Job:
    """One training and the photos that it trains on.

    Where its initial weights are those of another run (`config.start`), it waits for that run.
    """

    config: RunConfig
    dataset: Dataset

    @property
    def id(self) -> str:
        return self.config.id

    @property
    def network(self) -> tuple[str, str]:
        """The architecture, and the framework that it is trained in."""
        return self.config.architecture, self.config.framework


def unfinished(jobs: list[Job], store: Path) -> list[Job]:
    """Those of `jobs` that have no finished run in `store`; their photos are decoded, once, before many read them."""
    missing = [job for job in jobs if not finished(store, job.config)]
    for job in missing:
        pixel_cache.load(job.dataset, job.config.image_size, job.config.crop)
    return missing


def report_failures(failed: dict[str, str], jobs: int) -> None:
    """Raises TrainingsFailed where any job failed; `failed` gives the reason for each by its id."""
    if failed:
        name, reason = next(iter(failed.items()))
        raise TrainingsFailed(f"{len(failed)} of {jobs} trainings failed, the others are kept. {name}: {reason}")
