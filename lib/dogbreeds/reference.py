"""Keeps the results of a finished study with the code, and writes the README's tables from what is kept.

`make reference PROFILE=sample` copies the tables of outputs/sample, without a photograph, to outputs/reference/sample,
with a row a training and with where and when they were made. Then every block of the README between `<!-- results: NAME
-->` and `<!-- end of results -->` is written anew from outputs/reference/NAME.
"""

import json
import platform
import re
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import torch

from dogbreeds import paths, plots, runs
from dogbreeds.errors import StudyError
from dogbreeds.study import Study

REFERENCE, README = paths.REPOSITORY / "outputs" / "reference", paths.REPOSITORY / "README.md"
BLOCK = re.compile(r"(<!-- results: (\w+) -->\n).*?(<!-- end of results -->)", re.DOTALL)


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
    tables = study.folder / "tables"
    if not (tables / "claims.csv").is_file():
        raise StudyError(f"{tables} has no finished study: run {command}")
    folder = REFERENCE / name
    folder.mkdir(parents=True, exist_ok=True)
    for table in sorted(tables.glob("*.csv")):
        shutil.copy(table, folder / table.name)
    trainings = runs.results(study.store).drop(columns=["start", "start_fingerprint"])
    trainings.to_csv(folder / "runs.csv", index=False)
    results, chance = pd.read_csv(folder / "results.csv"), 1 / len(study.dataset.breeds)
    plots.accuracies(results, chance).savefig(folder / "accuracies.png", dpi=110)
    about = {
        "pictures": f"{len(study.dataset.photos)} {study.dataset.kind} of {len(study.dataset.breeds)} breeds",
        "test pictures": len(study.dataset.rows("test")),
        "pixels a side": study.image_size,
        "seeds": len(study.seeds),
        "command": command,
        "machine": machine(int(trainings["threads"].max())),
        "date": datetime.now(UTC).date().isoformat(),
        "commits": ", ".join(sorted(trainings["commit"].dropna().unique())),
    }
    (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n")
    return folder


def block(folder: Path) -> str:
    """What the README says of the results kept in `folder`: where they are from, tables and a figure, in Markdown."""
    about = json.loads((folder / "about.json").read_text())
    results, claims = (pd.read_csv(folder / f"{name}.csv") for name in ("results", "claims"))
    lines = [
        f"{about['pictures']}, {about['test pictures']} of them for the test, {about['pixels a side']} pixels a side, "
        f"seeds: {about['seeds']}. `{about['command']}` on {about['machine']}, {about['date']}.",
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
    lines += [f"| {' | '.join(row)} |" for row in claims[["claim", "start", "measured", "verdict"]].to_numpy()]
    return "\n".join([*lines, ""])


def written(readme: str) -> str:
    """The text of a README with every block of results written anew."""
    return BLOCK.sub(lambda found: found[1] + block(REFERENCE / found[2]) + found[3], readme)


def main() -> None:
    from dogbreeds.notebooks import read_profile

    profile, photos = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    command = f"make study PROFILE={profile}" + (" PHOTOS=folder" if photos else "")
    try:
        print(keep(read_profile(profile, photos), profile, command))
    except StudyError as error:
        sys.exit(f"dogbreeds: {error}")
    README.write_text(written(README.read_text()))


if __name__ == "__main__":
    main()
