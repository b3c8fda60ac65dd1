"""The numbered notebooks: their paths and their execution as a study."""

from pathlib import Path

from tqdm.auto import tqdm

from dogbreeds import paths
from dogbreeds.execution import execute_all
from dogbreeds.study import Study
from dogbreeds.training.parallel import shares, train_all

PRESENTATION = paths.SLIDES / "presentation.ipynb"


def numbered_notebooks() -> list[Path]:
    """Returns the paths of notebooks 01 to 06, in order."""
    return sorted(paths.NOTEBOOKS.glob("0[1-6]_*.ipynb"))


def run_study(study: Study, parameters: dict) -> list[Path]:
    """Trains what is missing, executes the six notebooks, and returns their paths under outputs/<profile>/ in order.

    `parameters` are those of the notebooks, from which `Study.from_profile` makes the same study.
    """
    print(f"{len(study.dataset.photos)} {study.dataset.kind} of {len(study.dataset.breeds)} breeds", flush=True)
    train_all(study.plan(), study.store)  # first, so that the notebooks only read finished runs
    notebooks, written = numbered_notebooks(), []
    with tqdm(total=len(notebooks), desc="study", unit="notebook") as bar:
        for notebook, seconds in execute_all(notebooks, study.folder, parameters, *shares()):
            written.append(notebook)
            bar.write(f"{notebook.stem}: {seconds:.0f} s")
            bar.update()
    return sorted(written)
