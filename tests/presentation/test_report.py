"""The report links to every document and figure and shows every table."""

import re
from types import SimpleNamespace

import nbformat
import pandas as pd

from dogbreeds.presentation import report


def test_report_contains_all_results_and_escapes_their_names(tmp_path):
    for name in ("tables", "figures", "slides"):
        (tmp_path / name).mkdir()
    (tmp_path / "figures" / "a & b_<c>.svg").touch()
    pd.DataFrame({"network": ["<i>"], "share": [1 / 3]}).to_csv(tmp_path / "tables" / "results.csv", index=False)
    pd.DataFrame({"claim": ["It flies"]}).to_csv(tmp_path / "tables" / "claims_2020.csv", index=False)
    documents = [tmp_path / "01_data.ipynb", tmp_path / "slides" / "talk.html"]
    nbformat.write(nbformat.v4.new_notebook(), documents[0])
    dataset = SimpleNamespace(photos=range(7), kind="drawn dogs", breeds=("pug", "corgi"))
    study = SimpleNamespace(folder=tmp_path, profile="<toy>", dataset=dataset, image_size=64, seeds=[0])
    page = report.write(study, documents).read_text(encoding="utf-8")
    assert re.findall(r'(?:href|src)="([^"]+)"', page) == [
        "01_data.html",
        "slides/talk.html",
        "figures/a &amp; b_&lt;c&gt;.svg",
    ]
    assert (tmp_path / "01_data.html").is_file()
    assert re.findall(r"<details( open)?>\s*<summary>(.+)</summary>", page) == [
        ("", "claims 2020"),
        (" open", "results"),
    ]
    assert re.findall(r"<td>(.+)</td>", page) == ["It flies", "&lt;i&gt;", "0.333"]
    assert "<title>Dog breeds: &lt;toy&gt;</title>" in page
    assert "7 drawn dogs of 2 breeds" in page
