"""The README states exactly the stored reference results."""

import json
import re
import shutil
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import reference
from deployment_measurements import measurements
from failure_files import training

from dogbreeds.errors import StudyError
from dogbreeds.study import Study
from dogbreeds.study.study import TEST_PHOTOS


def without_padding(text):
    return re.sub(r" +\|", " |", text)


def test_the_readme_states_the_stored_results():
    text = reference.README.read_text()
    assert len(reference.BLOCK.findall(text)) >= 1
    assert reference.written(text) == text


WITH_RUNS = sorted(folder.parent for folder in reference.REFERENCE.glob("*/runs"))


@pytest.mark.parametrize("folder", WITH_RUNS, ids=lambda folder: folder.name)
def test_stored_tables_match_the_stored_runs(folder):
    """The tables can be recomputed without weights and without photos."""
    recomputed = reference.tables_of(folder)
    assert len(recomputed) >= 9
    for name, table in recomputed.items():
        stored = pd.read_csv(folder / f"{name}.csv").drop(columns=TEST_PHOTOS, errors="ignore")
        flat = table if isinstance(table.index, pd.RangeIndex) else table.reset_index()
        pd.testing.assert_frame_equal(flat, stored, check_dtype=False, rtol=1e-9)


def test_block_is_written_from_the_files_of_its_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "REFERENCE", tmp_path)
    monkeypatch.setattr(reference.paths, "REPOSITORY", tmp_path)
    about = {"images": "7 images", "test images": 3, "pixels a side": 8, "seeds": 1}
    about |= {"command": "make", "machine": "an abacus", "date": "2020-01-28", "provenance": "Not unseen."}
    row = {"network": "Xception", "framework": "Keras", "initial weights": "scratch", "test accuracy": 0.5}
    row |= {"low": 0.25, "high": 0.75, "seconds": 60.4, "photos/s": 9.6}
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "about.json").write_text(json.dumps(about))
    pd.DataFrame([row]).to_csv(tmp_path / "toy" / "results.csv")
    claim = {"claim": "It flies", "initial weights": "scratch", "measured": "+1.0 points"}
    claim |= {"p (Holm)": 0.00123, "verdict": "refuted"}
    pd.DataFrame([claim]).to_csv(tmp_path / "toy" / "claims.csv")
    text = without_padding(reference.written("before\n<!-- results: toy -->\nold\n<!-- end of results -->\nafter"))
    assert "old" not in text
    assert text.startswith("before\n<!-- results: toy -->\n7 images, 3 of them in the test set, at 8 x 8 pixels")
    assert "2020-01-28.\n\n**Not unseen.**\n\n| network |" in text
    assert "| Xception | Keras | scratch | 50.0% | 25.0% to 75.0% | 60 | 10 |\n" in text
    assert "](toy/accuracies.png)\n\n| claim of 2020 | initial weights | measured | p (Holm) | verdict |\n" in text
    assert "| It flies | scratch | +1.0 points | 0.0012 | refuted |\n<!-- end of results -->\nafter" in text


def test_a_benchmark_is_stored_by_device_and_written_as_ratios(tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "REFERENCE", tmp_path / "reference")
    outputs = tmp_path / "outputs"
    shared = {"network": "Xception", "framework": "Keras", "device": "cpu, keras on jax, cpu:0", "image_size": 96}
    shared |= {"batch_size": 32, "precision": "float32", "threads": 2, "photos": 384, "rounds": 6}
    speeds = {"compute_only": 40.0, "this_library": 39.0, "keras_directory": 30.0}
    rows = [
        shared | {"pipeline": name, "photos_per_second": speed, "share_of_upper_bound": speed / 40}
        for name, speed in speeds.items()
    ]
    rows[1] |= {"lowest_share": 0.9, "highest_share": 1.0}
    fitted = {"axis": "photos", "measure": "seconds_per_epoch", "power": 1.014, "low": 0.9, "high": 1.1}
    (outputs / "tables").mkdir(parents=True)
    pd.DataFrame(rows).to_csv(outputs / "tables" / "bench.csv")
    pd.DataFrame([fitted]).to_csv(outputs / "tables" / "scaling_fitted.csv")
    pd.DataFrame({"axis": "photos", "size": [100, 1600]}).to_csv(outputs / "tables" / "scaling.csv")
    each = {"network": "Xception", "pipeline": ["this library, float32"] * 2 + ["baseline"] * 2, "seed": [0, 1, 0, 1]}
    each |= {"test accuracy": [0.5, 0.6, 0.5, 0.4], "test photos": 234, "image_size": 64, "batch_size": 16, "epochs": 8}
    pd.DataFrame(each).to_csv(outputs / "tables" / "accuracy.csv")
    gap = {"network": "Xception", "this library in": "float32", "difference": 0.1, "low": -0.05, "high": 0.25}
    pd.DataFrame([gap]).to_csv(outputs / "tables" / "accuracy_difference.csv")
    assert reference.keep_bench(outputs).name == "bench_cpu"
    text = without_padding(reference.block(tmp_path / "reference" / "bench_cpu"))
    options = "--size 96 --batch-size 32 --precision float32 --rounds 6"
    assert f"384 training photos. `dogbreeds bench speed --photos folder {options}`" in text
    assert "| Xception | Keras | 39 | 97.5% (90.0% to 100.0%) | 1.30 |\n" in text
    assert (
        "234 test photos, 2 seeds: `dogbreeds bench accuracy --photos folder --size 64 --batch-size 16 --epochs 8`"
        in text
    )
    difference = "+10.0 points (95 % interval -5.0 to +25.0)"
    assert f"| Xception | float32 | 55.0% | 45.0% | {difference} |\n" in text
    assert "| photos | 100 to 1600 | s per epoch | 1.01 | 0.90 to 1.10 |\n" in text


def test_deployment_is_stored_with_its_claim_and_written_with_its_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "REFERENCE", tmp_path / "reference")
    with pytest.raises(StudyError, match="has no measurements of a reference study: run dogbreeds bench deployment"):
        reference.keep_deployment(tmp_path / "outputs")
    kept = tmp_path / "reference" / "five_breeds"
    kept.mkdir(parents=True)
    claim = {"claim": "It flies", "initial weights": "scratch", "measured": "", "p (Holm)": 0.5, "verdict": "refuted"}
    pd.DataFrame([claim]).to_csv(kept / "claims.csv", index=False)
    made = tmp_path / "outputs" / "five_breeds-Images" / "tables"
    made.mkdir(parents=True)
    for ratio, verdict in ((0.5, "confirmed"), (2.0, "refuted")):
        measurements(own_start=ratio).to_csv(made / "deployment.csv", index=False)
        assert reference.keep_deployment(tmp_path / "outputs") == [kept / "deployment.csv"]
        claims = pd.read_csv(kept / "claims.csv")
        assert claims["claim"].to_list() == ["It flies", "Keras is easier to deploy than PyTorch"]
        assert claims["verdict"].to_list() == ["refuted", verdict]
    text = without_padding(reference.block(tmp_path / "reference" / "deployment"))
    assert "1000 test images (drawn dogs) at 40 x 40 pixels, initial weights: scratch. `dogbreeds bench dep" in text
    assert "`, 5 rounds on an abacus, 2020-01-28: medians, with the range over the rounds." in text
    assert "| median | Xception, Keras | Xception, PyTorch | ResNet50, Keras |" in text
    assert "| test accuracy in % | 84.5 | 84.5 |" in text
    assert 'read as "Keras is easier to deploy than PyTorch": refuted.' in text


def test_steps_of_the_backends_are_written_with_their_machine(tmp_path):
    names = "backend,image_size,batch_size,threads,steps,seconds_per_step,first_step,first_step_again,machine,date"
    timed = "Keras on JAX,32,16,2,6,0.25,26.1,10.6,an abacus,2020-01-28"
    (tmp_path / "backends.csv").write_text(f"{names}\n{timed}\n")
    text = without_padding("\n".join(reference._backends(tmp_path)))
    command = "`python tools/keras_backends.py` on an abacus, 2020-01-28."
    assert f"in batches of 16 on 2 threads, medians of 6 steps: {command}" in text
    assert "| Keras on JAX | 32 | 4.00 | 26 | 11 |" in text


def test_gpu_rows_say_that_they_were_not_run(tmp_path):
    text = without_padding(reference.block(tmp_path / "gpu"))
    assert text.count(" | not run | not run | not run | not run | not run | not run |\n") == 6
    assert "Not run on a GPU yet. `make gpu`" in text
    with pytest.raises(StudyError, match=r"has no bench\.csv: run dogbreeds bench speed"):
        reference.keep_bench(tmp_path)
    with pytest.raises(StudyError, match="has no finished benchmark: run make gpu"):
        reference.keep_gpu(tmp_path)


def test_the_last_results_on_a_gpu_are_stored_with_their_goals(tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "REFERENCE", tmp_path / "reference")
    row = {"network": "Xception", "framework": "PyTorch", "image_size": 224, "batch_size": 128, "threads": 8}
    row |= {
        "precision": "bfloat16",
        "photos": 2700,
        "rounds": 2,
        "pipeline": "this_library",
        "photos_per_second": 2500.0,
    }
    row |= {"share_of_upper_bound": 0.96, "lowest_share": 0.9, "highest_share": 1.0}
    for date, device in (("2026-01-01", "cpu"), ("2025-12-31", "NVIDIA H100 80GB HBM3")):
        made = tmp_path / "outputs" / date
        (made / "bench").mkdir(parents=True)
        pd.DataFrame([row | {"device": device}]).to_csv(made / "bench" / "bench.csv")
        (made / "references").mkdir()
        reference_pipeline = row | {"pipeline": "torchvision", "share_of_upper_bound": 0.4}
        pd.DataFrame([row, reference_pipeline]).to_csv(made / "references" / "bench.csv")
        results = {"part": ["tests", "tests"], "measure": ["end", "tests"], "goal": ["within 120 s", "all passed"]}
        pd.DataFrame(results | {"result": ["finished in 60 s", "17 passed"]}).to_csv(made / "results.csv", index=False)
        (made / "outputs").mkdir()
        (made / "outputs" / "weights").write_text("many bytes")
    with pytest.raises(StudyError, match="2026-01-01 is a rehearsal without a GPU: run make gpu"):
        reference.keep_gpu(tmp_path / "outputs")
    (tmp_path / "outputs" / "2026-01-01" / "results.csv").unlink()
    folder = reference.keep_gpu(tmp_path / "outputs")
    text = without_padding(reference.block(folder))
    assert "`make gpu` on " in text
    assert "2700 training photos: `dogbreeds bench speed --photos folder --size 224 --batch-size 128" in text
    assert "| Xception | PyTorch | 2500 | 96.0% (90.0% to 100.0%) |\n" in text
    assert "| Xception | PyTorch | 2500 | 96.0% (90.0% to 100.0%) | 2.40 |\n" in text
    assert "| tests | tests | all passed | 17 passed |\n" in text
    assert not (folder / "outputs").exists()


def test_the_trainings_on_the_failure_of_2020_are_stored_and_written_with_the_prediction(tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "REFERENCE", tmp_path / "reference")
    made = tmp_path / "made"
    with pytest.raises(StudyError, match="must have the trainings of one dataset: empty it and run papermill"):
        reference.keep_failure(made)
    (made / "sources").mkdir(parents=True)
    (made / "sources" / "resnet50-seed_0.npz").touch()  # weights are not stored
    healed = training(role="healing", validation=[0.2, 0.5], training=[0.9, 0.9])
    for name, arrays in (
        ("failed", training(right=20)),
        ("control", training(preprocessing="expected")),
        ("long", healed),
    ):
        np.savez(made / f"{name}.npz", **arrays)
    folder = reference.keep_failure(made)
    files = {"failed.npz", "control.npz", "long.npz", "results.csv", "healing.csv", "about.json"}
    assert {path.name for path in folder.iterdir()} == files
    text = without_padding(reference.block(folder))
    assert text.startswith("100 drawn dogs for training and 100 new ones, chance 20%.")
    assert "failure_2020: {seeds: [0]}}'` on" in text
    assert "1 thread per training" in text
    assert "Initial weights: learned on other breeds" in text
    assert (
        "| ResNet50 | nothing | other-breeds | 90; 100.0 [96.3, 100.0]; 1 seed | 90; 20.0 [13.3, 28.9]; 1 seed |"
        in text
    )
    assert "| 0 | 20 | 1103 |" in text


def test_the_command_and_threads_of_trainings_from_imagenet_are_those_of_their_files(tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "REFERENCE", tmp_path / "reference")
    (tmp_path / "made").mkdir()
    of_imagenet = {"weights": "imagenet", "weights file": "notop.h5", "weights sha256": "12ab", "threads": 2}
    for seed in (3, 1):
        np.savez(tmp_path / "made" / f"{seed}.npz", **training(seed=seed, **of_imagenet))
    about = json.loads((reference.keep_failure(tmp_path / "made") / "about.json").read_text())
    assert "failure_2020: {seeds: [1, 3], weights: imagenet}}'" in about["command"]
    assert "2 threads per training" in about["machine"]


def test_an_unfinished_study_without_tables_is_refused(tmp_path):
    with pytest.raises(StudyError, match="has no finished study: run make study"):
        reference.keep(Study("sample"), "sample", "make study")


def finished_study(photo_folder):
    """A study with the files of finished runs that a reference result needs."""
    study = Study("toy", str(photo_folder), image_size=32)
    for job in study.plan():
        folder = study.store / job.id
        folder.mkdir(parents=True)
        record = asdict(job.config) | {"threads": 1, "commit": "0123abc"}
        (folder / "run.json").write_text(json.dumps(record))
        for name in ("history.csv", "predictions.npz", "weights.safetensors"):
            (folder / name).write_text(name)
    (study.folder / "arrays").mkdir()
    (study.folder / "arrays" / "noise-0.npz").touch()
    (study.folder / "tables").mkdir()
    row = {"network": "Xception", "framework": "Keras", "initial weights": "scratch", "test accuracy": 0.5}
    pd.DataFrame([row | {"low": 0.25, "high": 0.75}]).to_csv(study.folder / "tables" / "results.csv", index=False)
    (study.folder / "tables" / "claims.csv").write_text("claim")
    return study


def test_the_runs_of_a_finished_study_are_stored_without_their_weights(photo_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "REFERENCE", tmp_path / "reference")
    study = finished_study(photo_folder)
    folder = reference.keep(study, "toy", "make study")
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    kept = {f"runs/{job.id}/{name}" for job in study.plan() for name in reference.KEPT_OF_A_RUN}
    tables = {"results.csv", "claims.csv", "runs.csv", "about.json", "accuracies.png"}
    assert files == kept | tables | {"arrays/noise-0.npz"}
    about = json.loads((folder / "about.json").read_text())
    assert about["commits"] == "0123abc"
    assert len(about["runs"]["comparison"]) == 6
    assert list(about["runs"]["in_pytorch"]) == ["controlled", "layer1 frozen", "early stopping"]


def test_results_from_imagenet_weights_are_stored_with_the_provenance_of_their_test_photos(
    photo_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(reference, "REFERENCE", tmp_path / "reference")
    study = finished_study(photo_folder)
    monkeypatch.setattr(Study, "provenance", "Not unseen.")
    about = json.loads((reference.keep(study, "toy", "make study") / "about.json").read_text())
    assert about["provenance"] == "Not unseen."


def test_an_unfinished_study_leaves_stored_results_unchanged(photo_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "REFERENCE", tmp_path / "reference")
    study = finished_study(photo_folder)
    folder = reference.keep(study, "toy", "make study")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    shutil.rmtree(study.store / study.plan()[-1].id)
    with pytest.raises(StudyError, match=r"has no finished run resnet50-pytorch.*: run dogbreeds study first"):
        reference.keep(study, "toy", "make study")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
