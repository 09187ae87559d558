"""Running episodes brought back to where they stood, by playing their actions again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from triptych.collect.sides import Sides
from triptych.types import Episode, Game


class Diverged(Exception):
    """An episode that was played again is not the one that was played."""


def digest(observation: np.ndarray) -> str:
    """Return what tells one array of observations from any other."""
    return hashlib.sha256(np.ascontiguousarray(observation).tobytes()).hexdigest()


def replay_running(game: Game, episodes: Sequence[Episode]) -> tuple[np.ndarray, np.ndarray]:
    """Bring each environment to where its episode stands, all of them in parallel.

    Environments step together, so the shorter an episode is, the later it starts: all of them arrive with the last
    step. Before its start an environment plays anything that is allowed, and again from anywhere when that ends.

    Args:
        game: N environments; whatever they played before is over.
        episodes: one for each environment, with its seed, its actions and its return so far.

    Returns:
        Observations ``[N, *observation_shape]`` and lives ``[N]``.

    Raises:
        Diverged: an episode ended on the way, or came to another return.
    """
    spec, lengths = game.spec, np.array([len(episode.actions) for episode in episodes])
    num_steps = int(lengths.max())
    actions = np.zeros((num_steps, len(episodes), *spec.action_shape), spec.action_dtype)
    for env_index, episode in enumerate(episodes):
        if len(episode.actions):
            actions[num_steps - len(episode.actions) :, env_index] = episode.actions[:]
    seeds, returns = np.array([episode.seed for episode in episodes]), [0.0] * len(episodes)
    sides = Sides(len(episodes))
    observation, lives = game.reset(seeds, np.ones(len(episodes), dtype=bool))
    for step in range(num_steps):
        is_playing = num_steps - lengths <= step  # has its episode begun?
        if (legal := spec.legal_actions(observation)) is not None:
            actions[step][~is_playing] = legal[~is_playing].argmax(axis=1)
        game.send(actions[step])
        received = game.receive()
        is_over, rewards = received.terminated | received.truncated, sides.rewards(received)
        if (is_over & is_playing).any():
            raise Diverged("it ended before")
        for env_index in np.flatnonzero(is_playing).tolist():
            returns[env_index] += float(rewards[env_index])
        observation, lives = received.observation, received.lives
        starts = is_over | (num_steps - lengths == step + 1)
        if starts.any():
            observation, first_lives = game.reset(seeds[starts], starts)
            sides.begin(starts)
            lives = np.where(starts, first_lives, lives)
    if returns != [episode.episode_return for episode in episodes]:
        raise Diverged("its rewards were others")
    return observation.copy(), lives.copy()
