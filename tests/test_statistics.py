import numpy as np
import pytest

from dogbreeds import statistics


@pytest.mark.parametrize(("right", "low", "high"), [(44, 0.206, 0.341), (161, 0.948, 0.994)])
def test_the_intervals_of_the_2020_figures(right, low, high):
    assert statistics.accuracy_interval(right, 164) == (pytest.approx(low, abs=5e-4), pytest.approx(high, abs=5e-4))


def test_mcnemar_is_a_sign_test_on_the_photos_one_alone_got_right():
    """Nine against one of ten: the binomial test gives 2 * 11 / 1024."""
    first = np.array([True] * 9 + [False] + [True] * 20)
    second = np.array([False] * 9 + [True] + [True] * 20)
    assert statistics.paired_test(first, second) == pytest.approx(22 / 1024)
    assert statistics.paired_test(first, first) == 1
