"""The rate of the last seconds, and times in words."""

import pytest

from triptych.callbacks.pace import WINDOW_S, Pace, duration


def test_the_rate_is_not_known_before_two_samples_lie_apart():
    pace = Pace()
    assert pace.frames_per_second is None
    pace.add(0.0, 0)
    pace.add(0.5, 100)
    assert pace.frames_per_second is None
    pace.add(4.0, 100)
    assert pace.frames_per_second == 25


def test_the_rate_is_that_of_the_last_seconds():
    pace = Pace()
    for second in range(100):
        pace.add(second, 1000 * second)
    for second in range(100, 200):
        pace.add(second, 100_000 + 10 * (second - 100))
    assert pace.frames_per_second == 10


def test_samples_further_apart_than_the_window_still_give_a_rate():
    pace = Pace()
    for number in range(4):
        pace.add(number * 10 * WINDOW_S, number * 600)
    assert pace.frames_per_second == pytest.approx(600 / (10 * WINDOW_S))


def test_a_pause_and_what_was_before_a_restart_count_for_nothing():
    pace = Pace()
    pace.add(0, 0)
    pace.pause(90)
    pace.add(100, 50)
    assert pace.frames_per_second == 5
    pace.restart()
    pace.add(101, 60)
    assert pace.frames_per_second is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (89, "89 s"), (100, "2 min"), (6000, "1.7 h"), (50_000, "14 h"), (200_000, "2.3 days")],
)
def test_times_are_said_as_exactly_as_they_are_known(seconds, words):
    assert duration(seconds) == words
