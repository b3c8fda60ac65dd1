"""`dogbreeds bench gpu`: checks and measures everything on a GPU, in parts that each have a time limit.

Each part is a command in its own process. A part that fails or reaches its limit leaves its results, and the next part
starts. On a machine without a GPU the same parts run at tiny sizes, as a rehearsal of the command: their results are
not meaningful.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dogbreeds import paths

GRACE = 10  # seconds a part has to stop after its limit


@dataclass(frozen=True)
class Part:
    """One command: the words that follow `python`, its limit, what is kept of its outputs, and how they are read."""

    name: str
    limit: int  # seconds
    command: list[str]
    kept: tuple[str, ...]  # patterns of files below DOGBREEDS_OUTPUTS
    read: Callable[[Path, Path], Iterator[tuple[str, str, str]]]  # yields measure, goal and result


def parts(photos: str | None, seconds: int, on_a_gpu: bool) -> list[Part]:
    """Returns the parts in order; `photos` adds one on photographs, with a limit of `seconds`."""
    dogbreeds = ["-m", "dogbreeds"]
    tests = [str(paths.REPOSITORY / "tests" / "test_gpu.py"), "-p", "no:cacheprovider"]
    speed, study, tiny = [*dogbreeds, "bench", "speed"], [*dogbreeds, "study", "--language", "en"], []
    if on_a_gpu:
        limits = {"tests": 90, "bench": 220, "references": 80, "sample": 180}
        speed += ["--size", "224", "--batch-size", "128", "--precision", "bfloat16", "--rounds", "2"]
        speed += ["--photos-per-breed", "300"]  # some twenty steps per epoch
        # Keras' reference pipeline needs TensorFlow.
        all_networks, references = [], ["--framework", "pytorch"]
        sample = ["--profile", "sample"]
    else:
        limits = {"tests": 300, "bench": 1200, "references": 1200, "sample": 1200}
        speed += ["--size", "32", "--batch-size", "4", "--photos-per-breed", "12", "--rounds", "1", "--workers", "1"]
        all_networks, references = ["--architecture", "resnet50", "--framework", "pytorch"], []
        sample = ["--profile", "tiny", "--parameter", "architectures=[resnet50]", "--parameter", "frameworks=[pytorch]"]
        tiny = ["--parameter", "image_size=32", "--parameter", "photos_per_breed=12"]
        tiny += ["--parameter", "recipe={epochs: 1, batch_size: 8}"]
    own = [*speed, *all_networks, "--without-references"]
    references = [*speed, "--architecture", "resnet50", *references]
    bench = ("bench/tables/bench.csv", "bench/figures/bench.png")
    tables = ("*/tables/*.csv", "*/figures/accuracies.png")
    found = [
        Part("tests", limits["tests"], ["-m", "pytest", *tests], (), _tests),
        Part("bench", limits["bench"], own, bench, _speeds),
        Part("references", limits["references"], references, bench, _speeds),
        Part("sample", limits["sample"], [*study, *sample], tables, _study),
    ]
    if photos:
        profile = ["--profile", "stanford_dogs", "--photos", photos, "--parameter", "seeds=[0]", *tiny]
        found.append(Part("photographs", seconds, [*study, *profile], tables, _study))
    return found


def measure(folder: Path, found: list[Part]) -> pd.DataFrame:
    """Runs the parts and returns the table of their results: part, measure, goal and result.

    `folder` is new. It receives the table, after each part with the results so far, the logs, and the files that each
    part keeps. All outputs of the parts, with the weights, stay in its sub-folder outputs.
    """
    folder.mkdir(parents=True)
    rows = []
    for part in found:
        outputs, log = folder / "outputs" / part.name, folder / f"{part.name}.log"
        print(f"{part.name}: at most {part.limit} s; its messages are in {paths.from_here(log)}", file=sys.stderr)
        rows.append((part.name, "end", f"within {part.limit} s", _run(part, outputs, log)))
        try:
            rows += [(part.name, *row) for row in part.read(outputs, log)]
        except Exception as error:  # of a command that was killed while it wrote
            rows.append((part.name, "results", "", f"not readable: {type(error).__name__}: {error}"))
        for file in [each for pattern in part.kept for each in sorted(outputs.glob(pattern))]:
            (folder / part.name).mkdir(exist_ok=True)
            shutil.copy(file, folder / part.name / file.name)
        table = pd.DataFrame(rows, columns=["part", "measure", "goal", "result"])
        table.to_csv(folder / "results.csv", index=False)
    return table


def _run(part: Part, outputs: Path, log: Path) -> str:
    """Runs the command of a part and says how it ended; ends it and all its processes at the limit."""
    start, environment = time.perf_counter(), os.environ | {"DOGBREEDS_OUTPUTS": str(outputs), "PYTHONUNBUFFERED": "1"}
    with log.open("w") as file:
        options = {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": subprocess.STDOUT, "start_new_session": True}
        process = subprocess.Popen([sys.executable, *part.command], env=environment, cwd=paths.REPOSITORY, **options)
        try:
            process.wait(part.limit)
        except subprocess.TimeoutExpired:
            return f"stopped after {part.limit} s"
        finally:
            _end(process)
    seconds = time.perf_counter() - start
    return f"finished in {seconds:.0f} s" if process.returncode == 0 else f"failed with status {process.returncode}"


def _end(process: subprocess.Popen) -> None:
    """Interrupts a command as Ctrl-C does, so that it keeps what is finished, and then ends all its processes."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            print(f"process {process.pid} did not stop within {GRACE} s of the interrupt: killed", file=sys.stderr)
    with suppress(ProcessLookupError):  # no process is left
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _tests(outputs: Path, log: Path) -> Iterator[tuple[str, str, str]]:
    found = re.findall(r"\d+ (?:passed|failed|skipped|error).* in [\d.]+s", log.read_text(errors="replace"))
    yield "tests", "all passed", found[-1] if found else "no result"


def _speeds(outputs: Path, log: Path) -> Iterator[tuple[str, str, str]]:
    """Speeds of this library beside the compute-only upper bound, the other framework and a reference pipeline."""
    file = outputs / "bench" / "tables" / "bench.csv"
    if not file.is_file():
        return
    measured = pd.read_csv(file)
    speeds = measured.pivot_table("photos_per_second", ["network", "framework"], "pipeline", sort=False)
    for (network, framework), row in speeds.iterrows():
        goal = "0.95 or more" if framework == "PyTorch" else ""
        share = row["this_library"] / row["compute_only"]
        yield f"{network}, {framework}: photos/s of the steps", "", f"{row['this_library']:.0f}"
        yield f"{network}, {framework}: share of compute only", goal, f"{share:.2f}"
        if framework == "Keras" and (network, "PyTorch") in speeds.index:
            ratio = row["this_library"] / speeds.loc[(network, "PyTorch"), "this_library"]
            yield f"{network}: Keras, times PyTorch", "0.8 or more", f"{ratio:.2f}"
        if "torchvision" in row.dropna():
            ratio = row["this_library"] / row["torchvision"]
            yield f"{network}: times torchvision's reference pipeline", "2 or more", f"{ratio:.1f}"
    for row in measured[measured["seconds_to_first_step"].notna()].itertuples():
        name = f"{row.network}, {row.framework}, {row.pipeline.replace('_', ' ')}"
        yield f"{name}: seconds to the first step", "5 or less", f"{row.seconds_to_first_step:.1f}"
        yield f"{name}: photos/s of the run", "", f"{row.photos_per_second_of_run:.0f}"


def _study(outputs: Path, log: Path) -> Iterator[tuple[str, str, str]]:
    """Finished runs and notebooks and the range of test accuracies, or the last message if no run has finished."""
    finished = [file for file in outputs.glob("*/runs/*/run.json") if file.parent.suffix != ".unfinished"]
    records = [json.loads(file.read_text()) for file in finished]
    notebooks = [file for file in outputs.glob("*/0[1-6]_*.ipynb") if not file.stem.endswith(".failed")]
    yield "finished runs", "", str(len(records))
    yield "finished notebooks", "", str(len(notebooks))
    if records:
        accuracies = [record["test_accuracy"] for record in records]
        yield "test accuracy", "", f"{min(accuracies):.3f} to {max(accuracies):.3f}"
    else:
        lines = log.read_text(errors="replace").replace("\r", "\n").splitlines()
        yield "last message", "", next((line.strip() for line in reversed(lines) if line.strip()), "none")
