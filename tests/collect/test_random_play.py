"""Playing at random: every option, and nothing but options."""

import math

import numpy as np
import pytest

from tests.fakes import Script, ScriptedGame
from triptych.collect.random_play import RandomActor, observation_sizes
from triptych.types import EnvSpec

CHOICE = EnvSpec("choice", "none", (3,), "float32", num_actions=4)
CHOICES = EnvSpec("choices", "none", (3,), "float32", None, action_shape=(2, 2), action_sizes=(2, 3, 4, 5))
NUMBERS = EnvSpec(
    "numbers", "none", (3,), "float32", None,
    action_shape=(2, 2), action_low=(-2.0, 0.0, -math.inf, 1.0), action_high=(2.0, 1.0, math.inf, math.inf),
)  # fmt: skip
BOTH = EnvSpec(
    "both", "none", (3,), "float32", None,
    action_shape=(4,), action_sizes=(2, 3), action_low=(-2.0, -math.inf), action_high=(2.0, math.inf),
)  # fmt: skip
OBSERVATIONS = np.zeros((5000, 3), np.float32)


def test_one_choice_is_uniform():
    action, extras = RandomActor(CHOICE, 0)(OBSERVATIONS)
    assert action.shape == (5000,)
    assert np.bincount(action) == pytest.approx([1250] * 4, abs=130)
    assert extras == {}


def test_of_several_choices_each_is_uniform_and_none_follows_another():
    action, _ = RandomActor(CHOICES, 0)(OBSERVATIONS)
    assert action.shape == (5000, 2, 2)
    flat = action.reshape(5000, 4)
    for choice, size in enumerate(CHOICES.action_sizes):
        assert np.bincount(flat[:, choice]) == pytest.approx([5000 / size] * size, abs=150)
    assert np.abs(np.corrcoef(flat.T) - np.eye(4)).max() < 0.06


def test_numbers_lie_between_their_bounds_and_without_both_of_them_are_normal():
    action, _ = RandomActor(NUMBERS, 0)(OBSERVATIONS)
    assert (action.shape, action.dtype) == ((5000, 2, 2), np.float32)
    flat = action.reshape(5000, 4)
    assert (flat[:, :2].min(0), flat[:, :2].max(0)) == (
        pytest.approx([-2, 0], abs=0.01),
        pytest.approx([2, 1], abs=0.01),
    )
    assert (flat[:, :2] >= [-2, 0]).all()
    assert (flat[:, :2] <= [2, 1]).all()
    for numbers in flat[:, 2:].T:
        assert (numbers.mean(), numbers.std()) == pytest.approx((0, 1), abs=0.06)


def test_bounds_by_which_users_say_that_there_is_none_are_none():
    spec = EnvSpec("far", "none", (3,), "float32", None, (1,), (-1e300,), (1e300,))
    action, _ = RandomActor(spec, 0)(OBSERVATIONS)
    assert (action.mean(), action.std()) == pytest.approx((0, 1), abs=0.06)


def test_choices_and_numbers_are_a_row_with_the_choices_first():
    action, _ = RandomActor(BOTH, 0)(OBSERVATIONS)
    assert (action.shape, action.dtype) == ((5000, 4), np.float32)
    for choice, size in enumerate(BOTH.action_sizes):
        assert np.bincount(action[:, choice].astype(int)) == pytest.approx([5000 / size] * size, abs=150)
    assert (action[:, :2] == action[:, :2].round()).all()
    assert (action[:, 2].min(), action[:, 2].max()) == (pytest.approx(-2, abs=0.01), pytest.approx(2, abs=0.01))
    assert action[:, 3].std() == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("spec", [CHOICE, CHOICES, NUMBERS, BOTH])
def test_the_seed_decides(spec):
    one, same, other = (RandomActor(spec, seed)(OBSERVATIONS[:50])[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


class Growing(ScriptedGame):
    """Whose vectors are known numbers times the time, which the second has a minus of."""

    factors = np.array([1.0, -10.0, 0.0, 1000.0, 0.5], np.float32)

    def _observe(self):
        return self.factors * np.array(self._time, np.float32)[:, None]


@pytest.mark.parametrize(("length", "num_steps", "latest"), [(9, 64, 9), (100, 64, 64), (100, 7, 7), (64, 64, 64)])
@pytest.mark.parametrize("end", ["terminated", "truncated"])
def test_the_largest_magnitude_of_each_number_in_the_first_steps_of_one_game(length, num_steps, latest, end):
    game = Growing(lambda *_: Script([0.0] * length, end), is_image=False)
    sizes = observation_sizes(game, num_steps)
    assert sizes.tolist() == (np.abs(Growing.factors) * latest).tolist()
    assert len(game.sent) == latest


def test_the_first_observation_counts_too():
    class Falling(Growing):
        def _observe(self):
            return self.factors * (5 - np.array(self._time, np.float32)[:, None])

    sizes = observation_sizes(Falling(lambda *_: Script([0.0] * 3), is_image=False))
    assert sizes.tolist() == (np.abs(Growing.factors) * 5).tolist()
