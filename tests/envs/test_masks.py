"""Gymnasium's way to say which actions are allowed: info["action_mask"]."""

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiDiscrete

from tests.front_door import summary, train
from triptych.collect.evaluation import play_episodes
from triptych.collect.random_play import RandomActor
from triptych.envs.gymnasium import Gymnasium
from triptych.envs.masks import MaskedObservation
from triptych.types import ConfigurationError


class Doors(gymnasium.Env):
    """Of five doors two are open, others each time; the first of them pays, a closed one raises an error."""

    def __init__(self, pictures=False, render_mode=None):
        self.pictures = pictures
        shape = (3, 12, 12) if pictures else (5,)
        self.observation_space = Box(0, 255, shape, np.uint8) if pictures else Box(-np.inf, np.inf, shape, np.float32)
        self.action_space = Discrete(5)

    def _draw(self):
        self.open = np.sort(self.np_random.choice(5, 2, replace=False))
        mask = np.zeros(5, np.int8)
        mask[self.open] = 1
        shown = np.zeros(self.observation_space.shape, self.observation_space.dtype)
        return shown, {"action_mask": mask}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self._draw()

    def step(self, action):
        if action not in self.open:
            raise ValueError(f"door {action} is closed")
        self.steps += 1
        reward = float(action == self.open[0])
        observation, info = self._draw()
        return observation, reward, False, self.steps == 10, info


gymnasium.register("Doors-v0", entry_point=Doors)
ID = "tests.envs.test_masks:Doors-v0"


@pytest.fixture(params=[False, True], ids=["vectors", "pictures"])
def game(request):
    game = Gymnasium("Doors-v0", 4, make_kwargs={"pictures": request.param})
    yield game
    game.close()


def test_observations_say_what_is_allowed(game):
    assert game.spec.has_mask
    observation, _ = game.reset(np.arange(4), np.ones(4, bool))
    legal = game.spec.legal_actions(observation)
    assert legal.shape == (4, 5)
    assert legal.sum(axis=1).tolist() == [2, 2, 2, 2]
    seen = game.spec.see(observation)
    assert seen.shape[1:] == game.spec.seen.observation_shape
    assert seen.shape[1:] == ((3, 12, 12) if game.spec.seen.is_image else (5,))
    assert "which actions are allowed" in game.spec.reading


@pytest.mark.parametrize("mask", [None, np.zeros(5, np.int8)])
def test_where_nothing_is_said_or_allowed_everything_is(mask):
    wrapped = MaskedObservation(Doors())
    shown = wrapped._masked(np.zeros(5, np.float32), {} if mask is None else {"action_mask": mask})
    assert shown[5:].tolist() == [1] * 5  # so that the value of the end of a truncated episode is one of its actions'


def test_random_play_keeps_to_it(game):
    episodes = play_episodes(game, RandomActor(game.spec, seed=0), list(range(20)))
    assert 3 < np.mean([episode.episode_return for episode in episodes]) < 7


def test_without_a_mask_all_is_as_it_was():
    game = Gymnasium("CartPole-v1", 2)
    assert not game.spec.has_mask
    assert game.spec.observation_shape == (4,)
    game.close()


def test_numbered_states_have_none_unless_it_is_asked_for():
    taxi, masked = Gymnasium("Taxi-v4", 1), Gymnasium("Taxi-v4", 1, action_masks=True)
    assert not taxi.spec.has_mask
    assert masked.spec.has_mask
    assert masked.spec.seen.observation_shape == (500,)
    with pytest.raises(ConfigurationError, match="its infos have no"):
        Gymnasium("CartPole-v1", 1, action_masks=True)
    ignored = Gymnasium("Doors-v0", 1, action_masks=False)
    assert not ignored.spec.has_mask


@pytest.mark.parametrize("algo", ["dqn", "ppo", "muzero", "a2c", "reinforce", "pqn"])
def test_an_algorithm_never_chooses_what_is_not_allowed(algo, tmp_path):
    """A closed door would fail the run. What pays can only be known from the mask, which a network does not see."""
    small = ["algo.num_simulations=4", "algo.batch_size=8", "algo.replay.capacity_env_steps=2000"]
    small = small if algo == "muzero" else ["algo.replay.capacity_env_steps=2000"] if algo == "dqn" else []
    result = train(
        f"algo={algo}", "env=gym", f"env.id={ID}", "debug=tiny", "logger=csv", "total_frames=1500", *small,
        f"run_dir={tmp_path / 'run'}",
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert summary(tmp_path / "run")["status"] == "finished"


class LateDoors(Doors):
    """Says nothing at the start of an episode."""

    def reset(self, *, seed=None, options=None):
        shown, _ = super().reset(seed=seed)
        self.open = np.arange(5)
        return shown, {}


class OtherMask(Doors):
    """Gives a mask that does not fit its actions."""

    def __init__(self, mask, space=None, render_mode=None):
        super().__init__()
        self.mask, self.action_space = mask, space or self.action_space

    def _draw(self):
        shown, _ = super()._draw()
        return shown, {"action_mask": self.mask}

    def step(self, action):
        shown, told = self._draw()
        return shown, 0.0, False, False, told


gymnasium.register("LateDoors-v0", entry_point=LateDoors)
gymnasium.register("OtherMask-v0", entry_point=OtherMask)


def test_a_mask_may_come_with_the_first_step():
    game = Gymnasium("LateDoors-v0", 4)
    assert game.spec.has_mask
    play_episodes(game, RandomActor(game.spec, seed=0), list(range(8)))  # a closed door raises an error
    game.close()


@pytest.mark.parametrize(
    ("mask", "space", "words"),
    [
        (np.ones(3), Discrete(5), ["shape [3]", "Discrete(5)", "an array of shape [5]"]),
        (1, Discrete(5), ["type int", "an array of shape [5]"]),
        ([1, 0, np.nan, 0, 0], Discrete(5), ["with NaN in it", "an array of shape [5]"]),
        (np.ones(7), MultiDiscrete([3, 4]), ["shape [7]", "for one discrete choice"]),
        ((np.ones(3), np.ones(4)), MultiDiscrete([3, 4]), ["type tuple", "for one discrete choice"]),
    ],
)
def test_a_mask_that_does_not_fit_is_told_and_not_dropped(mask, space, words):
    make_kwargs = {"mask": mask, "space": space}
    with pytest.raises(ConfigurationError) as error:
        Gymnasium("OtherMask-v0", 1, make_kwargs=make_kwargs)
    for word in ["env.id=OtherMask-v0", "env.action_masks=false", *words]:
        assert word in str(error.value)
    game = Gymnasium("OtherMask-v0", 1, make_kwargs=make_kwargs, action_masks=False)
    assert not game.spec.has_mask
    game.close()


def test_an_algorithm_that_does_not_know_masks_is_refused(tmp_path):
    result = train("algo=c51", "env=gym", f"env.id={ID}", "logger=csv", f"run_dir={tmp_path / 'run'}")
    assert result.returncode == 2
    assert "does not leave out actions that are not allowed" in result.stderr
    assert "a2c, ppo, or muzero, or say env.action_masks=false" in result.stderr
