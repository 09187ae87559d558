"""Whole episodes under a fixed set of seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from triptych.collect.collector import Act, BeginEpisodes, remember_nothing
from triptych.collect.finite import check_finite
from triptych.collect.sides import Sides
from triptych.types import Episode, Game


def play_episodes(
    game: Game,
    act: Act,
    seeds: Sequence[int],
    max_steps: int | None = None,
    num_random_actions: Sequence[int] = (),
    begin_episodes: BeginEpisodes = remember_nothing,
) -> list[Episode]:
    """Play one whole episode from each seed and return them in the order of the seeds.

    Each seed is played to its end, however the environments share the work: taking the first episodes that
    happen to finish would favour short ones. One that has not ended after ``max_steps`` is cut there.

    Args:
        game: environments; whatever they played before is over.
        act: chooses the actions.
        seeds: of the episodes.
        max_steps: env steps after which an episode is cut.
        num_random_actions: with how many random actions each episode begins, drawn from its seed; none where empty.
            The game must have one discrete choice of actions.
        begin_episodes: is told before ``act`` which environments ``[N]`` begin an episode.
    """
    counts = num_random_actions or [0] * len(seeds)
    openings = [_random_actions(game, seed, count) for seed, count in zip(seeds, counts, strict=True)]
    num_envs = game.num_envs
    waiting = list(enumerate(seeds))
    finished: dict[int, Episode] = {}
    running: list[tuple[int, Episode] | None] = [None] * num_envs
    sides = Sides(num_envs)

    def check(what: str, values: np.ndarray) -> None:
        check_finite(game.spec.name, what, values, [entry and entry[1] for entry in running])

    def start(mask: np.ndarray) -> np.ndarray:
        env_seeds = []
        for env_index in np.flatnonzero(mask).tolist():
            if waiting:
                episode_index, seed = waiting.pop(0)
                running[env_index] = episode_index, Episode(env_index, episode_index, seed)
            else:
                running[env_index], seed = None, 0  # idle: steps along, is not counted
            env_seeds.append(seed)
        sides.begin(mask)
        observation = game.reset(np.array(env_seeds), mask)[0].copy()
        check("observation", observation)
        begin_episodes(mask)
        return observation

    observation = start(np.ones(num_envs, dtype=bool))
    while len(finished) < len(seeds):
        action, _ = act(observation)
        for env_index, entry in enumerate(running):
            if entry is not None and len(entry[1].actions) < len(openings[entry[0]]):
                action[env_index] = openings[entry[0]][len(entry[1].actions)]
        game.send(action)
        received = game.receive()
        is_over, rewards = received.terminated | received.truncated, sides.rewards(received)
        for env_index, entry in enumerate(running):
            if entry is not None:
                entry[1].actions.append(action[env_index])
                entry[1].episode_return += float(rewards[env_index])
        check("reward", received.reward)
        check("observation", received.observation)
        lengths = np.array([0 if entry is None else len(entry[1].actions) for entry in running])
        is_cut = np.zeros(num_envs, bool) if max_steps is None else (lengths >= max_steps) & ~is_over
        is_over = is_over | is_cut
        for env_index in np.flatnonzero(is_over).tolist():
            if (entry := running[env_index]) is not None:
                episode_index, episode = entry
                episode.length = len(episode.actions)
                episode.is_cut = bool(is_cut[env_index])
                episode.is_truncated = episode.is_cut or bool(received.truncated[env_index])
                finished[episode_index] = episode
        observation = start(is_over) if is_over.any() else received.observation
    return [finished[episode_index] for episode_index in range(len(seeds))]


def _random_actions(game: Game, seed: int, count: int) -> np.ndarray:
    if count == 0:
        return np.zeros(0, np.int64)
    assert game.spec.num_actions is not None, "random openings are of discrete actions"
    return np.random.default_rng(seed).integers(game.spec.num_actions, size=count)
