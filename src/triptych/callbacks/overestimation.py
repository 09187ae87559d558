"""What an algorithm expects of a game beside what it then gets."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from triptych.collect.recording import Recording, record
from triptych.types import ConfigurationError, NoPicture
from triptych.types.bounds import Count, Fraction

PIECE = 256  # observations that are looked at together


class Expected(NamedTuple):
    """Means over the states of some games."""

    value: float  # what the algorithm says: its V(s), or the largest Q(s, a)
    discounted_return: float  # what came


def discounted_returns(rewards: np.ndarray, discount: float, is_terminal: np.ndarray | None = None) -> np.ndarray:
    """Return ``[T]``: Σ γᵏ r from each step of a game to its end, or to the next step that is terminal.

    ``rewards [T]`` and ``is_terminal [T]`` are of the game from its first step to its last.
    """
    returns, after = np.zeros(len(rewards), np.float64), 0.0
    for step in reversed(range(len(rewards))):
        cuts = is_terminal is not None and bool(is_terminal[step])
        after = float(rewards[step]) + (0.0 if cuts else discount * after)
        returns[step] = after
    return returns


class Overestimation(pl.Callback):
    """Files ``eval/value_mean`` and ``eval/discounted_return_mean`` with each evaluation.

    Both are means over the states of the same games, so that the first is above the second where values are
    overestimated (van Hasselt, Guez and Silver 2016, section 4 and figure 3). The rewards are those that are learned
    from: clipped, and cut at a lost life, where the protocol says so. Games that did not end by themselves are left
    out, as what would have come is not known. Values of SAC, CrossQ and Munchausen DQN hold
    entropy, which no return has.

    Args:
        discount: of the algorithm.
        num_episodes: of each evaluation, which are played again for it; fewer where fewer ended.

    Raises:
        ConfigurationError: the algorithm has no values of these rewards, or there is an opponent.
    """

    def __init__(self, discount: Fraction, num_episodes: Count = 3) -> None:
        self.discount, self.num_episodes = discount, num_episodes

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        data: Any = trainer.datamodule
        why = None
        if data.spec.num_players > 1:
            why = f"{data.spec.name} has an opponent, and the values are of both players"
        elif getattr(data, "reward_scaling", None) is not None:
            why = "with algo.normalize_rewards=true values are of scaled rewards"
        elif values_of(pl_module, np.zeros((1, *data.spec.observation_shape), data.spec.observation_dtype)) is None:
            why = f"{type(pl_module).__name__} has no values"
        if why:
            raise ConfigurationError(f"callbacks.extra: {type(self).__name__} cannot be used, as {why}; leave it out.")

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        data: Any = trainer.datamodule
        ended = [episode for episode in data.evaluator.episodes if not episode.is_truncated][: self.num_episodes]
        if trainer.sanity_checking or not ended:
            return
        game = data.evaluator.make_evaluation_game(1)
        try:
            recordings = [record(game, episode, len(episode.actions)) for episode in ended]
        except NoPicture as reason:
            data.evaluator.say(f"Values are not compared with returns: {reason}.")
            return
        finally:
            game.close()
        for name, mean in self.compare(recordings, pl_module, data)._asdict().items():
            pl_module.log(f"eval/{name}_mean", mean, batch_size=1, logger=False)

    def compare(self, recordings: list[Recording], module: Any, data: Any) -> Expected:
        """Return the means over all states of some games."""
        values, returns = [], []
        for recording in recordings:
            rewards = np.sign(recording.rewards) if data.clip_rewards else recording.rewards
            is_terminal = recording.life_lost if data.life_loss_is_terminal else None
            returns.append(discounted_returns(rewards, self.discount, is_terminal))
            expected = values_of(module, recording.observations)
            assert expected is not None, "looked at before the start"
            values.append(expected)
        return Expected(float(np.concatenate(values).mean()), float(np.concatenate(returns).mean()))


@torch.no_grad()
def values_of(module: Any, observations: np.ndarray) -> np.ndarray | None:
    """Return what an algorithm expects ``[T]`` upon ``[T, ...]`` of one game; ``None`` where it has no values."""
    module.on_test_start()
    pieces = np.split(observations, range(PIECE, len(observations), PIECE))
    values = [_value(module, torch.from_numpy(piece).to(module.device)) for piece in pieces]
    known = [value.float().cpu().numpy() for value in values if value is not None]
    return np.concatenate(known) if known else None


def _value(module: Any, observation: Tensor) -> Tensor | None:
    value, q_values = module.explain(observation)[:2]
    return value if value is not None or q_values is None else q_values.amax(dim=-1)
