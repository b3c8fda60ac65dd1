"""Measures what deployment takes in each framework: the export, the file, the start of a service, and its answers."""

import ast
import inspect
import json
import subprocess
import sys
import time
import warnings
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import pandas as pd

from dogbreeds import models
from dogbreeds.benchmarks import serve
from dogbreeds.deployment import export
from dogbreeds.errors import StudyError
from dogbreeds.study import Study
from dogbreeds.training.provenance import processor
from dogbreeds.training.runs import Run


def measure(study: Study, rounds: int) -> pd.DataFrame:
    """Returns one row per round, network and framework, when all rounds are done.

    Every network of the study is exported from each framework, at its first seed and with the last of its initial
    weights; missing networks are trained first. The file is compared with the run (`export.export`). In each round all
    networks take turns, and every second round goes through them backwards. The first export of each framework also
    loads its converter, so it is not counted. Each service is a new process. Raises StudyError if an export or a
    service fails.
    """
    with TemporaryDirectory() as folder:
        pairs = product(study.architectures, study.frameworks)
        exported = [_Exported(study, *pair, Path(folder)) for pair in pairs]
        rows = []
        for number in range(rounds):
            for one in exported[:: -1 if number % 2 else 1]:
                rows.append(one.facts() | {"round": number + 1} | one.time_export() | one.time_services())
            print(f"round {number + 1} of {rounds}: measured", file=sys.stderr, flush=True)
    return pd.DataFrame(rows)


class _Exported:
    """A trained network with its files."""

    def __init__(self, study: Study, architecture: str, framework: str, folder: Path):
        self.study = study
        self.run: Run = study.with_weights(study.run(architecture, framework, weights=study.weights[-1]))
        self.own_form = next(form for form, name in export.FRAMEWORKS.items() if name == framework)
        self.files, self.differences = {}, {}
        for form in ("onnx", self.own_form):
            self.files[form], compared = export.export(self.run, study.dataset, form, folder)
            self.differences[form] = compared.largest_difference

    def facts(self) -> dict:
        config = self.run.config
        names = {"network": models.TITLES[config.architecture], "framework": models.TITLES[config.framework]}
        return names | {
            "backend": config.backend,
            "machine": processor(),
            "date": datetime.now(UTC).date().isoformat(),
            "images": self.study.dataset.kind,
            "initial_weights": self.run.initial_weights,
            "image_size": config.image_size,
            "test_photos": len(self.run.labels()),
            "test_accuracy": float(self.run.correct().mean()),
            "largest_difference": self.differences["onnx"],
            "onnx_megabytes": self.files["onnx"].stat().st_size / 1e6,
        }

    def time_export(self) -> dict[str, float]:
        """The seconds that it takes to export a loaded network to ONNX."""
        model, exporter = export.complete_network(self.run, self.run.record["framework"])
        with TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            start = time.perf_counter()
            exporter.to_onnx(model, self.run.record["image_size"], None, Path(folder, "network.onnx"))
            return {"export_seconds": time.perf_counter() - start}

    def time_services(self) -> dict[str, float]:
        """What a service measures, with onnxruntime and with the framework itself."""
        framework, found = models.TITLES[self.run.record["framework"]], {}
        for prefix, engine, form in (("onnx", "onnxruntime", "onnx"), ("own", framework, self.own_form)):
            seconds, milliseconds = _serve(engine, self.files[form], self.run.record["image_size"])
            found |= {f"{prefix}_start": seconds, f"{prefix}_ms_1": milliseconds[0], f"{prefix}_ms_32": milliseconds[1]}
        return found


def _serve(engine: str, file: Path, size: int) -> tuple[float, list[float]]:
    """The seconds from the start of a service to its first answer, and its milliseconds per image by batch size."""
    command = [sys.executable, "-P", serve.__file__, engine, str(file), str(size)]
    with TemporaryFile("w+") as errors:
        start = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as service:
            service.stdout.readline()
            seconds = time.perf_counter() - start
            measured = service.stdout.read()
        if service.returncode:
            errors.seek(0)
            reason = ([line for line in errors.read().splitlines() if line] or ["no message"])[-1]
            raise StudyError(f"the service with {engine} ended with status {service.returncode} ({reason})")
    return seconds, json.loads(measured)


def code(framework: str) -> str:
    """The code that exports a network of a framework to ONNX with its preprocessing, without its comments."""
    exporter = export.exporter_of(framework)
    parts = ["WithPreprocessing", "with_preprocessing", "_program", "to_onnx"]
    found = [ast.parse(inspect.getsource(getattr(exporter, part))) for part in parts if hasattr(exporter, part)]
    for tree in found:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
                node.body = node.body[1:]
    return "\n\n".join(map(ast.unparse, found))
