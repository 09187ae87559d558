from fractions import Fraction

import pytest

from triptych.data.turns import make_turn

RATIOS = [0.125, 0.25, 1 / 3, 0.5, 1, 1.5, 2, 2.5, 4, 7, 100]


@pytest.mark.parametrize("env_steps_per_update", RATIOS)
@pytest.mark.parametrize("num_envs", [1, 2, 3, 5, 8, 12, 16, 64, 100])
def test_env_steps_per_update_are_exact_in_the_fewest_vector_steps(num_envs, env_steps_per_update):
    ratio = Fraction(env_steps_per_update).limit_denominator(100)
    turn = make_turn(num_envs, env_steps_per_update)
    assert turn.env_steps == turn.vector_steps * num_envs
    assert Fraction(turn.env_steps, turn.updates) == ratio
    fewer = range(1, turn.vector_steps)
    assert not any((Fraction(steps * num_envs) / ratio).denominator == 1 for steps in fewer)


@pytest.mark.parametrize(("num_envs", "turn"), [(16, (1, 16, 4)), (1, (4, 4, 1)), (6, (2, 12, 3)), (5, (4, 20, 5))])
def test_four_env_steps_per_update_by_hand(num_envs, turn):
    assert make_turn(num_envs, 4) == turn
