"""Rows of numbers and the nested actions that they are, there and back."""

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple

from tests.odd_envs import Odd
from triptych.envs.nested_actions import FlatActions, as_numbers_of, bounds_of

SPACES = [
    Tuple((Discrete(3), Box(-1, 1, (2,), np.float32))),
    Tuple((Box(-1, 1, (2,), np.float32), Discrete(3, start=5), Box(0, 9, (), np.float32), MultiBinary([2, 2]))),
    Dict(b=MultiDiscrete([[2, 3], [4, 5]], start=[[1, 0], [0, 7]]), a=Box(-np.inf, np.inf, (2, 2), np.float32)),
    Dict(b=Tuple((Discrete(2), Box(0, 1, (1,), np.float32))), a=Dict(x=MultiBinary(3), y=Box(-5, 5, (), np.int64))),
    Tuple((Discrete(2), MultiDiscrete([3, 4]))),
    Tuple((Discrete(7, start=-3),)),
    MultiDiscrete([2, 3], start=[5, -1]),
    MultiDiscrete([4], start=[1]),
    Dict(a=Box(-1, 1, (2,), np.float32), b=Box(2, 3, (1,), np.float32)),
    Tuple((Discrete(2), Box(0, 1, (0,)))),
]


def rows_of(space, action):
    """Return the numbers of all choices and those of all Boxes, slowly."""
    if isinstance(space, Tuple | Dict):
        keys = space.spaces if isinstance(space, Dict) else range(len(space.spaces))
        found = [rows_of(space[key], action[key]) for key in keys]
        return [n for one in found for n in one[0]], [n for one in found for n in one[1]]
    if isinstance(space, Box):
        return [], [float(number) for number in np.ravel(action)]
    first = np.ravel(space.start) if isinstance(space, Discrete | MultiDiscrete) else 0
    return [int(option) for option in np.ravel(action) - first], []


def flat(space):
    env = Odd()
    env.action_space = space
    return FlatActions(env)


def assert_same(space, found, expected):
    """Compare parts, types and shapes too."""
    assert space.contains(found)
    if isinstance(space, Tuple | Dict):
        assert type(found) is type(expected)
        for key in expected if isinstance(space, Dict) else range(len(expected)):
            assert_same(space[key], found[key], expected[key])
    else:
        np.testing.assert_array_equal(found, expected)
        assert (np.asarray(found).dtype, np.shape(found)) == (np.asarray(expected).dtype, np.shape(expected))


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_a_row_is_the_action_of_which_it_was_made(space):
    space.seed(3)
    env = flat(space)
    for _ in range(50):
        action = space.sample()
        choices, numbers = rows_of(space, action)
        row = np.array([*choices, *numbers], np.float32)
        if not numbers:
            row = row.astype(np.int64)[0] if isinstance(env.action_space, Discrete) else row.astype(np.int64)
        assert_same(space, env.action(row), action)
        assert np.shape(row) == env.action_space.shape


def test_what_is_played_of_a_row_is_what_the_environment_gets():
    class Keeping(gymnasium.Env):
        action_space, observation_space = SPACES[0], Discrete(2)

        def step(self, action):
            self.got = action
            return 0, 0.0, False, False, {}

    inner = Keeping()
    FlatActions(inner).step(np.array([2.0, 0.25, -1.0], np.float32))
    assert_same(SPACES[0], inner.got, (np.int64(2), np.array([0.25, -1.0], np.float32)))


def test_whole_numbers_of_a_box_are_all_as_likely():
    box = Box(0, 4, (2,), np.int32)
    low, high = bounds_of(box)
    drawn = np.random.default_rng(0).uniform(low, high, (5000, 2)).astype(np.float32)
    played = as_numbers_of(box, drawn)
    assert played.dtype == np.int32
    assert np.abs(np.bincount(played.ravel()) / 10_000 - 0.2).max() < 0.02
    assert as_numbers_of(box, np.array([-0.5, 4.5])).tolist() == [0, 4]
    assert as_numbers_of(box, np.array([-7.0, 1.6])).tolist() == [0, 2]
    switches = Box(np.zeros(2, bool), np.ones(2, bool), dtype=bool)
    assert as_numbers_of(switches, np.array([0.4, 0.6])).tolist() == [False, True]
    assert flat(Tuple((box,))).action(np.array([3.6, 0.2], np.float32))[0].tolist() == [4, 0]


def test_numbers_are_clipped_to_the_bounds_of_their_part_in_its_type():
    space = Tuple((Discrete(2), Box(np.array([0.0, -1.0]), np.array([0.1, np.inf]), dtype=np.float64)))
    option, numbers = flat(space).action(np.array([1, 0.1, -7], np.float32))
    assert option == 1
    assert numbers.tolist() == [0.1, -1.0]  # 0.1 of single precision is more than that of double
    assert space.contains((option, numbers))
