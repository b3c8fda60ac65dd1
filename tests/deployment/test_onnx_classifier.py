"""An exported network answers without PyTorch and Keras, as its run does; a file from elsewhere gets one line."""

import json
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from runs_with_weights import write_run_on

from dogbreeds import paths
from dogbreeds.cli import main
from dogbreeds.deployment import export, onnx_classifier
from dogbreeds.deployment.metadata import KEY, OUTPUTS, Metadata
from dogbreeds.deployment.onnx_classifier import OnnxClassifier

WITHOUT_FRAMEWORKS = """
import sys

class Forbidden:
    def find_spec(name, path=None, target=None):
        if name in {"torch", "torchvision", "lightning", "keras", "tensorflow", "jax", "onnx"}:
            raise AssertionError(name)

sys.meta_path.insert(0, Forbidden)
from dogbreeds.cli import main
sys.exit(main(sys.argv[1:]))
"""
METADATA = Metadata("run", "ResNet50", "PyTorch", ["akita", "pug"], 8, "centre", False, 0.5, 0.9, (0.8, 0.95), 100)
VALID_METADATA = METADATA.to_json()


@pytest.fixture
def photo(photo_folder) -> str:
    return str(photo_folder / "pug" / "00.jpg")


@pytest.fixture
def exported(dataset, tmp_path, shallow):
    run = write_run_on(dataset, tmp_path / "outputs" / "toy" / "runs", "resnet50", "pytorch")
    return run, export.export(run, dataset, "onnx", tmp_path / "exports")[0]


def test_answers_need_neither_pytorch_nor_keras_and_are_those_of_the_run(exported, dataset, tmp_path, capsys):
    run, file = exported
    photos = [str(path) for path in dataset.photos["path"][:2]]
    command = [sys.executable, "-c", WITHOUT_FRAMEWORKS, "predict", *photos, "--model", str(file)]
    answered = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    assert main(["predict", *photos, "--run", run.id, "--json"]) == 0
    rows = [json.loads(text) for text in (answered.stdout, capsys.readouterr().out)]
    for exported_row, row in zip(*rows, strict=True):
        row.pop("map")
        assert exported_row.pop("breeds") == pytest.approx(row.pop("breeds"), abs=1e-5)
        assert exported_row == row

    table = tmp_path / "table.csv"
    subprocess.run([*command, "--csv", str(table)], capture_output=True, check=True)
    assert len(table.read_text().splitlines()) == 3
    text = subprocess.run([*command, "--top", "1"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert text[0].startswith(f"{photos[0]}: ")
    assert "map" not in "".join(text)


def test_the_code_of_the_readme_gives_the_same_answer(exported, photo, tmp_path, capsys):
    _, file = exported
    readme = (paths.REPOSITORY / "README.md").read_text()
    code = readme[readme.index("    import numpy, onnxruntime\n") :].partition("\n\n")[0]
    code = textwrap.dedent(code).replace("outputs/exports/RUN.onnx", str(file)).replace("photo.jpg", photo)
    names = {}
    exec(code, names)
    assert main(["predict", photo, "--model", str(file), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    breeds = OnnxClassifier(file).breeds
    assert dict(zip(breeds, names["probabilities"][0], strict=True)) == pytest.approx(row["breeds"], abs=1e-6)


def test_networks_of_cropped_photos_say_so(exported, capsys):
    _, file = exported
    network = onnx.load(file)
    metadata = replace(OnnxClassifier(file).metadata, trained_on_boxes=True)
    helper.set_model_props(network, {KEY: metadata.to_json()})
    onnx.save(network, file)
    OnnxClassifier(file)
    assert capsys.readouterr().err == (
        f"dogbreeds: {file} was trained on photos cropped to the dog's box and is less accurate on whole photos\n"
    )


def network(nodes, initializers=(), metadata=VALID_METADATA, outputs=OUTPUTS, shape=("batch", 8, 8, 3), opset=18):
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, shape)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph(nodes, "graph", [images], ends, list(initializers))
    versions = [helper.make_opsetid("", opset), helper.make_opsetid("elsewhere", 1)]
    model = helper.make_model(graph, opset_imports=versions, ir_version=10)
    if metadata is not None:
        helper.set_model_props(model, {KEY: metadata})
    return model.SerializeToString()


def node(kind, inputs, output, **more):
    return helper.make_node(kind, inputs, [output], **more)


SAME = node("Identity", ["logits"], "probabilities")


def filled(*shape):
    """Nodes whose outputs are tensors of zeros of a shape, however large."""
    wanted = numpy_helper.from_array(np.array(shape, np.int64), "shape")
    return network([node("ConstantOfShape", ["shape"], "logits"), SAME], [wanted])


def external(location):
    weights = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=[1, 2], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "8")):
        entry = weights.external_data.add()
        entry.key, entry.value = key, value
    return network([node("Identity", ["weights"], "logits"), SAME], [weights])


def declared_but_absent():
    weights = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=[10**6, 10**6], raw_data=b"1234")
    return network([node("Identity", ["weights"], "logits"), SAME], [weights])


def folded():
    """A constant of 8 GB that onnxruntime would compute while it loads the network, and then reduce to two numbers."""
    nodes = [node("Expand", ["one", "shape"], "large"), node("ReduceMax", ["large"], "logits", keepdims=0, axes=[0])]
    wanted = numpy_helper.from_array(np.array([10**9, 1, 2], np.int64), "shape")
    return network([*nodes, SAME], [wanted, numpy_helper.from_array(np.ones(1, np.float32), "one")], opset=13)


def endless():
    """A loop of 10^18 steps, which ends when the time is over."""
    kinds = (("step", 7), ("go", 9), ("value", 1), ("went", 9), ("next", 1))
    ends = [helper.make_tensor_value_info(name, kind, []) for name, kind in kinds]
    body = helper.make_graph(
        [node("Identity", ["go"], "went"), node("Neg", ["value"], "next")], "body", ends[:3], ends[3:]
    )
    constants = {"steps": np.array(10**18, np.int64), "yes": np.array(True), "first": np.array(1, np.float32)}
    loop = helper.make_node("Loop", list(constants), ["last"], body=body)
    kept = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    return network([loop, node("Expand", ["last", "shape"], "logits"), SAME], [*kept, *SHAPE])


def undecodable(text, replaced):
    return network(VALID, SHAPE).replace(text, replaced)


def with_metadata(**changes):
    return network(VALID, SHAPE, metadata=json.dumps(json.loads(VALID_METADATA) | changes))


UNKNOWN = [node("Nonsense", ["images"], "logits"), node("Nonsense", ["images"], "probabilities")]
FOREIGN = [node("Evil", ["images"], name, domain="elsewhere") for name in ("logits", "probabilities")]
VALID = [node("Cast", ["images"], "bytes", to=1), node("ReduceMax", ["bytes"], "most", keepdims=0)]
VALID += [node("Expand", ["most", "shape"], "logits"), SAME]
SHAPE = [numpy_helper.from_array(np.array([1, 2], np.int64), "shape")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no network", "onnxruntime cannot run FILE (Failed to load model because protobuf parsing failed.)"),
        (b"", "onnxruntime cannot run FILE (No graph was found in the protobuf.)"),
        (network(UNKNOWN), "onnxruntime cannot run FILE (This is an invalid model."),
        (network(FOREIGN), "onnxruntime cannot run FILE ("),
        (declared_but_absent(), "onnxruntime cannot run FILE ("),
        (external("../secret"), "onnxruntime cannot run FILE (External data path validation failed"),
        (external("/etc/hostname"), "onnxruntime cannot run FILE (External data path validation failed"),
        (filled(10**6, 10**6), "onnxruntime cannot run FILE (Non-zero status code returned while running Cons"),
        (filled(2, 10**9), "onnxruntime cannot run FILE (Non-zero status code returned while running Cons"),
        (filled(3, 2), "FILE does not return one finite number for each of its 2 breeds"),
        (external("here"), "onnxruntime cannot run FILE ("),
        (folded(), "onnxruntime cannot run FILE (Non-zero status code returned while running Expand"),
        (endless(), "onnxruntime cannot run FILE (Non-zero status code returned while running Loop node"),
        (undecodable(b"akita", b"\xff" * 5), "onnxruntime cannot run FILE ('utf-8' codec can't decode"),
        (undecodable(b"ReduceMax", b"Reduce\x1b[m"), "onnxruntime cannot run FILE ("),
        (undecodable(b"ReduceMax", b"Reduce\xff\xff\xff"), "onnxruntime cannot run FILE ("),
        (
            network(VALID, SHAPE, shape=(10**12, 8, 8, 3)),
            "FILE does not have the input and outputs of an export (at most 1024",
        ),
        (network(VALID, SHAPE, metadata=None), "FILE has no metadata of this library"),
        (network(VALID, SHAPE, metadata="[" * 10**5), "FILE has invalid metadata (not those of an export)"),
        (network(VALID, SHAPE, metadata="[]"), "FILE has invalid metadata (not those of an export)"),
        (
            with_metadata(breeds=["akita", "line\nbreak"]),
            "FILE has invalid metadata ('breeds.1': has characters that c",
        ),
        (with_metadata(breeds=["pug", "pug"]), "FILE has invalid metadata ('breeds': has a name twice)"),
        (with_metadata(**{"a\nb\x1b[31m": 1}), "FILE has invalid metadata (\"'a\\nb\\x1b[31m': Unexpected"),
        (with_metadata(breeds=["pug"]), "FILE has invalid metadata ('breeds': List should have at least 2 items"),
        (with_metadata(image_size=10**6), "FILE has invalid metadata ('image_size': Input should be less than"),
        (
            with_metadata(least_evidence=float("nan")),
            "FILE has invalid metadata ('least_evidence': Input should be a",
        ),
        (with_metadata(crop="box"), "FILE has invalid metadata ('crop': Input should be 'centre' or 'squash'"),
        (with_metadata(more=1), "FILE has invalid metadata ('more': Unexpected keyword argument"),
        (
            network(VALID, SHAPE, shape=(1, 9, 9, 3)),
            "FILE does not have the input and outputs of an export (at most 1024",
        ),
        (network(VALID[:-1], SHAPE, outputs=["logits"]), "FILE does not have the input and outputs of an export"),
    ],
)
def test_hostile_files_get_one_line(content, message, tmp_path, capsys, photo, monkeypatch):
    file = tmp_path / "folder" / "hostile.onnx"
    file.parent.mkdir()
    file.write_bytes(content)
    for place in (tmp_path / "secret", tmp_path / "here", file.parent / "here"):
        place.write_bytes(bytes(8))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(onnx_classifier, "MOST_SECONDS", 1)
    assert main(["predict", photo, "--model", str(file)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("dogbreeds: " + message.replace("FILE", str(file)))
    assert lines[0].isprintable()


def test_valid_files_made_elsewhere_are_answered(tmp_path, photo, capsys):
    """The files above fail for what is wrong with them, not because this library did not write them."""
    file = tmp_path / "valid.onnx"
    file.write_bytes(network(VALID, SHAPE))
    assert main(["predict", photo, "--model", str(file)]) == 0
    assert "akita 50.0%, pug 50.0%" in capsys.readouterr().out


def test_missing_and_enormous_files_are_refused_unread(tmp_path, capsys, photo):
    assert main(["predict", photo, "--model", str(tmp_path / "nothing.onnx")]) == 2
    assert "is no file: give a file that dogbreeds export wrote" in capsys.readouterr().err
    with (tmp_path / "sparse.onnx").open("wb") as file:
        file.truncate(onnx_classifier.LARGEST_FILE)
    assert main(["predict", photo, "--model", str(tmp_path / "sparse.onnx")]) == 2
    assert "has 2048 MB, and an export has less than 2048 MB" in capsys.readouterr().err
