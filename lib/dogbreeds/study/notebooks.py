"""The numbered notebooks: their paths and their execution as a study."""

from pathlib import Path

from tqdm.auto import tqdm

from dogbreeds import paths
from dogbreeds.execution import execute_all
from dogbreeds.study import Study
from dogbreeds.training.capacity import shares
from dogbreeds.training.parallel import train_all

PRESENTATION = paths.SLIDES / "presentation.ipynb"


def numbered_notebooks() -> list[Path]:
    """Returns the paths of notebooks 01 to 06, in order."""
    return sorted(paths.NOTEBOOKS.glob("0[1-6]_*.ipynb"))


def run_study(study: Study, parameters: dict, at_once: int = 0) -> list[Path]:
    """Trains what is missing, executes the six notebooks, and returns their paths under outputs/<profile>/ in order.

    `parameters` are those of the notebooks, from which `Study.from_profile` makes the same study. `at_once` is the
    number of trainings, and then of notebooks, that run at the same time; by default `capacity.shares` decides.
    """
    print(f"{len(study.dataset.photos)} {study.dataset.kind} of {len(study.dataset.breeds)} breeds", flush=True)
    train_all(study.plan(), study.store, at_once)  # first, so that the notebooks only read finished runs
    notebooks, written = numbered_notebooks(), []
    with tqdm(total=len(notebooks), desc="study", unit="notebook") as bar:
        for notebook, seconds in execute_all(notebooks, study.folder, parameters, *shares(at_once=at_once)):
            written.append(notebook)
            bar.write(f"{notebook.stem}: {seconds:.0f} s")
            bar.update()
    return sorted(written)
