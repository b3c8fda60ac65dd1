"""`dogbreeds bench gpu`: each part ends within its time and leaves its results, whatever happens to the others.

Its rehearsal runs the real commands, so that it also tests all pipelines of the benchmark. No test checks a speed.
"""

import os
import subprocess
import sys
import time

import pandas as pd
import pytest

from dogbreeds import paths
from dogbreeds.benchmarks import gpu
from dogbreeds.cli import main
from dogbreeds.figures import benchmarks as charts

PIPELINES = {
    "PyTorch": ["compute_only", "this_library", "tutorial", "timm", "torchvision"],
    "Keras": ["compute_only", "this_library", "keras_directory"],
}
WRITES = "import os, pathlib; pathlib.Path(os.environ['DOGBREEDS_OUTPUTS']).mkdir(parents=True);"
WRITES += "pathlib.Path(os.environ['DOGBREEDS_OUTPUTS'], 'kept.csv').write_text('a'); print('{} written')"


def part(name, code, limit=60):
    return gpu.Part(name, limit, ["-c", code], ("*.csv",), lambda outputs, log: [("log", "", log.read_text().strip())])


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_part_that_fails_or_hangs_leaves_its_results_and_the_next_one_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "GRACE", 0.5)
    # Ignores the interruption; its own process would outlive it.
    child = "import signal, subprocess, sys, time; signal.signal(signal.SIGINT, signal.SIG_IGN);"
    child += "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid, flush=True)"
    hanging = f"{WRITES.format('first')}; {child}; time.sleep(600)"
    found = [part("hanging", hanging, 3), part("failing", "raise SystemExit(3)"), part("last", WRITES.format("last"))]
    began = time.perf_counter()
    table = gpu.measure(tmp_path / "gpu", found)
    assert time.perf_counter() - began < 60
    ends = table[table["measure"] == "end"]["result"].to_list()
    assert ends[:2] == ["stopped after 3 s", "failed with status 3"]
    assert ends[2].startswith("finished in ")
    pid = int(table["result"][1].split()[-1])  # the line after "first written"
    for _ in range(50):
        if not is_alive(pid):
            break
        time.sleep(0.1)
    assert not is_alive(pid)
    assert table["result"].iloc[-1] == "last written"
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "gpu" / "results.csv").fillna(""), table)
    kept = {path.relative_to(tmp_path / "gpu").as_posix() for path in (tmp_path / "gpu").rglob("*.csv")}
    assert {"hanging/kept.csv", "last/kept.csv"} <= kept


def test_speeds_stand_beside_their_goals(tmp_path):
    rows = []
    for framework, speeds in {"PyTorch": (1000, 960, 400), "Keras": (900, 720, None)}.items():
        for pipeline, speed in zip(("compute_only", "this_library", "torchvision"), speeds, strict=True):
            own = pipeline == "this_library"
            row = {"network": "ResNet50", "framework": framework, "pipeline": pipeline, "photos_per_second": speed}
            row |= {"seconds_to_first_step": 4.2 if own else None, "photos_per_second_of_run": 500 if own else None}
            rows.append(row)
    file = tmp_path / "bench" / "tables" / "bench.csv"
    assert list(gpu._speeds(tmp_path, tmp_path)) == []  # nothing was measured
    file.parent.mkdir(parents=True)
    pd.DataFrame(rows).to_csv(file)
    found = {measure: (goal, result) for measure, goal, result in gpu._speeds(tmp_path, tmp_path)}
    assert found["ResNet50, PyTorch: share of compute only"] == ("0.95 or more", "0.96")
    assert found["ResNet50: Keras, times PyTorch"] == ("0.8 or more", "0.75")
    assert found["ResNet50: times torchvision's reference pipeline"] == ("2 or more", "2.4")
    assert found["ResNet50, Keras, this library: seconds to the first step"] == (
        "5 or less",
        "4.2",
    )
    assert found["ResNet50, Keras, this library: photos/s of the run"] == ("", "500")


def test_unfinished_runs_do_not_count_and_unreadable_results_end_nothing(tmp_path):
    for name, content in {"a": '{"test_accuracy": 0.5}', "b.unfinished": '{"test_acc'}.items():
        (tmp_path / "sample" / "runs" / name).mkdir(parents=True)
        (tmp_path / "sample" / "runs" / name / "run.json").write_text(content)
    results = dict((measure, result) for measure, _, result in gpu._study(tmp_path, tmp_path / "log"))
    assert (results["finished runs"], results["test accuracy"]) == ("1", "0.500 to 0.500")

    def broken(outputs, log):
        yield "first", "", "1"
        raise ValueError("half a line")

    found = [gpu.Part("killed", 60, ["-c", ""], (), broken), part("last", "print('done')")]
    table = gpu.measure(tmp_path / "gpu", found)
    assert table[table["part"] == "killed"]["result"].iloc[-1] == "not readable: ValueError: half a line"
    assert table["result"].iloc[-1] == "done"


def test_a_stopped_part_gives_exit_status_1_but_photographs_may_take_longer(photo_folder, monkeypatch, capsys):
    def stopped(name):
        rows = [("tests", "end", "", "finished in 3 s"), (name, "end", "", "stopped after 9 s")]
        return lambda folder, found: pd.DataFrame(rows, columns=["part", "measure", "goal", "result"])

    for name, status in (("bench", 1), ("photographs", 0)):
        monkeypatch.setattr(gpu, "measure", stopped(name))
        assert main(["bench", "gpu", "--photos", str(photo_folder)]) == status
    assert main(["bench", "gpu", "--photos", "nowhere"]) == 2
    assert "nowhere is not a folder: give a folder of photographs by breed" in capsys.readouterr().err


def test_photographs_are_a_part_only_if_they_are_given():
    assert [each.name for each in gpu.parts(None, 60, True)] == ["tests", "bench", "references", "sample"]
    photographs = gpu.parts("folder", 60, True)[-1]
    assert (photographs.name, photographs.limit) == ("photographs", 60)
    assert photographs.command[photographs.command.index("--photos") + 1] == "folder"
    assert sum(each.limit for each in gpu.parts(None, 60, True)) <= 600


@pytest.mark.slow
def test_the_rehearsal_runs_all_parts_at_tiny_sizes(tmp_path):
    environment = os.environ | {"KERAS_BACKEND": "torch"}  # on this backend Keras traces nothing
    environment |= {"CUDA_VISIBLE_DEVICES": "", "DOGBREEDS_OUTPUTS": str(tmp_path)}
    command = [sys.executable, "-m", "dogbreeds", "bench", "gpu"]
    ended = subprocess.run(command, env=environment, cwd=paths.REPOSITORY, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "no GPU: a rehearsal at tiny sizes" in ended.stderr
    (folder,) = (tmp_path / "gpu").iterdir()
    table = pd.read_csv(folder / "results.csv", dtype=str).fillna("")
    assert table["part"].unique().tolist() == ["tests", "bench", "references", "sample"]
    assert table[table["measure"] == "end"]["result"].str.startswith("finished in ").all()
    results = table.set_index("measure")["result"]
    assert " skipped in " in results["tests"]
    assert (results["finished runs"], results["finished notebooks"]) == ("2", "2")
    assert (folder / "sample" / "results.csv").is_file()
    own = pd.read_csv(folder / "bench" / "bench.csv")
    assert own["pipeline"].to_list() == ["compute_only", "this_library"]
    check_benchmark(pd.read_csv(folder / "references" / "bench.csv"))


def check_benchmark(rows):
    names = [(framework, name) for framework, pipelines in PIPELINES.items() for name in pipelines]
    assert list(zip(rows["framework"], rows["pipeline"], strict=True)) == names
    for framework in PIPELINES:
        of_framework = rows[rows["framework"] == framework]
        upper_bound = of_framework[of_framework["pipeline"] == "compute_only"]["photos_per_second"].item()
        shares = of_framework["photos_per_second"] / upper_bound  # one timed epoch each
        assert of_framework["share_of_upper_bound"].to_list() == pytest.approx(shares.to_list())
    assert ((rows["seconds_to_read"] > 0) == (rows["pipeline"] != "compute_only")).all()
    assert (rows["network"] == "ResNet50").all()
    assert rows["device"].str.startswith("cpu").all()
    own = rows["pipeline"] == "this_library"
    assert (rows[own]["seconds_to_first_step"] > 0).all()
    # A run does more than its steps.
    assert (rows[own]["photos_per_second_of_run"] < rows[own]["photos_per_second"]).all()
    assert rows[~own][["seconds_to_first_step", "photos_per_second_of_run"]].isna().all(axis=None)
    assert len(charts.throughput(rows).axes[0].patches) >= 5
