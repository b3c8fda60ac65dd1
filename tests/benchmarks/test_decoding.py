"""The benchmark of decoding measures each number of processes. These tests do not check speeds."""

import json

import pandas as pd
import pytest

from dogbreeds.benchmarks import decoding
from dogbreeds.cli import main
from dogbreeds.data import datasets


@pytest.mark.parametrize(("cores", "counts"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])])
def test_processes_are_powers_of_two_up_to_the_cores(cores, counts):
    assert decoding.counts(cores) == counts


@pytest.mark.parametrize("drawn", [False, True])
def test_the_command_prints_and_saves_one_row_per_number_of_processes(
    photo_folder, tmp_path, capsys, in_processes, drawn
):
    words = ["--photos-per-breed", "8"] if drawn else ["--photos", str(photo_folder)]
    assert main(["bench", "decoding", *words, "--size", "24", "--json"]) == 0
    expected = len(datasets.load("drawn_dogs", photos_per_breed=8).photos) if drawn else 24
    rows = json.loads(capsys.readouterr().out)
    assert [row["processes"] for row in rows] == [1, 2]
    for row in rows:
        assert (row["photos"], row["image_size"], row["rounds"]) == (expected, 24, decoding.ROUNDS)
        assert 0 < row["lowest_ratio"] <= row["ratio_to_one"] <= row["highest_ratio"]
        assert row["photos_per_second"] > 0
    assert {rows[0][name] for name in ("lowest_ratio", "ratio_to_one", "highest_ratio")} == {1}
    saved = pd.read_csv(tmp_path / "outputs" / "bench" / "tables" / "decoding.csv")
    assert saved["processes"].to_list() == [1, 2]
