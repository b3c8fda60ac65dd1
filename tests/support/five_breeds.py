"""The profile five_breeds on a folder of drawn dogs: a study that is finished without training, and its accuracies."""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from finished_runs import write_finished_run

from dogbreeds import models
from dogbreeds.data import drawn_dogs
from dogbreeds.models import TITLES
from dogbreeds.study import Study

# Which drawing stands in for each breed of the profile, under the name that Stanford Dogs gives its folder.
FOLDERS = {
    "chihuahua": "n02085620-Chihuahua",
    "poodle": "n02086240-Shih-Tzu",
    "german_shepherd": "n02106662-German_shepherd",
    "pug": "n02110958-pug",
    "samoyed": "n02111889-Samoyed",
}
OTHERS = ("beagle", "corgi", "dalmatian")
WEIGHTS = ("scratch", "other-breeds")
SETTINGS = """\
breeds: ['Chihuahua', 'Shih-Tzu', 'German_shepherd', 'pug', 'Samoyed']
photos_per_breed: 0
image_size: 64
recipe: {'epochs': 8, 'batch_size': 16}
seeds: [0, 1, 2]
"""


@dataclass(frozen=True)
class FinishedStudy:
    """The folders of a finished study, and the test accuracy of each network, framework and initial weights."""

    photos: Path
    data: Path
    outputs: Path
    accuracies: dict[tuple[str, str, str], float]

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that select the data and outputs of this study."""
        folders = {"DOGBREEDS_DATA": str(self.data), "DOGBREEDS_OUTPUTS": str(self.outputs)}
        return folders | {"KERAS_BACKEND": "torch"}  # the backend is a part of what identifies a run

    @property
    def folder(self) -> Path:
        return self.outputs / f"five_breeds-{self.photos.name}"

    def run_files(self) -> dict[Path, int]:
        """The files of the runs with the times of their last change; a training adds some."""
        return {path: path.stat().st_mtime_ns for path in (self.folder / "runs").rglob("*")}


def finished_study(folder: Path) -> FinishedStudy:
    """Draws the dogs, writes all runs of the profile, and returns the study; `folder` is an empty folder.

    Every network, framework and initial weights has another accuracy.
    """
    photos = drawn_dogs.write(folder / "dogs", [*FOLDERS, *OTHERS], 28, 0)
    for drawing, name in FOLDERS.items():
        (photos / drawing).rename(photos / name)
    choices = list(product(models.ARCHITECTURES, models.FRAMEWORKS, WEIGHTS))
    made = FinishedStudy(photos, folder / "data", folder / "outputs", {})
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment.items():
            patch.setenv(name, value)
        study = Study.from_profile("five_breeds", str(photos))
        sizes = {name: len(study.dataset.rows(name)) for name in ("validation", "test")}
        for job in study.plan():
            config = job.config
            choice = (config.architecture, config.framework, config.initialisation.kind)
            correct = 6 + 2 * choices.index(choice) + config.seed
            write_finished_run(config, job.dataset, study.store, min(correct, sizes["validation"]), correct)
        assert study.is_finished()
    for place, (architecture, framework, weights) in enumerate(choices):
        choice = TITLES[architecture], TITLES[framework], weights
        made.accuracies[choice] = (7 + 2 * place) / sizes["test"]  # the mean over three seeds
    return made


def check_notebook_05(executed: nbformat.NotebookNode, study: FinishedStudy) -> None:
    """Asserts that notebook 05 was executed with the settings of the profile, and shows the runs of this study."""
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    assert f"profile: five_breeds-{study.photos.name}\nphotos: {study.photos}\n{SETTINGS}" in printed
    assert "runs: 36, seeds each: 3, initial weights: scratch, other-breeds\n" in printed
    results = pd.read_csv(study.folder / "tables" / "results.csv")
    keys = results[["network", "framework", "initial weights"]].itertuples(index=False, name=None)
    assert dict(zip(keys, results["test accuracy"], strict=True)) == pytest.approx(study.accuracies)
    tables = "".join(output["data"]["text/html"] for output in outputs if "text/html" in output.get("data", {}))
    assert [each for each in study.accuracies.values() if f">{100 * each:.1f} [" not in tables] == []
    names = {path.stem for path in (study.folder / "tables").iterdir()}
    assert names == {"results", "networks", "frameworks", "initial_weights", "factors", "learning_speed", "claims"}
    assert [path.name for path in study.outputs.iterdir() if path.is_dir()] == [study.folder.name]
