"""Each backend is timed in two new processes, which share what the first one keeps on disk."""

import keras_backends
import pytest
from keras_backends import Clock, Done, measure


def test_a_row_has_the_median_step_and_both_first_steps(monkeypatch):
    called = []

    def timed(backend, size, steps, data):
        called.append((backend, size, steps, data))
        return [5.0] if steps == 1 else [2.0, 9.0, 0.5, 0.7, 0.6]

    monkeypatch.setattr(keras_backends, "in_a_process", timed)
    first, second = measure((32,), ("PyTorch", "Keras on JAX"), steps=5)
    assert [call[:3] for call in called] == [("", 32, 1), ("", 32, 5), ("jax", 32, 1), ("jax", 32, 5)]
    assert len({call[3] for call in called}) == 1
    assert (first["backend"], second["backend"]) == ("PyTorch", "Keras on JAX")
    assert (second["seconds_per_step"], second["first_step"], second["first_step_again"]) == (0.6, 5.0, 2.0)
    assert second["steps"] == 3


def test_the_clock_reads_the_loss_of_each_step_and_ends_the_training():
    clock, read = Clock(2), []
    clock.step(1, 16, lambda: read.append(1))
    with pytest.raises(Done):
        clock.step(1, 32, lambda: read.append(2))
    assert (read, len(clock.ends)) == ([1, 2], 3)
