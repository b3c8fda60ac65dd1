"""The number of trainings at the same time: from processors, GPU memory and the size of a training step."""

import pytest
import torch

from dogbreeds.training import capacity, parallel
from dogbreeds.training.recipe import Recipe
from dogbreeds.training.runs import RunConfig

GIGABYTES = 10**9


def config(image_size, batch_size, architecture="resnet50"):
    recipe = Recipe(batch_size=batch_size)
    return RunConfig(architecture, "pytorch", "dogs", "0", ("poodle", "pug"), image_size, recipe)


@pytest.mark.parametrize(
    ("image_size", "batch_size", "processors", "memory", "at_once"),
    [
        (64, 16, 16, 80, 8),  # two processors for each
        (64, 16, 64, 80, 32),
        (64, 16, 16, 8, 3),  # memory decides
        (224, 128, 64, 80, 1),  # the step fills the GPU
        (96, 64, 64, 80, 5),
        (224, 128, 16, 8, 1),  # one always runs: it says itself if it does not fit
        (64, 16, 1, 80, 1),
    ],
)
def test_processors_memory_or_the_step_decide(image_size, batch_size, processors, memory, at_once):
    assert capacity.on_a_gpu([config(image_size, batch_size)], processors, memory * GIGABYTES) == at_once


def test_the_largest_step_decides_and_notebooks_need_processors_and_memory():
    large, small = config(224, 64), config(40, 10, "xception")
    assert capacity.on_a_gpu([small, large], 16, 80 * GIGABYTES) == 1
    assert capacity.on_a_gpu([small], 16, 80 * GIGABYTES) == 8
    assert capacity.on_a_gpu([], 16, 80 * GIGABYTES) == 8
    assert capacity.on_a_gpu([], 16, 6 * GIGABYTES) == 3


def test_without_a_gpu_two_halves_of_the_processors_unless_a_number_is_given(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    assert capacity.shares([config(64, 16)]) == (2, 4)
    assert capacity.shares([config(64, 16)], at_once=3) == (3, 2)
    assert capacity.shares(at_once=16) == (16, 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert capacity.shares() == (1, 1)


def test_on_a_gpu_a_process_trains_all_networks_of_its_framework(monkeypatch):
    before, other, keras = ("resnet50", "pytorch"), ("xception", "pytorch"), ("resnet50", "keras")
    assert not parallel._same_process(before, None)
    assert parallel._same_process(before, before)
    assert not parallel._same_process(other, before)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    assert not parallel._same_process(before, None)
    assert parallel._same_process(other, before)
    assert not parallel._same_process(keras, before)
