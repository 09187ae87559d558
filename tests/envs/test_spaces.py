"""What the spaces of users' environments become, by the rule that is written in `triptych.envs.spaces`."""

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Sequence, Text, Tuple

from triptych.envs.spaces import action_rule, observation_rule
from triptych.types import ConfigurationError


class Showing(gymnasium.Env):
    """Shows one observation of a space."""

    action_space = Discrete(2)

    def __init__(self, space, observation):
        self.observation_space, self.observation = space, observation

    def reset(self, *, seed=None, options=None):
        return self.observation, {}


def read(space, observation, layout="auto"):
    """Return the rule, the space it leads to, and what the observation becomes."""
    rule = observation_rule(space, layout, "Some-v0")
    env = rule.wrap(Showing(space, observation))
    return rule, env.observation_space, np.asarray(env.reset()[0])


def picture(shape, dtype=np.uint8, low=0, high=255):
    space = Box(low, high, shape, dtype)
    numbers = np.arange(np.prod(shape)).reshape(shape) % (high - low + 1) + low
    return space, numbers.astype(dtype)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((6, 7), (0, 1)),
        ((72, 96, 3), (2, 0, 1)),
        ((84, 84, 12), (2, 0, 1)),
        ((3, 72, 96), (0, 1, 2)),
        ((20, 19, 19), (0, 1, 2)),
        ((19, 19, 20), (2, 0, 1)),
        ((4, 9, 8, 3), (0, 3, 1, 2)),
        ((4, 3, 9, 8), (0, 1, 2, 3)),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.uint16])
def test_pictures_of_every_layout_become_channels_height_width(shape, axes, dtype):
    space, shown = picture(shape, dtype)
    rule, seen, found = read(space, shown)
    expected = np.transpose(shown, axes)
    expected = expected.reshape(-1, *expected.shape[-2:])
    assert seen.shape == found.shape == expected.shape
    if dtype == np.uint8:
        np.testing.assert_array_equal(found, expected)
        assert (found.dtype, rule.pixel_max) == (np.uint8, 255)
    else:
        np.testing.assert_allclose(found, expected / 255, rtol=1e-6)
        assert (found.dtype, rule.pixel_max) == (np.float32, 1.0)
    assert seen.contains(found)


@pytest.mark.parametrize(("low", "high"), [(0, 2), (1, 4)])
def test_bytes_begin_at_0_and_keep_how_far_they_go(low, high):
    space, shown = picture((6, 7), low=low, high=high)
    rule, _, found = read(space, shown)
    np.testing.assert_array_equal(found[0], shown - low)
    assert rule.pixel_max == high - low


def test_other_numbers_are_brought_to_0_to_1_by_their_bounds():
    space, shown = picture((6, 7), np.float32, low=-1, high=3)
    rule, _, found = read(space, shown)
    np.testing.assert_allclose(found[0], (shown + 1) / 4)
    assert (found.min(), found.max(), rule.pixel_max) == (0.0, 1.0, 1.0)


@pytest.mark.parametrize("shape", [(8, 8, 8), (9, 5, 9)])
def test_where_the_channels_cannot_be_known_it_asks_and_the_answer_decides(shape):
    space, shown = picture(shape)
    with pytest.raises(ConfigurationError, match=r"channels_first, channels_last or vector"):
        read(space, shown)
    np.testing.assert_array_equal(read(space, shown, "channels_first")[2], shown)
    np.testing.assert_array_equal(read(space, shown, "channels_last")[2], np.moveaxis(shown, -1, 0))
    assert read(space, shown, "vector")[2].shape == (np.prod(shape),)


@pytest.mark.parametrize(
    ("space", "layout", "sentence"),
    [
        (Box(0, 2, (6, 7), np.uint8), "auto", "a picture of 6 x 7 with 1 channels, 0 to 2"),
        (Box(-1, 1, (4, 9, 8, 3), np.float32), "auto", "a picture of 9 x 8 with 12 channels, -1 to 1"),
        (Box(0, 255, (5, 9, 9), np.uint8), "channels_last", "a picture of 5 x 9 with 9 channels, 0 to 255"),
        (Box(0, 255, (5, 9), np.uint8), "vector", "a vector of 45 numbers, brought to 0 to 1 by their bounds"),
        (Box(-1, 1, (), np.float32), "auto", "a vector of 1 numbers, as they are"),
        (Dict(a=Discrete(3), b=Box(0, 1, (2, 2))), "auto", "the vector of a Dict, 7 numbers"),
        (
            Dict(a=Box(0, 255, (2, 2), np.uint8)),
            "auto",
            "the vector of a Dict, 4 numbers, whole ones brought to 0 to 1 by their bounds, those of pictures too "
            "(env.wrappers may show a picture alone)",
        ),
    ],
)
def test_the_rule_is_said_in_words(space, layout, sentence):
    assert observation_rule(space, layout, "Some-v0").sentence == sentence


def test_bytes_that_are_as_wanted_are_handed_on_untouched():
    env = Showing(*picture((3, 9, 8)))
    assert observation_rule(env.observation_space, "auto", "Some-v0").wrap(env) is env


def test_a_picture_may_be_read_as_a_vector():
    space, shown = picture((7, 7, 3))
    rule, _, found = read(space, shown, "vector")
    np.testing.assert_allclose(found, shown.ravel() / 255, rtol=1e-6)
    assert rule.pixel_max is None


@pytest.mark.parametrize(
    ("space", "observation", "expected"),
    [
        (Box(-np.inf, np.inf, (3,), np.float64), np.array([1.0, 2e5, -3.0]), [1, 2e5, -3]),
        (Box(-1, 1, (), np.float32), np.float32(0.5), [0.5]),
        (Box(0, 255, (2,), np.uint8), np.array([0, 255], np.uint8), [0, 1]),
        (Box(np.array([0, -2]), np.array([4, 2]), dtype=np.int64), np.array([1, 0]), [0.25, 0.5]),
        (Box(-np.inf, np.inf, (2, 2), np.float32), np.array([[1, 2], [3, 4]], np.float32), [1, 2, 3, 4]),
        (Discrete(3), 1, [0, 1, 0]),
        (Discrete(3, start=5), 7, [0, 0, 1]),
        (MultiBinary(2), np.array([1, 0], np.int8), [1, 0]),
        (MultiDiscrete([2, 3]), np.array([1, 2]), [0, 1, 0, 0, 1]),
        (Dict(a=Box(-1, 1, (2,)), b=Discrete(2)), {"a": np.array([0.5, -1], np.float32), "b": 1}, [0.5, -1, 0, 1]),
        (Tuple((Discrete(2), Box(0, 9, (1,)))), (0, np.array([7], np.float32)), [1, 0, 7]),
        (
            Dict(a=Tuple((Box(-1, 3, (1,), np.int32),)), b=Box(0, 255, (1, 2), np.uint8), c=Box(0, 9, (1,))),
            {"a": (np.array([1]),), "b": np.array([[51, 255]], np.uint8), "c": np.array([7], np.float32)},
            [0.5, 0.2, 1, 7],
        ),
        (
            Dict(
                achieved_goal=Box(0, 9, (1,), np.int32),
                desired_goal=Box(0, 9, (1,), np.int32),
                observation=Box(0, 10, (1,), np.int32),
            ),
            {"achieved_goal": np.array([3]), "desired_goal": np.array([9]), "observation": np.array([5])},
            [3, 9, 0.5],  # goals are compared by who says what reaching them is worth
        ),
    ],
)  # fmt: skip
def test_everything_else_becomes_a_vector(space, observation, expected):
    rule, seen, found = read(space, observation)
    assert found.astype(np.float32).tolist() == pytest.approx(expected)
    assert seen.shape == (len(expected),)
    assert rule.pixel_max is None


@pytest.mark.parametrize("space", [Text(5), Sequence(Discrete(2)), Dict(a=Sequence(Discrete(2)))])
def test_what_has_no_fixed_length_is_refused_with_the_way_out(space):
    with pytest.raises(ConfigurationError, match=r"Some-v0 .* env\.wrappers"):
        observation_rule(space, "auto", "Some-v0")


def test_a_layout_of_pictures_does_not_fit_a_vector():
    with pytest.raises(ConfigurationError, match=r"env\.observations=channels_last .* use env\.observations=vector"):
        observation_rule(Box(-1, 1, (4,), np.float32), "channels_last", "Some-v0")


@pytest.mark.parametrize(
    ("space", "fields"),
    [
        (Discrete(4), {"num_actions": 4}),
        (MultiDiscrete([2, 3]), {"num_actions": None, "action_shape": (2,), "action_sizes": (2, 3)}),
        (MultiDiscrete([[2, 3], [4, 5]]), {"num_actions": None, "action_shape": (2, 2), "action_sizes": (2, 3, 4, 5)}),
        (MultiBinary(3), {"num_actions": None, "action_shape": (3,), "action_sizes": (2, 2, 2)}),
        (MultiBinary([2, 1]), {"num_actions": None, "action_shape": (2, 1), "action_sizes": (2, 2)}),
        (
            Box(-1, 2, (), np.float32),
            {"num_actions": None, "action_shape": (), "action_low": (-1,), "action_high": (2,)},
        ),
        (
            Box(-1, 2, (2,), np.float32),
            {"num_actions": None, "action_shape": (2,), "action_low": (-1, -1), "action_high": (2, 2)},
        ),
        (
            Box(0, 4, (2,), np.int32),
            {"num_actions": None, "action_shape": (2,), "action_low": (-0.5, -0.5), "action_high": (4.5, 4.5)},
        ),
        (
            Tuple((Discrete(3), Box(-2, 2, (1,), np.int64))),
            {
                "num_actions": None,
                "action_shape": (2,),
                "action_sizes": (3,),
                "action_low": (-2.5,),
                "action_high": (2.5,),
            },
        ),
        (
            Tuple((Box(-1, 2, (2,)), Discrete(3), Box(0, np.inf, ()), MultiBinary(2))),
            {
                "num_actions": None,
                "action_shape": (6,),
                "action_sizes": (3, 2, 2),
                "action_low": (-1, -1, 0),
                "action_high": (2, 2, np.inf),
            },
        ),
        (
            Dict(a=Tuple((MultiDiscrete([2, 3]), Box(-1, 1, (1,)))), b=Dict(c=Discrete(4, start=2))),
            {
                "num_actions": None,
                "action_shape": (4,),
                "action_sizes": (2, 3, 4),
                "action_low": (-1,),
                "action_high": (1,),
            },
        ),
        (Tuple((Discrete(2), Discrete(3))), {"num_actions": None, "action_shape": (2,), "action_sizes": (2, 3)}),
        (Dict(a=Discrete(3, start=1)), {"num_actions": 3}),
        (
            Dict(a=Box(-1, 2, (2,)), b=Box(0, 1, ())),
            {"num_actions": None, "action_shape": (3,), "action_low": (-1, -1, 0), "action_high": (2, 2, 1)},
        ),
    ],
)
def test_actions_are_one_choice_several_or_numbers_or_both(space, fields):
    assert action_rule(space, "Some-v0").spec == fields


def test_choices_may_begin_anywhere_and_words_are_no_actions():
    assert action_rule(Discrete(2, start=1), "Some-v0").first == 1
    several = {"num_actions": None, "action_shape": (2,), "action_sizes": (2, 3)}
    assert action_rule(MultiDiscrete([2, 3], start=[0, 1]), "Some-v0").spec == several
    with pytest.raises(ConfigurationError, match="actions of type Text; the algorithms have Discrete"):
        action_rule(Text(3), "Some-v0")
    with pytest.raises(ConfigurationError, match=r"Some-v0 has actions of type Text in a Tuple; .* env\.wrappers\.$"):
        action_rule(Tuple((Discrete(2), Dict(a=Text(3)))), "Some-v0")


@pytest.mark.parametrize("space", [Tuple(()), Dict(), Tuple((Box(0, 1, (0,)),)), Box(0, 1, (0,))])
def test_actions_without_anything_to_choose_are_refused(space):
    with pytest.raises(ConfigurationError, match=r"Some-v0 has the actions .*, in which there is nothing to choose"):
        action_rule(space, "Some-v0")


def test_bounds_that_are_no_bounds_make_no_picture_and_scale_nothing():
    largest = np.finfo(np.float32).max
    space, shown = Box(-largest, largest, (2, 3), np.float32), np.arange(6, dtype=np.float32).reshape(2, 3)
    rule, _, found = read(space, shown)
    assert rule.pixel_max is None
    assert found.tolist() == [0, 1, 2, 3, 4, 5]
    far = np.iinfo(np.int32)
    _, _, found = read(Box(far.min, far.max, (3,), np.int32), np.array([1, 2, 3], np.int32))
    assert found.tolist() == [1, 2, 3]


def test_a_layout_of_pictures_does_not_fit_parts():
    with pytest.raises(ConfigurationError, match=r"env\.observations=channels_first"):
        observation_rule(Dict(a=Discrete(3)), "channels_first", "Some-v0")


@pytest.mark.parametrize("layout", ["auto", "vector", "channels_first"])
@pytest.mark.parametrize("shape", [(0,), (0, 5), (3, 0, 5)])
def test_a_box_without_a_number_is_refused(shape, layout):
    with pytest.raises(ConfigurationError, match=r"^env\.id=Some-v0 shows Box.* no number"):
        observation_rule(Box(0, 255, shape, np.uint8), layout, "Some-v0")


@pytest.mark.parametrize(
    "space", [Dict(), Tuple([]), Dict(a=Dict()), Dict(a=Box(0, 1, (0,))), Tuple([Box(0, 1, (0,)), Box(0, 1, (0, 2))])]
)
def test_a_space_of_no_parts_or_of_empty_ones_is_refused(space):
    with pytest.raises(ConfigurationError, match=r"^env\.id=Some-v0 shows .*env\.wrappers\.$"):
        observation_rule(space, "auto", "Some-v0")


@pytest.mark.parametrize("space", [Dict(a=Discrete(3)), Tuple([Discrete(3)]), Discrete(3), MultiBinary(2)])
@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
def test_a_layout_of_pictures_is_refused_where_there_are_none(space, layout):
    with pytest.raises(ConfigurationError, match=rf"^env\.observations={layout} is for pictures.*env\.id=Some-v0"):
        observation_rule(space, layout, "Some-v0")
