"""Keeps the results of a finished study with the code, and writes the README's tables from what is kept.

`make reference PROFILE=sample` copies the tables of outputs/sample to outputs/reference/sample, with where and when
they were made, and the runs that they are made from: what each recorded, learned and predicted, without weights and
without a photograph. `tables_of` makes the tables again from these runs, in seconds. `PROFILE=bench` keeps what
`dogbreeds bench` measured, as bench_cpu or bench_gpu. Then every block of the README between `<!-- results: NAME
-->` and `<!-- end of results -->` is written anew from outputs/reference/NAME.
"""

import json
import platform
import re
import shutil
import sys
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from dogbreeds import figures, models, paths
from dogbreeds.analysis import batch_norm_diagnosis, claims_2020, reproducibility, tables
from dogbreeds.analysis.intervals import format_difference
from dogbreeds.benchmarks.scaling import MEASURES
from dogbreeds.errors import StudyError
from dogbreeds.study import Study, variants
from dogbreeds.training import runs
from dogbreeds.training.recipe import Recipe
from dogbreeds.training.runs import Run

REFERENCE, README = paths.REFERENCE, paths.REPOSITORY / "README.md"
KEPT_OF_A_RUN = ("run.json", "history.csv", "predictions.npz")
BLOCK = re.compile(r"(<!-- results: (\w+) -->\n).*?(<!-- end of results -->)", re.DOTALL)
OTHERS = {"tutorial": "tutorial", "timm": "timm", "torchvision": "torchvision", "keras_directory": "Keras' directory"}
BENCH_ON_GPU = "dogbreeds bench --photos folder --size 224 --batch-size 128 --precision bfloat16"


def machine(threads: int) -> str:
    """Processor, its cores and those that a training took, and the GPU of this machine, as a person would say it."""
    information = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    model = re.search(r"model name\s*: (.+)", information)
    processor = f"{torch.get_num_threads()} cores ({model[1] if model else platform.machine()})"
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{processor}, {threads} a training, {gpu}"


def keep(parameters: dict, name: str, command: str) -> Path:
    """The folder outputs/reference/`name` with the tables of the finished study of `parameters`.

    Raises StudyError when the study has no tables yet.
    """
    study = Study(**parameters)
    made = study.folder / "tables"
    if not (made / "claims.csv").is_file():
        raise StudyError(f"{made} has no finished study: run {command}")
    folder = REFERENCE / name
    folder.mkdir(parents=True, exist_ok=True)
    roles = keep_runs(study, folder)
    for table in sorted(made.glob("*.csv")):
        shutil.copy(table, folder / table.name)
    trainings = runs.results(study.store).drop(columns=["start", "start_fingerprint"])
    trainings.to_csv(folder / "runs.csv", index=False)
    results, chance = pd.read_csv(folder / "results.csv"), 1 / len(study.dataset.breeds)
    figures.accuracies(results, chance).savefig(folder / "accuracies.png", dpi=110)
    about = {
        "pictures": f"{len(study.dataset.photos)} {study.dataset.kind} of {len(study.dataset.breeds)} breeds",
        "test pictures": len(study.dataset.rows("test")),
        "pixels a side": study.image_size,
        "seeds": len(study.seeds),
        "command": command,
        "machine": machine(int(trainings["threads"].max())),
        "date": datetime.now(UTC).date().isoformat(),
        "commits": ", ".join(sorted(trainings["commit"].dropna().unique())),
        "runs": roles,
    }
    (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n")
    return folder


def keep_runs(study: Study, folder: Path) -> dict[str, dict[str, str]]:
    """Copies the runs of a finished study, and what was measured with them, and returns what each run is for.

    That is "comparison", "baselines" or "failure", and in each its name and its id. Raises StudyError, with all that
    was kept before left as it is, for a run that this study has not trained itself.
    """
    missing = [job.id for job in study.plan() if not runs.finished(study.store, job.config)]
    if missing:
        raise StudyError(f"{study.store} has no finished run {missing[0]}: run dogbreeds study first")
    roles = {"comparison": {run.id: run.id for run in study.runs()}}
    varied = variants.of(Recipe.of(study.recipe))
    for role, which in {"baselines": variants.BASELINE, "failure": variants.FAILURE}.items():
        found = study.variants(*which, study.weights[-1], varied[which])
        roles[role] = {name: run.id for name, run in found.items()}
    for kind in ("runs", "arrays"):
        shutil.rmtree(folder / kind, ignore_errors=True)
    for job in study.plan():
        (folder / "runs" / job.id).mkdir(parents=True)
        for name in KEPT_OF_A_RUN:
            shutil.copy(study.store / job.id / name, folder / "runs" / job.id / name)
    shutil.copytree(study.store.parent / "arrays", folder / "arrays")
    return roles


def tables_of(folder: Path) -> dict[str, pd.DataFrame]:
    """The tables of a study, by their names, made from the runs and arrays that are kept in `folder`."""
    about = json.loads((folder / "about.json").read_text())
    found = {
        role: {name: Run(folder / "runs" / run) for name, run in mine.items()} for role, mine in about["runs"].items()
    }
    compared, failing = list(found["comparison"].values()), found["failure"]
    arrays = {}
    for file in (folder / "arrays").glob("*.npz"):
        with np.load(file) as kept:
            arrays[file.name.rpartition("-")[0]] = dict(kept)
    band, engines = reproducibility.measured(arrays["noise"])
    pairs = {f"{choice}s": tables.comparisons(compared, choice) for choice in tables.CHOICES}
    return pairs | {
        "results": tables.result_table(compared),
        "learning_speed": tables.learning_speed(compared),
        "claims": claims_2020.confront(compared),
        "baselines": tables.variant_table(found["baselines"]),
        "statistics": batch_norm_diagnosis.two_by_two(failing, arrays["batch_norm"]),
        "engines": reproducibility.table(engines, band),
    }


def keep_bench(outputs: Path) -> Path:
    """The folder outputs/reference/bench_cpu or bench_gpu with the tables and charts of `dogbreeds bench`.

    Raises StudyError when nothing was measured yet.
    """
    if not (outputs / "tables" / "bench.csv").is_file():
        raise StudyError(f"{outputs / 'tables'} has no bench.csv: run dogbreeds bench")
    ours = pd.read_csv(outputs / "tables" / "bench.csv").query("pipeline == 'ours'")
    ours = ours.sort_values("framework").iloc[-1]  # PyTorch's
    folder = REFERENCE / ("bench_cpu" if ours["device"].startswith("cpu") else "bench_gpu")
    folder.mkdir(parents=True, exist_ok=True)
    for file in [*outputs.glob("tables/*.csv"), *outputs.glob("figures/*.png")]:
        shutil.copy(file, folder / file.name)
    asked = f"--size {ours['image_size']} --batch-size {ours['batch_size']} --precision {ours['precision']}"
    asked += f" --rounds {ours['rounds']}"
    about = {
        "photos": int(ours["photos"]),
        "command": f"dogbreeds bench --photos folder {asked}",
        "machine": machine(int(ours["threads"])),
        "date": datetime.now(UTC).date().isoformat(),
    }
    (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n")
    return folder


def block(folder: Path) -> str:
    """What the README says of the results kept in `folder`: where they are from, tables and a figure, in Markdown."""
    return (_bench if folder.name.startswith("bench") else _study)(folder)


def _study(folder: Path) -> str:
    about = json.loads((folder / "about.json").read_text())
    results, claimed = (pd.read_csv(folder / f"{name}.csv") for name in ("results", "claims"))
    lines = [
        f"{about['pictures']}, {about['test pictures']} of them for the test, {about['pixels a side']} pixels a side, "
        f"seeds: {about['seeds']}. `{about['command']}` on {about['machine']}, {about['date']}.",
        *(["", f"**{about['caveat']}**"] if "caveat" in about else []),
        "",
        "| network | framework | start | test accuracy | 95 % interval | seconds | photos/s |",
        "|---|---|---|---|---|---|---|",
    ]
    for _, row in results.iterrows():
        cells = [row["network"], row["framework"], row["start"], f"{row['test accuracy']:.1%}"]
        cells += [f"{row['low']:.1%} to {row['high']:.1%}", f"{row['seconds']:.0f}", f"{row['photos/s']:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    picture = (folder / "accuracies.png").relative_to(paths.REPOSITORY)
    lines += ["", f"![Test accuracies with their 95 % intervals]({picture})", ""]
    lines += ["| claim of 2020 | start | measured | verdict |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in claimed[["claim", "start", "measured", "verdict"]].to_numpy()]
    return "\n".join([*lines, ""])


def _bench(folder: Path) -> str:
    """Of each network and framework how close ours comes to the limit, and how many times as fast as others it is."""
    head = ["network", "framework", "photos/s", "of the limit (lowest to highest turn)"]
    head += [f"over {name}" for name in OTHERS.values()]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    if not folder.is_dir():
        names = [[models.TITLES[name] for name in kind] for kind in (models.ARCHITECTURES, models.FRAMEWORKS)]
        lines += [f"| {network} | {framework} |" + " |" * (len(head) - 2) for network, framework in product(*names)]
        told = f"On a GPU: not run yet. `{BENCH_ON_GPU}` there, then `make reference PROFILE=bench`, fills the rows."
        return "\n".join([told, "", *lines, ""])
    about = json.loads((folder / "about.json").read_text())
    table = pd.read_csv(folder / "bench.csv")
    for (network, framework), rows in table.groupby(["network", "framework"], sort=False):
        rows = rows.set_index("pipeline")
        ours, shares = rows.loc["ours"], rows["share_of_limit"]
        reached = f"{ours['share_of_limit']:.1%} ({ours['lowest_share']:.1%} to {ours['highest_share']:.1%})"
        times = [f"{shares['ours'] / shares[other]:.2f}" if other in shares else "" for other in OTHERS]
        cells = [network, framework, f"{ours['photos_per_second']:.0f}", reached, *times]
        lines.append(f"| {' | '.join(cells)} |")
    told = f"{about['photos']} training photos. `{about['command']}` on {about['machine']}, {about['date']}."
    for name, more in {"accuracy_difference": _accuracy, "growth_fitted": _growth}.items():
        if (folder / f"{name}.csv").is_file():
            lines += ["", *more(folder)]
    return "\n".join([told, "", *lines, ""])


def _accuracy(folder: Path) -> list[str]:
    """What ours is ahead of the plain way by."""
    each, gaps = (pd.read_csv(folder / f"{name}.csv") for name in ("accuracy", "accuracy_difference"))
    means, first = each.groupby(["network", "path"])["test accuracy"].mean(), each.iloc[0]
    asked = f"--size {first['image_size']} --batch-size {first['batch_size']} --accuracy {first['epochs']}"
    seeds = f"{first['test photos']} test photos, {each['seed'].nunique()} seeds"
    lines = [f"{seeds}: `dogbreeds bench --photos folder {asked}`.", ""]
    lines += ["| network | ours in | ours | plain way | ours less the plain way |", "|---|---|---|---|---|"]
    for _, row in gaps.iterrows():
        reached = [means[row["network"], path] for path in (f"ours, {row['ours in']}", "plain")]
        cells = [row["network"], row["ours in"], *(f"{share:.1%}" for share in reached)]
        lines.append(f"| {' | '.join(cells)} | {format_difference(row['difference'], row['low'], row['high'])} |")
    return lines


def _growth(folder: Path) -> list[str]:
    """How each cost grows, as a power of the size, with its 95 % interval."""
    fitted = pd.read_csv(folder / "growth_fitted.csv")
    sizes = pd.read_csv(folder / "growth.csv").groupby("axis", sort=False)["size"]
    lines = [
        "ResNet50 in PyTorch, the first epoch of a training, each size once (`dogbreeds bench --growth PHOTOS`). "
        "An epoch is counted as its steps times the median one.",
        "",
        "| what grows | from, to | cost | grows as size to the power of | 95 % interval |",
        "|---|---|---|---|---|",
    ]
    for _, row in fitted.iterrows():
        ends = f"{sizes.min()[row['axis']]} to {sizes.max()[row['axis']]}"
        cells = [row["axis"], ends, MEASURES[row["measure"]], f"{row['power']:z.2f}"]
        lines.append(f"| {' | '.join(cells)} | {row['low']:z.2f} to {row['high']:z.2f} |")
    return lines


def written(readme: str) -> str:
    """The text of a README with every block of results written anew."""
    return BLOCK.sub(lambda found: found[1] + block(REFERENCE / found[2]) + found[3], readme)


def main() -> None:
    from dogbreeds.study.notebooks import read_profile

    profile, photos = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    command = f"make study PROFILE={profile}" + (" PHOTOS=folder" if photos else "")
    try:
        if profile == "bench":
            print(keep_bench(paths.outputs() / profile))
        else:
            print(keep(read_profile(profile, photos), profile, command))
    except StudyError as error:
        sys.exit(f"dogbreeds: {error}")
    README.write_text(written(README.read_text()))


if __name__ == "__main__":
    main()
