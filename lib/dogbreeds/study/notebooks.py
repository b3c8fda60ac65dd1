"""The numbered notebooks: their paths and their execution as a study."""

from pathlib import Path

from tqdm.auto import tqdm

from dogbreeds import paths
from dogbreeds.analysis import tables
from dogbreeds.execution import execute_all
from dogbreeds.study import Study, beforehand
from dogbreeds.training.parallel import shares, train_all

PRESENTATION = paths.SLIDES / "presentation.ipynb"


def numbered_notebooks() -> list[Path]:
    """Returns the paths of notebooks 01 to 06, in order."""
    return sorted(paths.NOTEBOOKS.glob("0[1-6]_*.ipynb"))


def notebooks_of(study: Study) -> list[Path]:
    """Returns the notebooks of a study, in order: all for a full comparison, else only those on data and errors."""
    return [path for path in numbered_notebooks() if study.is_full_comparison or path.stem[:2] in ("01", "06")]


def run_study(study: Study, parameters: dict) -> list[Path]:
    """Trains what is missing, executes the notebooks, and returns their paths under outputs/<profile>/ in order.

    `parameters` are those of the notebooks, from which `Study.from_profile` makes the same study.
    """
    print(f"{len(study.dataset.photos)} {study.dataset.kind} of {len(study.dataset.breeds)} breeds", flush=True)
    jobs = study.plan()
    # The README says how long drawn dogs take.
    if study.photos != "drawn_dogs" and (line := beforehand.expected(jobs, study.store)):
        print(line, flush=True)
    train_all(jobs, study.store)  # first, so that the notebooks only read finished runs
    if not study.is_full_comparison:  # notebook 05 saves the table of a full comparison
        study.save_table("results", tables.result_table(study.runs()))
    notebooks, written = notebooks_of(study), []
    with tqdm(total=len(notebooks), desc="study", unit="notebook") as bar:
        for notebook, seconds in execute_all(notebooks, study.folder, parameters, *shares()):
            written.append(notebook)
            bar.write(f"{notebook.stem}: {seconds:.0f} s")
            bar.update()
    return sorted(written)
