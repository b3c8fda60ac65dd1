"""What the figures of the results say: axes, panels, names. Their looks are checked by eye."""

import numpy as np
import pandas as pd
import pytest
from finished_runs import finished_run, logits_and_labels

from dogbreeds import figures

CHANCE = 0.2


def results(weights=("scratch",), lowest=0.55):
    """A table of results of three networks and two frameworks, whose lowest interval begins at `lowest`."""
    rows = [
        {
            "network": network,
            "framework": framework,
            "initial weights": kind,
            "test accuracy": value,
            "seconds": seconds,
        }
        for kind in weights
        for network, value, seconds in (("Xception", 0.8, 60), ("ResNet50", 0.7, 50), ("SE-ResNet50", 0.65, 51))
        for framework in ("Keras", "PyTorch")
    ]
    table = pd.DataFrame(rows)
    return table.assign(low=table["test accuracy"] - (0.65 - lowest), high=table["test accuracy"] + 0.1)


def drawn(figure):
    """The axes of the panels in use."""
    return [axis for axis in figure.axes if axis.axison]


def texts(axis):
    return [text.get_text().strip() for text in axis.texts]


def runs(tmp_path, weights="scratch", frameworks=("keras", "pytorch")):
    made = []
    for place, network in enumerate(("xception", "resnet50", "se_resnet50")):
        for framework in frameworks:
            logits = np.random.default_rng(place).normal(size=(60, 5))
            folder = tmp_path / f"{network}-{framework}-{weights}"
            labels = np.where(np.arange(60) % 3, logits.argmax(axis=1), 0)
            run = finished_run(folder, logits, labels, architecture=network, framework=framework, weights=weights)
            run.history["training_accuracy"] = 0.6
            made.append(run)
    return made


@pytest.mark.parametrize(("lowest", "begin"), [(0.51, 0.5), (0.5, 0), (0.3, 0)])
def test_accuracies_begin_at_one_half_if_all_intervals_are_above_it(lowest, begin):
    axis = figures.accuracies(results(lowest=lowest), CHANCE).axes[0]
    assert axis.get_xlim() == (begin, 1)
    assert texts(axis) == ([] if begin else ["chance"])
    assert figures.accuracy_against_cost(results(lowest=lowest)).axes[0].get_ylim() == (begin, 1)


def test_all_panels_have_the_axis_of_the_lowest_interval():
    table = pd.concat([results(["scratch"], 0.3), results(["other-breeds"], 0.6)])
    assert [axis.get_xlim()[0] for axis in figures.accuracies(table, CHANCE).axes] == [0, 0]


@pytest.mark.parametrize("draw", [lambda table: figures.accuracies(table, CHANCE), figures.accuracy_against_cost])
def test_panels_have_a_fixed_order_and_name_the_initial_weights(draw):
    figure = draw(results(["resnet50_v2", "imagenet", "other-breeds", "another", "scratch"]))
    kinds = ["scratch", "other-breeds", "imagenet", "another", "resnet50_v2"]
    assert [axis.get_title() for axis in drawn(figure)] == [f"initial weights: {kind}" for kind in kinds]


def test_every_interval_is_in_the_row_of_its_name():
    """Also if a panel lacks a row."""
    table = results(["other-breeds", "scratch"]).drop(index=0)
    scratch, other = figures.accuracies(table, CHANCE).axes
    names = [label.get_text() for label in scratch.get_yticklabels()]
    for axis, kind in ((scratch, "scratch"), (other, "other-breeds")):
        rows = table[table["initial weights"] == kind]
        values = {
            names[int(line.get_ydata()[0])]: line.get_xdata()[0] for line in axis.lines if len(line.get_xdata()) == 1
        }
        assert values == dict(zip(rows["network"] + ", " + rows["framework"], rows["test accuracy"], strict=True))


def test_points_have_their_names_beside_them_and_no_legend():
    figure = figures.accuracy_against_cost(results(["scratch", "other-breeds"]))
    for axis in figure.axes:
        assert axis.get_legend() is None
        assert len(set(texts(axis))) == 6
        assert {"Xception, Keras", "SE-ResNet50, PyTorch"} < set(texts(axis))
    assert figure.legends == []


@pytest.mark.parametrize("weights", [["scratch"], ["scratch", "other-breeds"]])
def test_names_cover_neither_each_other_nor_a_point_and_are_inside_the_axes(weights):
    figure = figures.accuracy_against_cost(results(weights))
    figure.draw_without_rendering()
    for axis in figure.axes:
        boxes = [super(type(text), text).get_window_extent() for text in axis.texts]  # without the line to the point
        points = axis.transData.transform(np.concatenate([line.get_xydata() for line in axis.lines]))
        assert len(boxes) == 6
        for place, box in enumerate(boxes):
            assert box.count_overlaps(boxes[place + 1 :]) == 0
            assert box.count_contains(points) == 0
            assert axis.bbox.contains(*box.min)
            assert axis.bbox.contains(*box.max)


def pairs(**columns):
    table = pd.DataFrame(columns)
    return table.assign(difference=0.1, low=-0.1, high=0.2)


def test_factors_are_named_beside_their_differences():
    table = pairs(factor=["frozen", "large"], network="Xception", framework=["Keras", "PyTorch"])
    axis = figures.differences(table.assign(**{"initial weights": "imagenet"})).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["frozen, Keras", "large, PyTorch"]
    assert axis.get_title() == "Xception\ninitial weights: imagenet"


def test_labels_of_differences_contain_only_what_differs():
    table = pairs(network=["Xception", "ResNet50"], first="Keras", second="PyTorch")
    figure = figures.differences(table.assign(**{"initial weights": "scratch"}))
    axis = figure.axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["Xception", "ResNet50"]
    assert axis.get_title() == "Keras - PyTorch\ninitial weights: scratch"
    assert axis.lines[0].get_xdata() == pytest.approx([-10, 20])  # points


def test_differences_have_one_panel_per_initial_weights():
    table = pairs(framework=["Keras", "PyTorch"] * 2, first="Xception", second="ResNet50")
    table["initial weights"] = ["other-breeds"] * 2 + ["scratch"] * 2
    figure = figures.differences(table)
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == [f"Xception - ResNet50\ninitial weights: {kind}" for kind in ("scratch", "other-breeds")]


def test_differences_between_initial_weights_have_one_panel_and_a_single_pair_keeps_its_name():
    table = pairs(network=["Xception"], framework="Keras", first="scratch", second="other-breeds")
    (axis,) = figures.differences(table).axes
    assert axis.get_title() == ""
    assert [label.get_text() for label in axis.get_yticklabels()] == ["scratch - other-breeds, Xception, Keras"]


def test_reliability_has_a_panel_per_network_with_named_lines(tmp_path):
    figure = figures.reliability(runs(tmp_path))
    assert [axis.get_title() for axis in figure.axes] == ["Xception", "ResNet50", "SE-ResNet50"]
    assert figure.get_suptitle() == "initial weights: scratch"
    for axis in figure.axes:
        assert axis.get_legend() is None
        assert sorted(texts(axis)) == ["Keras", "PyTorch"]
        assert [line.get_xydata().tolist() for line in axis.lines[:1]] == [[[0, 0], [1, 1]]]
        assert len(axis.lines) == 3


def test_what_all_learning_curves_share_is_said_once(tmp_path):
    figure = figures.learning_curves(runs(tmp_path, "other-breeds"))
    assert figure.get_suptitle() == "initial weights: other-breeds"
    assert figure.axes[0].get_title() == "Xception, Keras"
    (single,) = figures.learning_curves(runs(tmp_path / "single")[:1]).axes
    assert single.get_title() == "Xception, Keras\ninitial weights: scratch"
    both = runs(tmp_path / "both", frameworks=["keras"]) + runs(tmp_path / "both", "other-breeds", ["keras"])
    titles = [axis.get_title() for axis in figures.learning_curves(both).axes]
    kinds = ["scratch"] * 3 + ["other-breeds"] * 3
    assert [title.splitlines()[1] for title in titles] == [f"initial weights: {kind}" for kind in kinds]


@pytest.mark.parametrize(("lowest", "begin"), [(0.55, 0.5), (0.4, 0)])
def test_learning_curves_begin_at_one_half_if_all_accuracies_are_above_it(tmp_path, lowest, begin):
    run = finished_run(tmp_path / "run", *logits_and_labels(60), validation_accuracy=(0.6, 0.7))
    run.history["training_accuracy"] = (lowest, 0.9)
    assert figures.learning_curves([run]).axes[0].get_ylim() == (begin, 1)


def test_agreement_names_what_differs_and_confusion_its_initial_weights(tmp_path):
    made = runs(tmp_path)
    axis = figures.agreement(made).axes[0]
    assert axis.get_title() == "initial weights: scratch"
    assert [label.get_text() for label in axis.get_yticklabels()][:2] == ["Xception, Keras", "Xception, PyTorch"]
    assert figures.confusion(made[0]).axes[0].get_title() == "Xception, Keras\ninitial weights: scratch"
