"""Which transitions to learn from next."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch

from triptych import ranks
from triptych.replay.sum_tree import SumTree


class Sampler(Protocol):
    """Draws among the enabled indices of ``range(capacity)``."""

    generator: np.random.Generator

    @property
    def num_enabled(self) -> int: ...

    def enable(self, index: np.ndarray) -> None: ...

    def is_enabled(self, index: np.ndarray) -> np.ndarray: ...

    def disable(self, index: np.ndarray) -> None: ...

    def draw(self, num: int, env_steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Return ``num`` enabled indices, with replacement, and their importance weights."""
        ...

    def update(self, index: np.ndarray, priorities: np.ndarray) -> None: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class UniformSampler:
    """Draws every enabled index with the same probability, by rejection."""

    def __init__(self, num_envs: int, rows_per_env: int, seed: int) -> None:
        self.generator = np.random.default_rng(seed)
        self.num_enabled = 0
        self._num_envs, self._rows_per_env = num_envs, rows_per_env
        self._is_enabled = np.zeros(num_envs * rows_per_env, dtype=bool)
        self._rows_in_use = 0  # no row from here on was ever enabled, in any environment

    def enable(self, index: np.ndarray) -> None:
        if len(index):
            self._rows_in_use = max(self._rows_in_use, int((index % self._rows_per_env).max()) + 1)
            self.num_enabled += len(index) - int(np.count_nonzero(self._is_enabled[index]))
            self._is_enabled[index] = True

    def is_enabled(self, index: np.ndarray) -> np.ndarray:
        return self._is_enabled[index]

    def disable(self, index: np.ndarray) -> None:
        self.num_enabled -= int(np.count_nonzero(self._is_enabled[index]))
        self._is_enabled[index] = False

    def draw(self, num: int, env_steps: int) -> tuple[np.ndarray, np.ndarray]:
        accepted = np.zeros(0, dtype=np.int64)
        while len(accepted) < num:
            candidate = self.generator.integers(self._num_envs * self._rows_in_use, size=num + num // 4 + 8)
            env_index, row = np.divmod(candidate, self._rows_in_use)
            index = env_index * self._rows_per_env + row
            accepted = np.concatenate([accepted, index[self._is_enabled[index]]])
        return accepted[:num], np.ones(num, dtype=np.float32)

    def update(self, index: np.ndarray, priorities: np.ndarray) -> None:
        """Ignore priorities."""

    def state_dict(self) -> dict[str, Any]:
        return {
            "generator": self.generator.bit_generator.state,
            "is_enabled": torch.from_numpy(self._is_enabled),
            "rows_in_use": self._rows_in_use,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.generator.bit_generator.state = state["generator"]
        self._is_enabled[:] = state["is_enabled"].numpy()
        self._rows_in_use = state["rows_in_use"]
        self.num_enabled = int(np.count_nonzero(self._is_enabled))


class NewestSampler:
    """Draws the ``num_newest`` indices that were enabled last, over and over: what learning without replay sees.

    Nothing is drawn at random; ``generator`` is there because every sampler has one.
    """

    def __init__(self, num_newest: int, seed: int) -> None:
        self.generator = np.random.default_rng(seed)
        self.num_newest = num_newest
        self._index = np.zeros(0, dtype=np.int64)  # enabled, the newest last

    @property
    def num_enabled(self) -> int:
        return len(self._index)

    def enable(self, index: np.ndarray) -> None:
        kept = self._index[~np.isin(self._index, index)]
        self._index = np.concatenate([kept, index])[-self.num_newest :]

    def is_enabled(self, index: np.ndarray) -> np.ndarray:
        return np.isin(index, self._index)

    def disable(self, index: np.ndarray) -> None:
        self._index = self._index[~np.isin(self._index, index)]

    def draw(self, num: int, env_steps: int) -> tuple[np.ndarray, np.ndarray]:
        return np.resize(self._index, num), np.ones(num, dtype=np.float32)

    def update(self, index: np.ndarray, priorities: np.ndarray) -> None:
        """Ignore priorities."""

    def state_dict(self) -> dict[str, Any]:
        return {"generator": self.generator.bit_generator.state, "newest": torch.from_numpy(self._index.copy())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.generator.bit_generator.state = state["generator"]
        self._index = state["newest"].numpy().copy()


class PrioritizedSampler:
    """Draws in proportion to priority (Schaul et al. 2016, section 3.3), stratified over the batch.

    Args:
        capacity: indices run from 0 to here.
        seed: of the draws.
        priority_exponent: α; 0 is uniform.
        importance_exponent_start: β at the first step.
        importance_anneal_env_steps: after which β is 1.
        divide_importance_by_largest: whether importance weights are divided by the largest of a draw, so that they
            only scale updates down (Schaul et al., section 3.4). The mean weight, and with it the size of a step,
            then follows one outlier of the draw; without, it is 1 on average (Schrittwieser et al. 2020, appendix G).
    """

    def __init__(
        self,
        capacity: int,
        seed: int,
        *,
        priority_exponent: float,
        importance_exponent_start: float,
        importance_anneal_env_steps: int,
        divide_importance_by_largest: bool = True,
    ) -> None:
        self.generator = np.random.default_rng(seed)
        self.num_enabled = 0
        self.priority_exponent = priority_exponent
        self.importance_exponent_start = importance_exponent_start
        self.importance_anneal_env_steps = importance_anneal_env_steps
        self.divide_importance_by_largest = divide_importance_by_largest
        self._tree = SumTree(capacity)
        self._max_priority = 1.0

    def enable(self, index: np.ndarray) -> None:
        """Enable at the highest priority seen, so that each transition is likely to be replayed once."""
        if len(index):
            self.num_enabled += len(index) - int(np.count_nonzero(self._tree.get(index)))
            self._tree.set(index, self._max_priority**self.priority_exponent)

    def is_enabled(self, index: np.ndarray) -> np.ndarray:
        return self._tree.get(index) > 0

    def disable(self, index: np.ndarray) -> None:
        self.num_enabled -= int(np.count_nonzero(self._tree.get(index)))
        self._tree.set(index, 0.0)

    def importance_exponent(self, env_steps: int) -> float:
        """Return β, annealed linearly to 1."""
        fraction = min(env_steps / self.importance_anneal_env_steps, 1.0)
        return self.importance_exponent_start + fraction * (1.0 - self.importance_exponent_start)

    def draw(self, num: int, env_steps: int) -> tuple[np.ndarray, np.ndarray]:
        mass = (np.arange(num) + self.generator.random(num)) / num * self._tree.total
        # The strata follow the order of the indices; shuffled, every minibatch of the draw covers them all.
        index = self.generator.permutation(self._tree.find(mass))
        if not num:
            return index, np.ones(0, dtype=np.float32)
        prob = self._tree.get(index) / self._tree.total
        weight = (self.num_enabled * prob) ** -self.importance_exponent(env_steps)
        if self.divide_importance_by_largest:
            weight = weight / ranks.largest(weight.max())
        return index, weight.astype(np.float32)

    def update(self, index: np.ndarray, priorities: np.ndarray) -> None:
        """Set the priorities ``[B]``, before the exponent, of transitions that are still enabled."""
        is_enabled = self._tree.get(index) > 0
        if not is_enabled.any():
            return
        priorities = priorities[is_enabled].astype(np.float64) + 1e-6  # ε of section 3.3: none is lost for good
        self._max_priority = max(self._max_priority, float(priorities.max()))
        self._tree.set(index[is_enabled], priorities**self.priority_exponent)

    def state_dict(self) -> dict[str, Any]:
        return {
            "generator": self.generator.bit_generator.state,
            "priorities": torch.from_numpy(self._tree.leaves().copy()),
            "max_priority": self._max_priority,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.generator.bit_generator.state = state["generator"]
        self._tree.load_leaves(state["priorities"].numpy())
        self._max_priority = state["max_priority"]
        self.num_enabled = int(np.count_nonzero(self._tree.leaves()))
