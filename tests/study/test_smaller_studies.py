"""Studies with fewer networks or frameworks than the full comparison: trainings, notebooks, answers and report."""

import nbformat
import pandas as pd
import pytest
from finished_runs import write_finished_run

from dogbreeds.errors import StudyError
from dogbreeds.presentation import report, slides
from dogbreeds.study import Study, answers
from dogbreeds.study.notebooks import notebooks_of

ONE = {"architectures": ["resnet50"], "frameworks": ["pytorch"]}


@pytest.fixture
def study(photo_folder):
    return Study("own", str(photo_folder), image_size=32, **ONE)


def numbers(study):
    return [path.stem[:2] for path in notebooks_of(study)]


@pytest.mark.parametrize(
    ("smaller", "count"),
    [
        (ONE, 1),
        ({"architectures": ["xception", "resnet50"]}, 4),
        ({"frameworks": ["keras"], "seeds": [0, 1]}, 6),
    ],
)
def test_only_its_own_networks_are_trained_and_two_notebooks_are_run(photo_folder, smaller, count):
    study = Study("own", str(photo_folder), image_size=32, **smaller)
    planned = [job.config for job in study.plan()]
    assert len(planned) == count
    assert {config.architecture for config in planned} == set(study.architectures)
    assert {config.framework for config in planned} == set(study.frameworks)
    assert not study.is_full_comparison
    assert numbers(study) == ["01", "06"]


def test_all_names_in_another_order_are_the_full_comparison(photo_folder):
    study = Study("all", str(photo_folder), frameworks=["pytorch", "keras"])
    assert study.is_full_comparison
    assert numbers(study) == ["01", "02", "03", "04", "05", "06"]
    assert len(study.plan()) == 6 + 5  # the baseline is one of the six


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"architectures": ["vgg16"]},
            "'architectures.0' must be 'xception', 'resnet50' or 'se_resnet50', not 'vgg16'",
        ),
        ({"frameworks": ["keras", "keras"]}, "'frameworks' must list each name once"),
        ({"frameworks": []}, "'frameworks' must have at least 1 item"),
    ],
)
def test_names_are_checked_in_one_line(changes, message):
    with pytest.raises(StudyError, match=message) as raised:
        Study.from_profile("tiny", **changes)
    assert "\n" not in str(raised.value)


def finished(study, test):
    for job in study.plan():
        write_finished_run(job.config, job.dataset, study.store, validation=2, test=test)
    return study


@pytest.mark.parametrize(
    ("correct", "sentence"),
    [
        (6, "misclassifies 0 of 6 test images."),
        (0, r"misclassifies 6 of 6 test images, most often \S+ as \S+ \(3\)."),
        (4, r"misclassifies 2 of 6 test images, most often \S+ as \S+ \(2\). Its confidence separates .+"),
    ],
)
def test_errors_of_one_network_are_answered_with_and_without_errors(study, correct, sentence):
    first, *others = answers.errors(finished(study, correct))
    assert pd.Series([first]).str.fullmatch(f"ResNet50, PyTorch, the best run in validation, {sentence}").all()
    assert len(others) == 3
    assert "With a single network" in others[1]


def test_slides_are_refused_in_one_line(study):
    with pytest.raises(
        StudyError, match=r"compare all networks in both frameworks, and own has fewer: run dogbreeds study"
    ):
        slides.render(study, {}, "fr")
    assert not study.folder.exists()


def test_report_says_what_is_not_part_of_it_and_begins_with_the_results(study):
    finished(study, 4).save_table("results", pd.DataFrame({"network": ["ResNet50"]} | RESULTS))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# 06 Errors\n\nWhich?")])
    nbformat.write(notebook, study.folder / "06_error_analysis.ipynb")
    page = report.write(study, [study.folder / "06_error_analysis.ipynb"]).read_text(encoding="utf-8")
    text = " ".join(page.partition("Answers")[0].split())
    assert "This study trains ResNet50 in PyTorch only. Notebooks 02 to 05 and the slides" in text
    assert "66.7 [30.0, 90.3]" in page.partition('<h2 id="chapter-1"')[0]
    assert "Notebooks and slides" not in page


RESULTS = {"framework": ["PyTorch"], "initial weights": ["imagenet"], "test accuracy": [0.667], "low": [0.3]}
RESULTS |= {"high": [0.903], "photos/s": [3.4], "seconds": [60.2], "memory MB": [2954.7], "parameters": [23_500_000]}
RESULTS |= {"multiply-adds": [4_100_000_000]}
