"""What to train and in which order: the list of jobs that this machine or a cluster trains."""

from dataclasses import dataclass
from pathlib import Path

from dogbreeds.data import pixel_cache
from dogbreeds.data.datasets import Dataset
from dogbreeds.errors import TrainingsFailed
from dogbreeds.training.runs import RunConfig, RunStore


@dataclass(frozen=True)
class Job:
    """One training and its dataset.

    A job whose initial weights come from another run (`config.initialisation.source`) waits for that run.
    """

    config: RunConfig
    dataset: Dataset

    @property
    def id(self) -> str:
        return self.config.id

    @property
    def network(self) -> tuple[str, str]:
        """The architecture and the framework that trains it."""
        return self.config.architecture, self.config.framework


def unfinished(jobs: list[Job], store: Path) -> list[Job]:
    """Returns the jobs without a finished run in `store`.

    Decodes their photos into the pixel cache first, so that parallel trainings do not decode them again.
    """
    missing = [job for job in jobs if not RunStore(store).finished(job.config)]
    for job in missing:
        pixel_cache.load(job.dataset, job.config.image_size, job.config.crop)
    return missing


def report_failures(failed: dict[str, str], jobs: int) -> None:
    """Raises TrainingsFailed if any job failed; `failed` maps the id of each failed job to the reason."""
    if failed:
        name, reason = next(iter(failed.items()))
        raise TrainingsFailed(f"{len(failed)} of {jobs} trainings failed; the finished runs are kept. {name}: {reason}")
