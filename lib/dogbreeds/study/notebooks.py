"""The numbered notebooks: their paths and their execution as a study."""

from pathlib import Path

from tqdm.auto import tqdm

from dogbreeds import paths
from dogbreeds.analysis import tables
from dogbreeds.execution import execute_all
from dogbreeds.study import Study, beforehand
from dogbreeds.training.capacity import shares
from dogbreeds.training.parallel import train_all

PRESENTATION = paths.SLIDES / "presentation.ipynb"


def numbered_notebooks() -> list[Path]:
    """Returns the paths of notebooks 01 to 06, in order."""
    return sorted(paths.NOTEBOOKS.glob("0[1-6]_*.ipynb"))


def notebooks_of(study: Study) -> list[Path]:
    """Returns the notebooks of a study, in order: all for a full comparison, else only those on data and errors."""
    return [path for path in numbered_notebooks() if study.is_full_comparison or path.stem[:2] in ("01", "06")]


def run_study(study: Study, parameters: dict, at_once: int = 0) -> list[Path]:
    """Downloads and trains what is missing, executes the notebooks, and returns their paths in outputs/<profile>.

    `parameters` are those of the notebooks, from which `Study.from_profile` makes the same study. `at_once` is the
    number of trainings, and then of notebooks, that run at the same time; by default `capacity.shares` decides.
    """
    beforehand.fetch(study)
    print(f"{len(study.dataset.photos)} {study.dataset.kind} of {len(study.dataset.breeds)} breeds", flush=True)
    jobs = study.plan()
    trained_at_once = at_once or int(len(jobs) == 1)  # a single training has all processors
    # The README says how long drawn dogs take.
    if study.photos != "drawn_dogs" and (line := beforehand.expected(jobs, study.store, trained_at_once)):
        print(line, flush=True)
    train_all(jobs, study.store, trained_at_once)  # first, so that the notebooks only read finished runs
    if not study.is_full_comparison:  # notebook 05 saves the table of a full comparison
        study.save_table("results", tables.result_table(study.runs()))
    notebooks, written = notebooks_of(study), []
    with tqdm(total=len(notebooks), desc="study", unit="notebook") as bar:
        for notebook, seconds in execute_all(notebooks, study.folder, parameters, *shares(at_once=at_once)):
            written.append(notebook)
            bar.write(f"{notebook.stem}: {seconds:.0f} s")
            bar.update()
    return sorted(written)
