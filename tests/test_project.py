"""Consistency of the project: dependencies, imports, stored notebooks, and the commands in the README."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import nbformat
import papermill
import pytest
import yaml
from packaging.requirements import Requirement

from dogbreeds import paths
from dogbreeds.study import Study, notebooks

ROOT = paths.REPOSITORY
STORED = [*notebooks.numbered_notebooks(), notebooks.PRESENTATION]
CORE_PACKAGES = ("data", "models", "training", "analysis", "figures")
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


def requirement_lines(name):
    lines = (line.partition(" #")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def test_conda_and_make_install_the_same_requirements():
    pip = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"][-1]["pip"]
    assert pip == ["-r requirements.txt", "-e ."]
    assert "--requirement requirements.txt" in (ROOT / "Makefile").read_text()


def test_every_dependency_has_a_reason_and_a_pin_within_its_range():
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)
    direct = [*project["project"]["dependencies"], *chain.from_iterable(project["dependency-groups"].values())]
    assert all(re.search(rf'"{re.escape(each)}"[\],]+ +# \w', text) for each in direct)
    lines = requirement_lines("requirements.txt")
    assert all("==" in line for line in lines)
    assert {"torch==2.11.0", "torchvision==0.26.0"} <= set(lines)
    pinned = [(name, version.partition(" ")[0]) for name, version in (line.split("==", 1) for line in lines)]
    for requirement in map(Requirement, direct):
        versions = [version for name, version in pinned if name == requirement.name.lower()]
        assert versions, requirement
        assert all(version in requirement.specifier for version in versions), requirement


def test_library_imports_only_declared_dependencies():
    """What notebooks, slides and benchmarks need in addition is in the dependency groups."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    modules = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml"}
    allowed = {Requirement(each).name for each in declared} | sys.stdlib_module_names | {"dogbreeds", "urllib3"}
    for file in chain(*((ROOT / "lib/dogbreeds" / package).rglob("*.py") for package in CORE_PACKAGES)):
        if file.stem == "ray_executor":
            continue
        for node in ast.parse(file.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            packages = {name.partition(".")[0] for name in names}
            assert {modules.get(name, name) for name in packages} <= allowed, file


def test_the_pins_name_no_package_index():
    text = (ROOT / "requirements.txt").read_text()
    assert "index-url" not in text
    assert "://" not in text


@pytest.mark.slow
def test_importable_from_any_working_directory(tmp_path):
    command = [sys.executable, "-c", "import dogbreeds.study; print(dogbreeds.paths.NOTEBOOKS)"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert found.strip() == str(ROOT / "notebooks")


def lint_imports(root):
    command = [LINT_IMPORTS, "--config", ROOT / "pyproject.toml", "--no-cache"]
    return subprocess.run(command, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, text=True, stdout=-1)


@pytest.mark.parametrize("statement", ["", "import dogbreeds.cli.main", "def late():\n    import dogbreeds.cli.main"])
def test_packages_import_only_from_packages_below_them(tmp_path, statement):
    """Imports inside functions count too; a search for lines that start with `from` would miss them."""
    shutil.copytree(ROOT / "lib" / "dogbreeds", tmp_path / "dogbreeds", ignore=shutil.ignore_patterns("__pycache__"))
    splits = tmp_path / "dogbreeds" / "data" / "splits.py"
    splits.write_text(f"{splits.read_text()}\n\n{statement}\n")
    outcome = lint_imports(tmp_path)
    assert outcome.returncode == bool(statement), outcome.stdout
    assert ("dogbreeds.data.splits -> dogbreeds.cli.main" in outcome.stdout) == bool(statement)


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_stored_notebooks_are_executed_and_follow_the_conventions(path):
    notebook = nbformat.read(path, as_version=4)
    assert notebook.cells[0].source.startswith("# ")
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells), "run all cells and store the notebook"
    outputs = [output for cell in cells for output in cell.outputs]
    assert outputs
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    assert max(len(cell.source.splitlines()) for cell in cells) <= 15
    if "03" not in path.stem:
        assert not [cell for cell in cells if re.search(r"^\s*(class|def) ", cell.source, re.M)]
    assert str(ROOT) not in path.read_text()


@pytest.mark.parametrize("path", notebooks.numbered_notebooks(), ids=lambda path: path.stem)
def test_numbered_notebooks_start_with_a_question_and_end_with_a_summary(path):
    cells = nbformat.read(path, as_version=4).cells
    assert "?" in cells[0].source
    assert "print_versions" in cells[3].source
    assert any(cell.source.startswith("## What was learned") for cell in cells[-3:])
    exact = [c for c in cells if c.cell_type == "code" and "nbval-ignore-output" not in c.metadata.get("tags", [])]
    assert [cell for cell in exact if any(o.output_type == "stream" for o in cell.outputs)], "nothing for nbval"


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_notebook_defaults_equal_the_sample_profile(path):
    known = papermill.inspect_notebook(path)
    defaults = {"profile": "sample", "photos": "", "changes": {}}
    defaults |= {"language": "fr"} if path == notebooks.PRESENTATION else {}
    assert {name: eval(entry["default"]) for name, entry in known.items()} == defaults
    cells = nbformat.read(path, 4).cells
    assert any("Study.from_profile(profile, photos, **changes)" in cell.source for cell in cells)


@pytest.mark.parametrize("profile", sorted(path.stem for path in paths.PROFILES.glob("*.yaml")))
def test_every_profile_is_valid(profile, photo_folder):
    photos = str(photo_folder) if profile == "own_photos" else ""
    study = Study.from_profile(profile, photos, **({"weights": ["scratch"]} if photos else {}))
    assert study.profile == (f"{profile}-photos" if photos else profile)
    assert study.photos_per_breed == {"sample": 100, "tiny": 24}.get(profile, 0)


def test_the_readme_names_commands_that_exist():
    makefile = (ROOT / "Makefile").read_text()
    readme = (ROOT / "README.md").read_text()
    named = set(re.findall(r"\bmake ([a-z]+)", readme))
    assert {"study", "test", "lab", "slides", "help"} <= named
    assert named <= set(re.findall(r"^([a-z]+):", makefile, re.M))
    assert (ROOT / ".ci" / "run").read_text().strip().endswith("make test")
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert set(re.findall(r"^ *(dogbreeds) ", readme, re.M)) <= set(scripts)
