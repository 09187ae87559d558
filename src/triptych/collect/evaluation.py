"""Whole episodes under a fixed set of seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from triptych.collect.collector import Act
from triptych.types import Episode, Game


def play_episodes(game: Game, act: Act, seeds: Sequence[int]) -> list[Episode]:
    """Play one whole episode from each seed and return them in the order of the seeds.

    Each seed is played to its end, however the environments share the work: taking the first episodes that
    happen to finish would favour short ones.
    """
    num_envs = game.num_envs
    waiting = list(enumerate(seeds))
    finished: dict[int, Episode] = {}
    running: list[tuple[int, Episode] | None] = [None] * num_envs

    def start(mask: np.ndarray) -> np.ndarray:
        env_seeds = []
        for env_index in np.flatnonzero(mask).tolist():
            if waiting:
                episode_index, seed = waiting.pop(0)
                running[env_index] = episode_index, Episode(env_index, episode_index, seed)
            else:
                running[env_index], seed = None, 0  # idle: steps along, is not counted
            env_seeds.append(seed)
        return game.reset(np.array(env_seeds), mask)[0].copy()

    observation = start(np.ones(num_envs, dtype=bool))
    while len(finished) < len(seeds):
        action, _ = act(observation)
        game.send(action)
        received = game.receive()
        is_over = received.terminated | received.truncated
        for env_index, entry in enumerate(running):
            if entry is None:
                continue
            episode_index, episode = entry
            episode.actions.append(action[env_index])
            episode.episode_return += float(received.reward[env_index])
            if is_over[env_index]:
                episode.length = len(episode.actions)
                episode.is_truncated = bool(received.truncated[env_index])
                finished[episode_index] = episode
        observation = start(is_over) if is_over.any() else received.observation
    return [finished[episode_index] for episode_index in range(len(seeds))]
