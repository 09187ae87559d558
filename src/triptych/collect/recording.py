"""One game, played or played again, with everything that was seen in it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from triptych.collect.evaluation import play_episodes
from triptych.collect.sides import Sides
from triptych.types import Episode, Game, NoPicture

Choose = Callable[[np.ndarray], np.ndarray]  # observation [N, ...] -> action [N, ...]


class Recording(NamedTuple):
    """What happened in T steps of a game."""

    episode: Episode  # its actions are those of the T steps
    observations: np.ndarray  # [T, *observation_shape], upon which each action was chosen
    rewards: np.ndarray  # [T] float32, unclipped; of two players, those of the one who moved first
    is_over: bool  # whether the game ends with the last step
    life_lost: np.ndarray | None = None  # [T] bool; a game without lives loses none


def play(game: Game, choose: Choose, seed: int, num_random_actions: int, max_steps: int) -> Episode:
    """Play one game from its seed, of ``max_steps`` at most, in a game of one environment."""
    episodes = play_episodes(game, lambda seen: (choose(seen), {}), [seed], max_steps, [num_random_actions])
    return episodes[0]


def record(game: Game, episode: Episode, max_steps: int) -> Recording:
    """Play an episode again, in a game of one environment, and keep what is seen.

    Raises:
        NoPicture: the environment played another game, as it ended elsewhere or gave other rewards.
    """
    actions = episode.actions[:max_steps]
    observation, lives = game.reset(np.array([episode.seed]), np.array([True]))
    observations, rewards, life_lost, is_over, sides = [], [], [], False, Sides(1)
    for step, action in enumerate(actions):
        observations.append(observation[0].copy())
        game.send(np.asarray(action, game.spec.action_dtype)[None])
        received = game.receive()
        rewards.append(float(sides.rewards(received)[0]))
        life_lost.append(bool(received.lives[0] < lives[0]))
        observation, lives = received.observation, received.lives
        is_over = bool(received.terminated[0] or received.truncated[0])
        if is_over and step + 1 < len(actions):
            raise _another(game, f"it ended after {step + 1} of {len(episode.actions)} steps")
    if len(actions) == len(episode.actions):
        total = sum(rewards)
        if not math.isclose(total, episode.episode_return, rel_tol=1e-4, abs_tol=1e-4):
            raise _another(game, f"return {total:g} instead of {episode.episode_return:g}")
    return Recording(episode, np.stack(observations), np.array(rewards, np.float32), is_over, np.array(life_lost))


def _another(game: Game, why: str) -> NoPicture:
    return NoPicture(f"{game.spec.name} does not repeat a game from its seed and actions: {why}")
