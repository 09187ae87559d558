"""Environments that do not keep to Gymnasium's interface are told apart from those that do, in a sentence."""

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete, Tuple

from triptych.envs.gymnasium import Gymnasium
from triptych.envs.interface import what_is_wrong
from triptych.types import ConfigurationError


class Kept(gymnasium.Env):
    """Keeps to the interface; each test changes what one method returns."""

    observation_space, action_space = Box(-1, 1, (2,), np.float32), Discrete(2)

    def __init__(self, observation=None, started=None, stepped=None, space=None, actions=None, render_mode=None):
        self.observation = np.zeros(2, np.float32) if observation is None else observation
        self.started, self.stepped = started, stepped
        self.observation_space = space or self.observation_space
        self.action_space = actions or self.action_space
        self.played = None

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return (self.observation, {}) if self.started is None else self.started

    def step(self, action):
        self.played = action
        return (self.observation, 0.0, False, False, {}) if self.stepped is None else self.stepped


GOOD = np.zeros(2, np.float32)


@pytest.mark.parametrize(
    ("keywords", "wrong"),
    [
        ({"started": GOOD}, r"reset\(\) returns of type ndarray and not \(observation, infos\)"),
        ({"started": (GOOD, None)}, r"the infos of reset\(\) are of type NoneType and not a dict"),
        ({"started": (np.zeros(3), {})}, r"observation of reset\(\) has the shape \[3\], but observation_space \[2\]"),
        ({"started": (None, {})}, r"observation of reset\(\) is of type NoneType and not numbers"),
        ({"started": ([[0.0], [0.0, 0.0]], {})}, r"observation of reset\(\) is of type list and not numbers"),
        ({"stepped": (GOOD, 0.0, True, {})}, r"step\(\) returns a tuple of 4 and not \(observation, reward, term"),
        ({"stepped": (np.zeros((1, 2)), 0.0, True, False, {})}, r"step\(\) has the shape \[1, 2\], but"),
        ({"stepped": (GOOD, None, True, False, {})}, r"step\(\) returns the reward None, which is no number"),
        ({"space": Dict(a=Box(-1, 1, (2,)), b=Discrete(3)), "observation": {"a": GOOD}}, "is a dict of a and not a di"),
        ({"space": Dict(a=Box(-1, 1, (2,))), "observation": {"a": np.zeros(3)}}, r"has the shape \[3\], but .* \[2\]"),
        ({"space": Tuple((Discrete(2), Discrete(3))), "observation": (0,)}, "is a tuple of 1 and not a tuple of 2"),
    ],
)
def test_what_is_not_kept_is_said(keywords, wrong):
    with pytest.raises(AssertionError, match=wrong):
        assert what_is_wrong(Kept(**keywords)) is None, what_is_wrong(Kept(**keywords))


@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"observation": [0.0, 0.0]},
        {"observation": np.full(2, 7.0)},  # out of bounds, as some are for a moment
        {"stepped": (GOOD, np.ones(1), np.bool_(True), 0, {})},
        {"space": Tuple((Discrete(2), Box(-1, 1, (2,)))), "observation": (1, GOOD)},
        {"space": MultiDiscrete([2, 3]), "observation": np.array([1, 2])},
        {"actions": Box(-np.inf, np.inf, (2,), np.float32)},
        {"actions": Dict(a=Discrete(2, start=1), b=Box(2, 3, (1,)))},
    ],
)
def test_what_keeps_to_it_passes_and_is_sent_an_action_of_its_space(keywords):
    env = Kept(**keywords)
    assert what_is_wrong(env) is None
    assert env.action_space.contains(env.played)


def test_an_action_that_is_not_allowed_is_not_tried():
    env = Kept(actions=Discrete(4, start=10), started=(GOOD, {"action_mask": np.array([0, 0, 1, 0])}))
    assert what_is_wrong(env) is None
    assert env.played == 12


class TakesNoSeed(Kept):
    def reset(self):
        return GOOD, {}


class Breaks(Kept):
    def __init__(self, size=3, render_mode=None):
        super().__init__()
        self.row = {3: "abc"}[size]


gymnasium.register("TakesNoSeed-v0", entry_point=TakesNoSeed)
gymnasium.register("Breaks-v0", entry_point=Breaks)


def test_a_reset_without_a_seed_is_refused_by_name():
    with pytest.raises(ConfigurationError, match=r"env.id=TakesNoSeed-v0 does not keep .*reset\(\) takes no seed"):
        Gymnasium("TakesNoSeed-v0", 1)


def test_a_keyword_that_its_constructor_cannot_take_is_told_by_its_key():
    Gymnasium("Breaks-v0", 1, make_kwargs={"size": 3}).close()
    with pytest.raises(ConfigurationError, match=r"env.make_kwargs={'size': 5} does not fit env.id=Breaks-v0, .*KeyE"):
        Gymnasium("Breaks-v0", 1, make_kwargs={"size": 5})
    with pytest.raises(ConfigurationError, match=r"env.make_kwargs={'map_name': '5x5'} does not fit env.id=FrozenLake"):
        Gymnasium("FrozenLake-v1", 1, make_kwargs={"map_name": "5x5"})


def test_a_keyword_that_there_is_not_is_told_with_those_that_there_are():
    words = r"env.id=CartPole-v1 cannot be made with env.make_kwargs={'nosuch': 1}: .*nosuch.*takes sutton_barto_reward"
    with pytest.raises(ConfigurationError, match=words):
        Gymnasium("CartPole-v1", 1, make_kwargs={"nosuch": 1})
    with pytest.raises(ConfigurationError, match=r"env.make_kwargs.render_mode=human is not allowed"):
        Gymnasium("CartPole-v1", 1, make_kwargs={"render_mode": "human"})
    Gymnasium("CartPole-v1", 1, make_kwargs={"render_mode": "rgb_array"}).close()


def test_a_wrapper_that_breaks_the_interface_is_told_too():
    with pytest.raises(ConfigurationError, match=r"env.id=CartPole-v1 does not keep .*step\(\) returns a tuple of 4"):
        Gymnasium("CartPole-v1", 1, wrappers=["tests.envs.test_interface.OldStep"])


class OldStep(gymnasium.Wrapper):
    """Returns what environments did before there was truncation."""

    def step(self, action):
        observation, reward, terminated, truncated, infos = self.env.step(action)
        return observation, reward, terminated or truncated, infos
