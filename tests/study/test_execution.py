"""Parallel notebooks: each uses its share of threads, and a failed notebook is reported without stopping others."""

import nbformat
import pytest

from dogbreeds.errors import StudyError
from dogbreeds.execution import execute_all

pytestmark = pytest.mark.slow


def notebook(folder, name, source):
    parameters = nbformat.v4.new_code_cell("word = ''", metadata={"tags": ["parameters"]})
    cells = [parameters, nbformat.v4.new_code_cell(source)]
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / f"{name}.ipynb")
    return folder / f"{name}.ipynb"


def test_each_notebook_receives_its_parameters_and_threads(tmp_path):
    source = "import os; print(word, os.environ['OMP_NUM_THREADS'])"
    notebooks = [notebook(tmp_path, name, source) for name in ("01_one", "04_four")]
    ended = dict(execute_all(notebooks, tmp_path / "out", {"word": "dogs"}, 2, 3))
    assert sorted(ended) == [tmp_path / "out" / each.name for each in notebooks]
    for file, seconds in ended.items():
        assert seconds > 0
        assert nbformat.read(file, as_version=4).cells[-1].outputs[0].text == "dogs 3\n"


def test_failed_notebook_is_named_and_the_others_finish(tmp_path):
    broken = notebook(tmp_path, "01_broken", "raise ValueError('no dog')")
    fine = notebook(tmp_path, "02_fine", "pass")
    with pytest.raises(StudyError, match=r"01_broken.ipynb failed in cell 3 \(ValueError: no dog\); see .*failed"):
        list(execute_all([broken, fine], tmp_path / "out", {"word": "dogs"}, 2, 1))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["01_broken.failed.ipynb", "02_fine.ipynb"]
