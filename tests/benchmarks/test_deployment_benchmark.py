"""The benchmark of deployment exports and serves the networks of both frameworks, and counts the code that it shows."""

import ast

import pandas as pd
import pytest
from runs_with_weights import write_run_on

from dogbreeds.benchmarks import deployment
from dogbreeds.cli import main
from dogbreeds.errors import StudyError
from dogbreeds.study import Study


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
def test_measurements_of_both_frameworks(dataset, photo_folder, tmp_path, monkeypatch, capsys):
    made = {name: write_run_on(dataset, tmp_path / "runs", "resnet50", name) for name in ("keras", "pytorch")}
    monkeypatch.setattr(Study, "run", lambda study, network, framework, **more: made[framework])
    options = ["--profile", "own_photos", "--photos", str(photo_folder), "--rounds", "3"]
    for change in ("weights=[scratch]", "architectures=[resnet50]", "frameworks=[pytorch, keras]", "image_size=32"):
        options += ["--parameter", change]
    assert main(["bench", "deployment", *options]) == 0
    printed = capsys.readouterr().out
    assert "seconds from start to answer, onnxruntime" in printed
    table = pd.read_csv(tmp_path / "outputs" / "own_photos-photos" / "tables" / "deployment.csv")
    assert table["framework"].to_list() == ["PyTorch", "Keras", "Keras", "PyTorch", "PyTorch", "Keras"]
    assert table["round"].to_list() == [1, 1, 2, 2, 3, 3]
    numbers = table[[name for name in table if name.split("_")[0] in ("export", "onnx", "own")]]
    assert len(numbers.columns) == 8
    assert (numbers > 0).all(axis=None)
    assert (table["largest_difference"] < 1e-4).all()


def test_a_service_that_fails_says_why(tmp_path):
    with pytest.raises(StudyError, match=r"the service with onnxruntime ended with status 1 \(.*nothing\.onnx"):
        deployment._serve("onnxruntime", tmp_path / "nothing.onnx", 32)


def test_code_is_complete_and_has_no_comments():
    found = {"keras": ["keras.layers.Rescaling", "model.export"]}
    found["pytorch"] = ["class WithPreprocessing", "torch.export.export", "torch.onnx.export"]
    for framework, expected in found.items():
        code = deployment.code(framework)
        ast.parse(code)
        assert all(each in code for each in expected)
        assert '"""' not in code
        assert "#" not in code


def test_rounds_are_checked(capsys):
    assert main(["bench", "deployment", "--rounds", "2"]) == 2
    assert capsys.readouterr().err == "dogbreeds: --rounds 2 must be 3 or more\n"
