"""Copies the results of a finished study to outputs/reference and writes the result tables of the README.

`make reference PROFILE=sample` copies the tables of outputs/sample to outputs/reference/sample, together with the
machine, the date and the runs behind the tables (records, histories and predictions, without weights or photos).
`tables_of` recomputes the tables from these runs in seconds. `PROFILE=failure_2020` copies the trainings of notebook 02
that ask why ResNet50 failed in 2020. `PROFILE=deployment` copies the tables of `dogbreeds bench deployment`,
`PROFILE=bench` the other measurements of `dogbreeds bench` on a CPU to bench_cpu, and `PROFILE=gpu` the results of the
last `make gpu` to gpu. Afterwards every block of the README between
`<!-- results: NAME -->` and `<!-- end of results -->` is rewritten from outputs/reference/NAME.
"""

import json
import re
import shutil
import sys
from datetime import UTC, datetime
from itertools import chain, product
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from dogbreeds import figures, models, paths
from dogbreeds.analysis import claims_2020, deployment, failure_2020, reproducibility, tables
from dogbreeds.analysis.intervals import format_difference
from dogbreeds.benchmarks.scaling import MEASURES
from dogbreeds.data.stanford_dogs import ARCHIVES
from dogbreeds.errors import StudyError
from dogbreeds.models import pretrained
from dogbreeds.study import Study, variants
from dogbreeds.training import runs
from dogbreeds.training.provenance import processor
from dogbreeds.training.recipe import Recipe
from dogbreeds.training.runs import Run

REFERENCE, README = paths.REFERENCE, paths.REPOSITORY / "README.md"
KEPT_OF_A_RUN = ("run.json", "history.csv", "predictions.npz")
BLOCK = re.compile(r"(<!-- results: (\w+) -->\n).*?(<!-- end of results -->)", re.DOTALL)
NETWORK = ["network", "framework"]
SHARE = "share of compute-only upper bound (lowest to highest epoch)"
SPEED_UPS = {
    "tutorial": "speed-up over PyTorch's tutorial",
    "timm": "speed-up over timm",
    "torchvision": "speed-up over torchvision",
    "keras_directory": "speed-up over Keras' directory",
}
FAILURE = (
    "papermill notebooks/02_baseline_xception.ipynb out.ipynb "
    "-y 'changes: {{photos_per_breed: 300, failure_2020: {{{settings}}}}}'"
)


def machine(threads: int) -> str:
    """Describes this machine in words: cores and model of the processor, threads per training, and GPU."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{processor()}, {threads} {'thread' if threads == 1 else 'threads'} per training, {gpu}"


def keep(study: Study, name: str, command: str) -> Path:
    """Copies tables and runs of a finished study to outputs/reference/`name` and returns that folder.

    Raises StudyError if the study has no tables yet.
    """
    made = study.folder / "tables"
    if not (made / "claims.csv").is_file():
        raise StudyError(f"{made} has no finished study: run {command}")
    folder = REFERENCE / name
    folder.mkdir(parents=True, exist_ok=True)
    roles = keep_runs(study, folder)
    for table in sorted(made.glob("*.csv")):
        shutil.copy(table, folder / table.name)
    trainings = runs.RunStore(study.store).results()
    trainings = trainings.drop(columns=["initialisation.source", "initialisation.fingerprint"])
    trainings.to_csv(folder / "runs.csv", index=False)
    results, chance = pd.read_csv(folder / "results.csv"), 1 / len(study.dataset.breeds)
    study.annotated(figures.accuracies(results, chance)).savefig(folder / "accuracies.png", dpi=110)
    about = {
        "images": f"{len(study.dataset.photos)} {study.dataset.kind} of {len(study.dataset.breeds)} breeds",
        "test images": len(study.dataset.rows("test")),
        "pixels a side": study.image_size,
        "seeds": len(study.seeds),
        "command": command,
        "commits": ", ".join(sorted(trainings["commit"].dropna().unique())),
        "runs": roles,
    }
    if study.provenance:
        about["provenance"] = study.provenance
    _write_about(folder, about, int(trainings["threads"].max()))
    return folder


def keep_runs(study: Study, folder: Path) -> dict[str, dict[str, str]]:
    """Copies the runs of a finished study and the arrays measured with them to `folder`; returns the run ids by role.

    The roles are "comparison", "baselines" and "in_pytorch"; each maps names to run ids. Raises StudyError if a run of
    the study is missing; files copied earlier then stay unchanged.
    """
    missing = [job.id for job in study.plan() if not runs.RunStore(study.store).finished(job.config)]
    if missing:
        raise StudyError(f"{study.store} has no finished run {missing[0]}: run dogbreeds study first")
    roles = {"comparison": {run.id: run.id for run in study.runs()}}
    varied = variants.of(Recipe.of(study.recipe))
    for role, which in {"baselines": variants.BASELINE, "in_pytorch": variants.IN_PYTORCH}.items():
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
    """Recomputes the tables of a study, by name, from the runs and arrays in `folder`."""
    about = json.loads((folder / "about.json").read_text())
    found = {
        role: {name: Run(folder / "runs" / run) for name, run in mine.items()} for role, mine in about["runs"].items()
    }
    compared = list(found["comparison"].values())
    arrays = {}
    for file in (folder / "arrays").glob("*.npz"):
        with np.load(file) as kept:
            arrays[file.name.rpartition("-")[0]] = dict(kept)
    band, backends = reproducibility.measured(arrays["noise"])
    names = {"networks": "network", "frameworks": "framework", "initial_weights": "initial weights"}
    pairs = {name: tables.comparisons(compared, choice) for name, choice in names.items()}
    return pairs | {
        "results": tables.result_table(compared),
        "learning_speed": tables.learning_speed(compared),
        "claims": deployment.with_claim(claims_2020.confront(compared), deployment.read(folder)),
        "baselines": tables.variant_table(found["baselines"]),
        "in_pytorch": tables.variant_table(found["in_pytorch"]),
        "backends": reproducibility.table(backends, band),
    }


def keep_failure(made: Path) -> Path:
    """Copies the trainings of notebook 02 on the failure of 2020 to outputs/reference and returns the folder.

    Their seeds, initial weights and threads are read from the files. Raises StudyError if there are none, or those of
    several datasets.
    """
    files, folder = sorted(made.rglob("*.npz")), REFERENCE / "failure_2020"
    files = [file for file in files if file.parent.name != "sources"]
    if len({file.parent for file in files}) != 1:
        command = FAILURE.format(settings="seeds: [0, 1, 2]")
        raise StudyError(f"{made} must have the trainings of one dataset: empty it and run {command}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in files:
        shutil.copy(file, folder / file.name)
    trainings = failure_2020.read(files)
    failure_2020.results(trainings).to_csv(folder / "results.csv", index=False)
    failure_2020.healing(trainings).to_csv(folder / "healing.csv", index=False)
    images = len(trainings[0]["train, labels"]), len(trainings[0]["test, labels"])
    about = {"images": f"{images[0]} {trainings[0]['kind']} for training and {images[1]} new ones"}
    about |= {"trainings": len(files), "command": FAILURE.format(settings=_failure_settings(trainings))}
    _write_about(folder, about, int(trainings[0].get("threads", 1)))  # the oldest files were trained on one
    return folder


def _failure_settings(trainings: list[dict[str, np.ndarray]]) -> str:
    """The seeds and initial weights of the trainings, as settings of a notebook in YAML."""
    seeds = sorted({int(training["seed"]) for training in trainings})
    weights = str(trainings[0].get("weights", "other-breeds"))
    return f"seeds: {seeds}" + (f", weights: {weights}" if weights == "imagenet" else "")


def keep_bench(outputs: Path) -> Path:
    """Copies the tables and charts of `dogbreeds bench` on a CPU to outputs/reference and returns the folder.

    Raises StudyError if there are no measurements, or if they were made on a GPU.
    """
    if not (outputs / "tables" / "bench.csv").is_file():
        raise StudyError(f"{outputs / 'tables'} has no bench.csv: run dogbreeds bench speed")
    row, folder = _benchmarked(outputs / "tables" / "bench.csv"), REFERENCE / "bench_cpu"
    if not row["device"].startswith("cpu"):
        raise StudyError(f"{outputs} was measured on {row['device']}: run make gpu and make reference PROFILE=gpu")
    folder.mkdir(parents=True, exist_ok=True)
    for file in [*outputs.glob("tables/*.csv"), *outputs.glob("figures/*.png")]:
        shutil.copy(file, folder / file.name)
    _write_about(folder, {"photos": int(row["photos"]), "command": _bench_command(row)}, int(row["threads"]))
    return folder


def keep_deployment(outputs: Path) -> list[Path]:
    """Copies what `dogbreeds bench deployment` measured of the studies in outputs/reference; returns the files.

    The claims of these studies are computed again. Raises StudyError if there are no measurements.
    """
    found = sorted(outputs.glob("*/tables/deployment.csv"))
    made = [file for file in found if (_kept(file) / "claims.csv").is_file() and _is_complete(pd.read_csv(file))]
    if not made:
        raise StudyError(f"{outputs} has no measurements of a reference study: run dogbreeds bench deployment")
    for file in made:
        folder = _kept(file)
        shutil.copy(file, folder / file.name)
        claims = pd.read_csv(folder / "claims.csv")
        claims = claims[claims["claim"] != deployment.CLAIM]
        deployment.with_claim(claims, deployment.read(folder)).to_csv(folder / "claims.csv", index=False)
    return [_kept(file) / file.name for file in made]


def _is_complete(table: pd.DataFrame) -> bool:
    """Whether a table of `dogbreeds bench deployment` has all networks in both frameworks."""
    return len(table[NETWORK].drop_duplicates()) == len(models.ARCHITECTURES) * len(models.FRAMEWORKS)


def _kept(table: Path) -> Path:
    """The folder in outputs/reference for a table of a study, whose folder of outputs ends in that of its photos."""
    return REFERENCE / table.parent.parent.name.partition("-")[0]


def keep_gpu(outputs: Path) -> Path:
    """Copies the results of the last `make gpu`, without weights, to outputs/reference/gpu and returns the folder.

    Raises StudyError if there are none, or if they are those of a rehearsal without a GPU.
    """
    made = sorted(file.parent for file in outputs.glob("*/results.csv"))
    if not made or not (made[-1] / "bench" / "bench.csv").is_file():
        raise StudyError(f"{outputs} has no finished benchmark: run make gpu")
    row, folder = _benchmarked(made[-1] / "bench" / "bench.csv"), REFERENCE / "gpu"
    if row["device"].startswith("cpu"):
        raise StudyError(f"{made[-1]} is a rehearsal without a GPU: run make gpu on a machine with one")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made[-1], folder, ignore=shutil.ignore_patterns("outputs"))
    about = {"photos": int(row["photos"]), "command": "make gpu", "bench": _bench_command(row)}
    _write_about(folder, about, int(row["threads"]))
    return folder


def _benchmarked(table: Path) -> pd.Series:
    """The row of this library, in PyTorch if it was measured, in a table of `dogbreeds bench speed`."""
    return pd.read_csv(table).query("pipeline == 'this_library'").sort_values("framework").iloc[-1]


def _bench_command(row: pd.Series) -> str:
    options = f"--size {row['image_size']} --batch-size {row['batch_size']} --precision {row['precision']}"
    return f"dogbreeds bench speed --photos folder {options} --rounds {row['rounds']}"


def _write_about(folder: Path, about: dict, threads: int) -> None:
    """Writes `about`, the machine and the date to about.json."""
    about = about | {"machine": machine(threads), "date": datetime.now(UTC).date().isoformat()}
    (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n")


def block(folder: Path) -> str:
    """The Markdown text of the README for the results in `folder`: their origin, tables and a figure."""
    kinds = {"bench_cpu": _bench, "gpu": _gpu, "deployment": _deployment, "failure_2020": _failure}
    kinds["published_files"] = _published_files
    return "\n\n".join(kinds.get(folder.name, _study)(folder)) + "\n"


def _published_files(folder: Path) -> list[str]:
    """A table of all published files, made from the code and not from a folder of results."""
    weights = [*pretrained.PUBLISHED.values(), pretrained.OF_KERAS_APPLICATIONS["resnet50"]]
    files = [*ARCHIVES, *(each.file for each in weights)]
    rows = [
        {
            "file": f"[{file.name}]({file.publisher}/{file.name})",
            "hash": f"{file.algorithm} {file.digest}",
            "bytes": f"{file.size:,}" if file.size else "not published",
            "known from": file.known_from,
        }
        for file in files
    ]
    return [_markdown(pd.DataFrame(rows))]


def _deployment(folder: Path) -> list[str]:
    """What `dogbreeds bench deployment` measured in each study that has a table of it in outputs/reference."""
    found = []
    for file in sorted(REFERENCE.glob("*/deployment.csv"), reverse=True):
        table = deployment.read(file.parent)
        shown, row, verdict = deployment.summary(table), table.iloc[0], deployment.claim(table)["verdict"].iloc[0]
        size = f"{row['image_size']} x {row['image_size']} pixels"
        images = (
            f"{row['test_photos']} test images ({row['images']}) at {size}, initial weights: {row['initial_weights']}"
        )
        measured = f"`dogbreeds bench deployment`, {table['round'].max()} rounds on {row['machine']}, {row['date']}"
        names = shown.pop("network") + ", " + shown.pop("framework")
        found += [
            f"{images}. {measured}: medians, with the range over the rounds.",
            _markdown(shown.set_index(names).T.reset_index(names="median")),
            f'The claim of 2020 that Keras is "easy to deploy", read as "{deployment.CLAIM}": {verdict}.',
        ]
    return found


def _failure(folder: Path) -> list[str]:
    about = json.loads((folder / "about.json").read_text())
    results, longer = (pd.read_csv(folder / f"{name}.csv") for name in ("results", "healing"))
    trainings = failure_2020.read(sorted(folder.glob("*.npz")))
    return [
        f"{about['images']}, chance {results['chance'][0]:.0%}. `{about['command']}` on {about['machine']}, "
        f"{about['date']}. {failure_2020.initial_weights(trainings)} Each cell: accuracy while training; accuracy on "
        "new images with its 95 % interval; both in per cent.",
        _markdown(failure_2020.readable(results)),
        "Nothing frozen: what this explanation expects of new images, and how many trainings are near chance.",
        _markdown(failure_2020.expectations(trainings)),
        "Longer trainings of ResNet50 on images divided by 255: the steps after which it leaves chance.",
        _markdown(failure_2020.healed(longer)),
    ]


def _study(folder: Path) -> list[str]:
    about = json.loads((folder / "about.json").read_text())
    results, claims = (pd.read_csv(folder / f"{name}.csv") for name in ("results", "claims"))
    claims, size = claims.rename(columns={"claim": "claim of 2020"}), about["pixels a side"]
    claims["p (Holm)"] = claims["p (Holm)"].map("{:.2g}".format, na_action="ignore").fillna("")
    shown = results[["network", "framework", "initial weights"]].copy()
    shown["test accuracy"] = results["test accuracy"].map("{:.1%}".format)
    shown["95 % interval"] = _ranges(results["low"], results["high"], ".1%")
    for column in ("seconds", "photos/s"):
        shown[column] = results[column].map("{:.0f}".format)
    image = (folder / "accuracies.png").relative_to(paths.REPOSITORY)
    return [
        f"{about['images']}, {about['test images']} of them in the test set, at {size} x {size} pixels, "
        f"seeds: {about['seeds']}. `{about['command']}` on {about['machine']}, {about['date']}.",
        *(f"**{about[name]}**" for name in ("provenance", "caveat") if name in about),
        _markdown(shown),
        f"![Test accuracies with their 95 % intervals]({image})",
        _markdown(claims[["claim of 2020", "initial weights", "measured", "p (Holm)", "verdict"]]),
    ]


def _gpu(folder: Path) -> list[str]:
    """The speeds on a GPU, and every result of `make gpu` beside its goal; rows that say "not run" without results."""
    if not folder.is_dir():
        rows = pd.DataFrame(product(models.ARCHITECTURES, models.FRAMEWORKS), columns=NETWORK).replace(models.TITLES)
        note = "Not run on a GPU yet. `make gpu` and then `make reference PROFILE=gpu` fill in the rows."
        return [note, _markdown(rows.assign(**dict.fromkeys(["photos/s", SHARE, *SPEED_UPS.values()], "not run")))]
    about = json.loads((folder / "about.json").read_text())
    note = f"`{about['command']}` on {about['machine']}, {about['date']}. {about['photos']} training photos: "
    results = pd.read_csv(folder / "results.csv").fillna("")
    measured = [_speeds(folder / name) for name in ("bench", "references") if (folder / name / "bench.csv").is_file()]
    return [f"{note}`{about['bench']}`; below with the reference pipelines.", *measured, _markdown(results)]


def _bench(folder: Path) -> list[str]:
    about = json.loads((folder / "about.json").read_text())
    note = f"{about['photos']} training photos. `{about['command']}` on {about['machine']}, {about['date']}."
    further = {"backends": _backends, "accuracy_difference": _accuracy, "scaling_fitted": _scaling}
    more = [paragraphs(folder) for name, paragraphs in further.items() if (folder / f"{name}.csv").is_file()]
    return [note, _speeds(folder), *chain.from_iterable(more)]


def _speeds(folder: Path) -> str:
    """For each network and framework, its share of the compute-only upper bound and its speed-ups."""
    measured = pd.read_csv(folder / "bench.csv")
    own = measured[measured["pipeline"] == "this_library"].set_index(NETWORK)
    epochs = _ranges(own["lowest_share"], own["highest_share"], ".1%")
    shown = own["photos_per_second"].map("{:.0f}".format).to_frame("photos/s")
    shown[SHARE] = own["share_of_upper_bound"].map("{:.1%}".format) + [f" ({each})" for each in epochs]
    shares = measured.pivot_table("share_of_upper_bound", NETWORK, "pipeline").reindex(own.index, columns=SPEED_UPS)
    speed_ups = shares.rdiv(own["share_of_upper_bound"], axis=0).dropna(axis=1, how="all")
    speed_ups = speed_ups.map("{:.2f}".format).replace("nan", "")
    return _markdown(shown.join(speed_ups.rename(columns=SPEED_UPS)).reset_index())


def _backends(folder: Path) -> list[str]:
    """The steps per second of ResNet50 in PyTorch and on each backend of Keras, and the seconds of first steps."""
    measured = pd.read_csv(folder / "backends.csv")
    first = measured.iloc[0]
    shown = measured[["backend"]].copy()
    shown["pixels"] = measured["image_size"].map(str)
    shown["steps/s"] = (1 / measured["seconds_per_step"]).map("{:.2f}".format)
    shown["first step (s)"] = measured["first_step"].map("{:.0f}".format)
    shown["first step in a second process (s)"] = measured["first_step_again"].map("{:.0f}".format)
    settings = f"in batches of {first['batch_size']} on {first['threads']} threads, medians of {first['steps']} steps"
    origin = f"on {first['machine']}, {first['date']}"
    return [f"ResNet50 {settings}: `python tools/keras_backends.py` {origin}.", _markdown(shown)]


def _accuracy(folder: Path) -> list[str]:
    """The test accuracies of this library and of the baseline pipeline, and their difference."""
    each, differences = (pd.read_csv(folder / f"{name}.csv") for name in ("accuracy", "accuracy_difference"))
    first, means = each.iloc[0], each.pivot_table("test accuracy", "network", "pipeline")
    options = f"--size {first['image_size']} --batch-size {first['batch_size']} --epochs {first['epochs']}"
    seeds = f"{first['test photos']} test photos, {each['seed'].nunique()} seeds"
    shown = differences[["network", "this library in"]].copy()
    accuracies = [means.loc[network, f"this library, {precision}"] for network, precision in shown.to_numpy()]
    shown["this library"] = [f"{accuracy:.1%}" for accuracy in accuracies]
    shown["baseline pipeline"] = shown["network"].map(means["baseline"]).map("{:.1%}".format)
    shown["difference"] = [format_difference(*row) for row in differences[["difference", "low", "high"]].to_numpy()]
    return [f"{seeds}: `dogbreeds bench accuracy --photos folder {options}`.", _markdown(shown)]


def _scaling(folder: Path) -> list[str]:
    """How each cost scales: the exponent of a power law of the size, with its 95 % interval."""
    fitted = pd.read_csv(folder / "scaling_fitted.csv")
    sizes = pd.read_csv(folder / "scaling.csv").groupby("axis")["size"].agg(["min", "max"]).loc[fitted["axis"]]
    shown = pd.DataFrame({
        "size": fitted["axis"],
        "range": _ranges(sizes["min"], sizes["max"]),
        "cost": fitted["measure"].map(MEASURES),
        "exponent": fitted["power"].map("{:z.2f}".format),
        "95 % interval": _ranges(fitted["low"], fitted["high"], "z.2f"),
    })  # fmt: skip
    return [
        "Scaling of ResNet50 in PyTorch, first epoch of a training, one measurement per size "
        "(`dogbreeds bench scaling --up-to PHOTOS`). The time per epoch is the number of steps times the median "
        "time of a step. The cost is fitted as a power of the size; an exponent of 1 means proportional.",
        _markdown(shown),
    ]


def _ranges(low: pd.Series, high: pd.Series, form: str = "") -> list[str]:
    """Each pair of ends as "low to high", in a form of Python's format language."""
    return [f"{one:{form}} to {other:{form}}" for one, other in zip(low, high, strict=True)]


def _markdown(table: pd.DataFrame) -> str:
    return table.to_markdown(index=False, tablefmt="github", disable_numparse=True)


def written(readme: str) -> str:
    """The text of a README with every block of results rewritten."""
    return BLOCK.sub(lambda found: found[1] + block(REFERENCE / found[2]) + found[3], readme)


def main() -> None:
    profile, photos = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    command = f"make study PROFILE={profile}" + (" PHOTOS=folder" if photos else "")
    try:
        if profile == "failure_2020":
            print(keep_failure(paths.outputs() / "sample" / profile))
        elif profile == "bench":
            print(keep_bench(paths.outputs() / profile))
        elif profile == "deployment":
            print(keep_deployment(paths.outputs()))
        elif profile == "gpu":
            print(keep_gpu(paths.outputs() / profile))
        else:
            print(keep(Study.from_profile(profile, photos), profile, command))
    except StudyError as error:
        sys.exit(f"dogbreeds: {error}")
    README.write_text(written(README.read_text()))


if __name__ == "__main__":
    main()
