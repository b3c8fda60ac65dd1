"""The command for one's own photographs, on a folder of drawn dogs: two notebooks on one network from given weights."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import torch
from networks import random_network

from dogbreeds.data import drawn_dogs
from dogbreeds.models import pretrained
from dogbreeds.study import Study, answers

DOGBREEDS = Path(sys.executable).with_name("dogbreeds")
RECIPE = "recipe={epochs: 1, batch_size: 6, augmentation: false}"
pytestmark = pytest.mark.slow


@pytest.fixture
def photos(tmp_path):
    return drawn_dogs.write(tmp_path / "my_dogs", ["poodle", "pug"], 16, seed=7)


def test_one_network_is_trained_shown_and_reported(photos, checksums, tmp_path):
    file = pretrained.find("imagenet", "resnet50").file.path
    file.parent.mkdir(parents=True)
    torch.save(random_network("resnet50", 1000).state_dict(), file)
    checksums(file)
    command = [DOGBREEDS, "study", "--photos", photos, "--parameter", "image_size=32", "--parameter", RECIPE]
    completed = subprocess.run(command, env=os.environ, capture_output=True, text=True, cwd=tmp_path)
    assert completed.returncode == 0, completed.stderr
    assert "to download" not in completed.stderr  # the weights are there
    assert re.search(r"^expected: about 1 min for 1 training on cpu", completed.stdout, re.M)
    assert re.search(r"^ *ResNet50 +PyTorch +imagenet +[\d.]+% +", completed.stdout, re.M)
    folder = tmp_path / "outputs" / "own_photos-my_dogs"
    opened = [tmp_path / path for path in completed.stdout.partition("open:\n")[2].split()]
    names = ["report.html", "01_data_exploration.ipynb", "06_error_analysis.ipynb"]
    assert opened == [folder / name for name in names]
    for path in opened[1:]:
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in cells)
        printed = "".join(output.get("text", "") for cell in cells for output in cell.outputs)
        assert "weights: ['imagenet']" in printed
        assert "training starts from scratch" not in printed
        assert "to download" not in printed
    assert len(list(folder.glob("runs/*/run.json"))) == 1
    assert pd.read_csv(folder / "tables" / "results.csv")["initial weights"].to_list() == ["imagenet"]
    assert "may not be unseen" in (folder / "tables" / "results.csv").read_text()
    report = (folder / "report.html").read_text()
    for text in (completed.stdout, report):
        assert "ImageNet may contain the test photos of this study" in text
    assert "This study trains ResNet50 in PyTorch only" in " ".join(report.split())
    assert all((folder / path).is_file() for path in re.findall(r'(?:href|src)="([^"#]+)"', report))
    # The same study by hand, as in a notebook, finds this run.
    by_hand = Study.from_profile(
        "own_photos", str(photos), image_size=32, recipe={"epochs": 1, "batch_size": 6, "augmentation": False}
    )
    assert answers.errors(by_hand)[0].startswith("ResNet50, PyTorch, imagenet, the best run in validation")
