"""Numbered states and their models, against the environments as they are played."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from omegaconf import OmegaConf

from tests.front_door import ROOT
from triptych.envs.gymnasium import Gymnasium
from triptych.envs.tables import table_model
from triptych.functional.tables import value_iteration

TABLES = {"frozen_lake": (16, 4), "cliff_walking": (48, 4), "taxi": (500, 6), "maze": (54, 4)}


def config(env):
    return OmegaConf.load(ROOT / "conf" / "env" / f"{env}.yaml")


@pytest.mark.parametrize("env", TABLES)
def test_the_model_is_what_is_played(env):
    """Play at random: every step must be one that the model has, and its rewards in the mean the expected ones."""
    world, (num_states, num_actions) = gymnasium.make(config(env).id), TABLES[env]
    model, rng = table_model(world), np.random.default_rng(0)
    assert model.transition.shape == (num_states, num_actions, num_states)
    assert np.allclose(model.transition.sum(-1), 1)
    state, _ = world.reset(seed=0)
    for _ in range(2000):
        assert model.is_reachable[state]
        action = int(rng.integers(num_actions))
        next_state, reward, terminated, truncated, _ = world.step(action)
        assert model.transition[state, action, next_state] > 0
        assert model.is_terminal[next_state] == terminated
        if model.transition[state, action].max() == 1:
            assert model.reward[state, action] == reward
        state = world.reset()[0] if terminated or truncated else next_state


@pytest.mark.parametrize(
    ("env", "reachable", "terminal"), [("cliff_walking", 38, 1), ("taxi", 404, 4), ("maze", 47, 1)]
)
def test_walls_and_places_beyond_the_rules_are_not_reachable(env, reachable, terminal):
    model = table_model(gymnasium.make(config(env).id))
    assert (model.is_reachable.sum(), model.is_terminal.sum()) == (reachable, terminal)


@pytest.mark.parametrize("env", TABLES)
def test_what_counts_as_solved_can_be_reached(env):
    """The best policy's return lies above, and not far above, the mark."""
    solved_return = config(env).get("solved_return")
    if env == "maze":  # where evaluations are cut
        solved_return = OmegaConf.load(ROOT / "conf" / "tuned" / "q_learning-maze.yaml").env.solved_return
    game = Gymnasium(config(env).id, 1, solved_return=solved_return)
    model = game.spec.model
    arrays = map(torch.from_numpy, (model.transition, model.reward, model.is_terminal))
    policy = value_iteration(*arrays, 0.9).argmax(dim=-1).numpy()
    rows, values = np.arange(len(policy)), np.zeros(len(policy))
    for _ in range(100):  # as many steps as FrozenLake has
        values = model.reward[rows, policy] + model.transition[rows, policy] @ np.where(model.is_terminal, 0, values)
    start = gymnasium.make(config(env).id).unwrapped.initial_state_distrib
    assert 0 <= start @ values - game.spec.solved_return < 0.5


@pytest.mark.parametrize("env", TABLES)
def test_states_are_seen_as_zeros_and_a_one(env):
    game = Gymnasium(config(env).id, 3)
    observation, _ = game.reset(np.arange(3), np.ones(3, bool))
    assert game.spec.num_states == TABLES[env][0] == observation.shape[1]
    assert observation.dtype == np.float32
    assert (observation.sum(axis=1) == 1).all()
    worlds = [one.reset(seed=seed)[0] for seed, one in enumerate([gymnasium.make(config(env).id) for _ in range(3)])]
    assert observation.argmax(axis=1).tolist() == worlds


class Odd(gymnasium.Env):
    """Has something that is called P."""

    def __init__(self, table, states=None):
        self.P, self.initial_state_distrib = table, np.array([1.0, 0.0])
        self.observation_space, self.action_space = states or Discrete(2), Discrete(1)


@pytest.mark.parametrize(
    "env",
    [
        Odd({0: "text"}),
        Odd(lambda state: 0),
        Odd({0: {0: [(1.0, 7, 0.0, False)]}}),
        Odd({0: {0: [(1.0, 1, 0.0, False)]}, 1: {0: [(1.0, 1, 0.0, True)]}}, Discrete(2, start=1)),
        Odd({}, Box(0, 1, (2,))),
        # It ends in state 1 by one of two chances: the end is not of the state.
        Odd({0: {0: [(0.5, 1, 0.0, False), (0.5, 1, 0.0, True)]}, 1: {0: [(1.0, 0, 0.0, False)]}}),
    ],
)
def test_what_is_no_table_has_no_model(env):
    assert table_model(env) is None


def test_wrappers_may_change_what_the_model_says():
    plain, wrapped = (Gymnasium("Maze-v0", 1, wrappers=names) for names in ([], ["gymnasium.wrappers.NormalizeReward"]))
    assert plain.spec.model is not None
    assert wrapped.spec.model is None
    assert wrapped.spec.num_states == 54
    assert Gymnasium("CartPole-v1", 1).spec.num_states is None


def test_a_model_may_be_lists_of_lists():
    lake = gymnasium.make("FrozenLake-v1")
    expected = table_model(lake)
    lake.unwrapped.P = [[list(lake.unwrapped.P[state][action]) for action in range(4)] for state in range(16)]
    found = table_model(lake)
    assert np.array_equal(found.transition, expected.transition)
    assert np.array_equal(found.is_reachable, expected.is_reachable)


def test_what_is_only_called_P_is_no_model():
    lake = gymnasium.make("FrozenLake-v1")
    for something in (3.0, [None] * 16, {0: "left"}):
        lake.unwrapped.P = something
        assert table_model(lake) is None
