"""The numbered notebooks, their parameters, and a study as a run of all of them."""

from dataclasses import asdict
from pathlib import Path

import papermill
import yaml
from tqdm.auto import tqdm

from dogbreeds import paths
from dogbreeds.errors import StudyError
from dogbreeds.execution import execute_all
from dogbreeds.study import Study
from dogbreeds.training.parallel import shares, train_all
from dogbreeds.training.recipe import Recipe

PRESENTATION = paths.SLIDES / "presentation.ipynb"


def numbered_notebooks() -> list[Path]:
    """Notebooks 01 to 06, in their order."""
    return sorted(paths.NOTEBOOKS.glob("0[1-6]_*.ipynb"))


def read_profile(name: str, photos: str | None = None, changes: dict | None = None) -> dict:
    """The notebook parameters of a profile, with `photos` and other parameters replaced, all checked.

    Results on other photos than the profile's own go to a folder of their own; where all their breeds are the study's,
    the start "other-breeds" is left out unless it is asked for. Raises StudyError for an unknown profile and for a
    parameter that the notebooks do not have, of a wrong type, or out of range.
    """
    file = paths.PROFILES / f"{name}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in paths.PROFILES.glob("*.yaml")))
        raise StudyError(f"unknown profile '{name}': choose one of {known}, or add {file}")
    # What a profile does not say is Study's default, and not what a notebook holds for running it by hand.
    defaults = asdict(Study(name))
    del defaults["out"]
    parameters = defaults | (yaml.safe_load(file.read_text()) or {}) | (changes or {})
    if photos:
        folder = Path(photos).expanduser().resolve()
        parameters |= {"photos": str(folder), "profile": f"{name}-{folder.name}", "test_drawings_per_breed": 0}
        if not parameters["breeds"] and "weights" not in (changes or {}):  # no breed is left to learn from before
            starts = [start for start in parameters["weights"] if start != "other-breeds"]
            parameters["weights"] = starts or ["scratch"]
    for notebook in [*numbered_notebooks(), PRESENTATION]:
        check_parameters(notebook, parameters)
    Recipe.of(parameters["recipe"])
    Recipe.of(parameters["source_recipe"])
    return parameters


def check_parameters(notebook: Path, parameters: dict) -> None:
    """Raises StudyError for a parameter the notebook lacks or of another type; papermill itself would only warn."""
    known = papermill.inspect_notebook(notebook)
    for name, value in parameters.items():
        if name not in known:
            raise StudyError(f"unknown notebook parameter '{name}': {notebook.name} has {', '.join(known)}")
        expected = known[name]["inferred_type_name"]
        if type(value).__name__ != expected.partition("[")[0]:
            raise StudyError(f"notebook parameter '{name}' must be {expected}, not {value!r}")


def run_study(parameters: dict) -> list[Path]:
    """The six notebooks executed, under outputs/<profile>/, in their order."""
    study = Study(**parameters)
    print(f"{len(study.dataset.photos)} {study.dataset.kind} of {len(study.dataset.breeds)} breeds", flush=True)
    train_all(study.plan(), study.store)  # before the notebooks, which then only read the runs
    notebooks, written = numbered_notebooks(), []
    with tqdm(total=len(notebooks), desc="study", unit="notebook") as bar:
        for notebook, seconds in execute_all(notebooks, study.folder, parameters, *shares()):
            written.append(notebook)
            bar.write(f"{notebook.stem}: {seconds:.0f} s")
            bar.update()
    return sorted(written)
