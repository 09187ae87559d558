"""Playing at random: the floor under every learner, and a first look at an environment."""

from __future__ import annotations

import numpy as np

from triptych.types import EnvSpec, Game
from triptych.types.bounds import FARTHEST_BOUND


class RandomActor:
    """Chooses uniformly among the options, or between the bounds; where there is no bound, from a normal."""

    def __init__(self, spec: EnvSpec, seed: int) -> None:
        self.spec, self.generator = spec, np.random.default_rng(seed)

    def __call__(self, observation: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        spec, num_envs = self.spec, len(observation)
        if spec.has_mask:
            chances = self.generator.random((num_envs, spec.num_actions or 0))
            return np.where(spec.parts.legal_actions(observation), chances, -1.0).argmax(axis=1), {}  # type: ignore[union-attr]
        if spec.num_actions is not None:
            return self.generator.integers(spec.num_actions, size=num_envs), {}
        if spec.action_sizes:
            options = self.generator.integers(spec.action_sizes, size=(num_envs, len(spec.action_sizes)))
            if spec.is_hybrid:
                numbers = self._numbers((num_envs, len(spec.action_low)))
                return np.concatenate([options.astype(np.float32), numbers], axis=1), {}
            return options.reshape(num_envs, *spec.action_shape), {}
        return self._numbers((num_envs, *spec.action_shape)), {}

    def _numbers(self, shape: tuple[int, ...]) -> np.ndarray:
        """Draw continuous numbers ``[N, ...]`` float32."""
        low, high = (np.reshape(bound, shape[1:]) for bound in (self.spec.action_low, self.spec.action_high))
        is_bounded = (np.abs(low) <= FARTHEST_BOUND) & (np.abs(high) <= FARTHEST_BOUND)
        low, high = np.where(is_bounded, low, 0.0), np.where(is_bounded, high, 1.0)
        action = np.where(is_bounded, self.generator.uniform(low, high, shape), self.generator.standard_normal(shape))
        return action.astype(np.float32)


def observation_sizes(game: Game, num_steps: int = 64) -> np.ndarray:
    """Return the largest magnitude of each number of an observation in the first steps of random play.

    ``game`` has one environment, which must be reset afterwards.
    """
    act = RandomActor(game.spec, seed=0)
    observation, _ = game.reset(np.array([0]), np.ones(1, dtype=bool))
    sizes = np.abs(game.spec.see(observation)[0].astype(np.float64))
    for _ in range(num_steps):
        game.send(act(observation)[0])
        received = game.receive()
        observation = received.observation
        sizes = np.maximum(sizes, np.abs(game.spec.see(observation)[0]))
        if received.terminated[0] or received.truncated[0]:
            break
    return sizes
