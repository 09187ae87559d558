"""Environments with numbered states: how many there are, and the environment's own model of them as arrays."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Discrete

from triptych.envs.maze import MOVES, Maze
from triptych.types import TableModel

MAX_NUMBERS = 10_000_000  # of a model; of a larger one no arrays are made
LEFT_DOWN_RIGHT_UP = ((0, -1), (1, 0), (0, 1), (-1, 0))


def num_states(space: gymnasium.Space) -> int | None:
    """Return how many states a space of observations numbers, ``None`` where it shows something else."""
    return int(space.n) if isinstance(space, Discrete) else None


def table_model(env: gymnasium.Env) -> TableModel | None:
    """Return the model that an environment has as Gymnasium's ``P``; ``None`` where it has none that a table can use.

    ``P[state][action]`` lists (probability, next state, reward, whether the episode ends). It is no use where states or
    actions are not numbered from 0, or where an episode ends in a state by some steps and not by others.
    """
    world: Any = env.unwrapped
    table, start = getattr(world, "P", None), getattr(world, "initial_state_distrib", None)
    states, actions = env.observation_space, env.action_space
    if table is None or start is None or not isinstance(states, Discrete) or not isinstance(actions, Discrete):
        return None
    shape = int(states.n), int(actions.n)
    if states.start != 0 or actions.start != 0 or shape[0] ** 2 * shape[1] > MAX_NUMBERS:
        return None
    try:
        return _read(table, np.asarray(start, np.float64), shape, *_grid(world))
    except (AttributeError, LookupError, TypeError, ValueError):  # something else that is called P
        return None


def _read(table: Any, start: np.ndarray, shape: tuple[int, int], *grid: Any) -> TableModel | None:
    transition, reward = np.zeros((*shape, shape[0])), np.zeros(shape)
    for state, action in np.ndindex(shape):
        for probability, next_state, gain, _ in table[state][action]:
            transition[state, action, next_state] += probability
            reward[state, action] += probability * gain
    is_reachable, is_terminal, goes_on = _walk(table, start, shape[1])
    if (is_terminal & goes_on).any():
        return None
    return TableModel(transition, reward, is_terminal, is_reachable, *grid)


def _walk(table: Any, start: np.ndarray, num_actions: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return to which states ``[S]`` an episode can come, in which it then ends, and in which it does not."""
    goes_on, ends = start > 0, np.zeros(len(start), bool)
    waiting = np.flatnonzero(goes_on).tolist()
    while waiting:
        actions = table[waiting.pop()]
        for action in range(num_actions):
            for probability, next_state, _, is_end in actions[action]:
                if probability > 0 and is_end:
                    ends[next_state] = True
                elif probability > 0 and not goes_on[next_state]:
                    goes_on[next_state] = True
                    waiting.append(next_state)
    return goes_on | ends, ends, goes_on


def _grid(world: Any) -> tuple[tuple[int, int] | None, tuple[tuple[int, int], ...]]:
    """Return the rows and columns of which the states are the cells, and where the actions lead."""
    from gymnasium.envs.toy_text import CliffWalkingEnv, FrozenLakeEnv

    if isinstance(world, FrozenLakeEnv):
        return (int(world.nrow), int(world.ncol)), LEFT_DOWN_RIGHT_UP
    if isinstance(world, CliffWalkingEnv):
        return (int(world.shape[0]), int(world.shape[1])), MOVES
    if isinstance(world, Maze):
        return (int(world.cells.shape[0]), int(world.cells.shape[1])), MOVES
    return None, ()
