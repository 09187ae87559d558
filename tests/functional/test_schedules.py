from itertools import pairwise

import pytest

from triptych.functional.schedules import linear_schedule


@pytest.mark.parametrize(("step", "value"), [(0, 1.0), (25, 0.775), (50, 0.55), (100, 0.1), (101, 0.1), (10**9, 0.1)])
def test_linear_by_hand(step, value):
    assert linear_schedule(step, 1.0, 0.1, 100) == pytest.approx(value)


def test_linear_falls_evenly():
    values = [linear_schedule(step, 1.0, 0.0, 7) for step in range(8)]
    assert [a - b for a, b in pairwise(values)] == pytest.approx([1 / 7] * 7)


def test_linear_may_rise():
    assert linear_schedule(3, 0.4, 1.0, 6) == pytest.approx(0.7)


def test_a_duration_of_zero_is_the_end():
    assert linear_schedule(0, 1.0, 0.1, 0) == 0.1
