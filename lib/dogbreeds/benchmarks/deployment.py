"""Measures what deployment takes in each framework: the export, the file, the start of a service, and its answers."""

import ast
import inspect
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from dogbreeds import models
from dogbreeds.benchmarks import serve
from dogbreeds.deployment import export
from dogbreeds.study import Study
from dogbreeds.training.provenance import processor
from dogbreeds.training.runs import Run


def measure(study: Study, rounds: int) -> Iterator[pd.DataFrame]:
    """Yields the table of all rounds so far, after each: one row per round, network and framework.

    Every network of the study is exported from both frameworks, at its first seed and with the last of its initial
    weights, and compared with its run (`export.export`). In each round all networks take turns, and the frameworks
    change places from round to round. The first export of a framework, which loads the converter, is not counted. Each
    service is a new process. Raises StudyError if an export fails.
    """
    with TemporaryDirectory() as folder:
        exported = [_Exported(study, name, Path(folder)) for name in _pairs(study)]
        rows = []
        for number in range(rounds):
            for one in exported if number % 2 else _swapped(exported):
                rows.append(one.facts() | {"round": number + 1} | one.time_export() | one.time_services())
            yield pd.DataFrame(rows)


def _pairs(study: Study) -> list[tuple[str, str]]:
    return [(network, framework) for network in study.architectures for framework in models.FRAMEWORKS]


def _swapped(exported: list) -> list:
    return [each for first, second in zip(exported[::2], exported[1::2], strict=True) for each in (second, first)]


class _Exported:
    """A trained network with its files."""

    def __init__(self, study: Study, which: tuple[str, str], folder: Path):
        self.study, (architecture, framework) = study, which
        self.run: Run = study.with_weights(study.run(architecture, framework, weights=study.weights[-1]))
        self.own_form = {"pytorch": "torch", "keras": "keras"}[framework]
        self.files = {}
        for form in ("onnx", self.own_form):
            self.files[form], _ = export.export(self.run, study.dataset, form, folder)
        rows = study.dataset.rows("test")
        found = export.logits("onnx", self.files["onnx"], study.pixels[rows])
        self.difference = float(abs(found - self.run.logits()).max())

    def facts(self) -> dict:
        config = self.run.config
        names = {"network": models.TITLES[config.architecture], "framework": models.TITLES[config.framework]}
        return names | {
            "backend": config.backend,
            "machine": processor(),
            "date": datetime.now(UTC).date().isoformat(),
            "images": self.study.dataset.kind,
            "image_size": config.image_size,
            "test_photos": len(self.run.labels()),
            "test_accuracy": float(self.run.correct().mean()),
            "largest_difference": self.difference,
            "onnx_megabytes": self.files["onnx"].stat().st_size / 1e6,
            "own_megabytes": self.files[self.own_form].stat().st_size / 1e6,
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
    command = [sys.executable, serve.__file__, engine, str(file), str(size)]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as service:
        service.stdout.readline()
        seconds = time.perf_counter() - start
        rest, errors = service.communicate()
    if service.returncode:
        raise RuntimeError(errors.strip().splitlines()[-1])
    return seconds, list(np.array(ast.literal_eval(rest)))


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
