"""A binary tree of sums: draws indices in proportion to their priority in logarithmic time."""

from __future__ import annotations

import numpy as np


class SumTree:
    """Non-negative priorities over ``capacity`` indices, all operations vectorised (Schaul et al. 2016, B.2.1)."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._depth = max(capacity - 1, 1).bit_length()
        self._num_leaves = 1 << self._depth
        # Node 1 is the root, the children of node i are 2i and 2i + 1, the leaves come last.
        self._sums = np.zeros(2 * self._num_leaves, dtype=np.float64)

    @property
    def total(self) -> float:
        return float(self._sums[1])

    def get(self, index: np.ndarray) -> np.ndarray:
        """Return the priorities of ``index [B]``."""
        return self._sums[self._num_leaves + index]

    def set(self, index: np.ndarray, priority: np.ndarray | float) -> None:
        """Set the priorities of ``index [B]``; of repeated indices the last one counts."""
        node = self._num_leaves + np.asarray(index, dtype=np.int64)
        self._sums[node] = priority
        for _ in range(self._depth):
            node = node >> 1
            # Recomputed, not added to: rounding errors cannot pile up, repeated parents do no harm.
            self._sums[node] = self._sums[2 * node] + self._sums[2 * node + 1]

    def find(self, mass: np.ndarray) -> np.ndarray:
        """Return the indices at ``mass [B]``, each in ``[0, total)``, of the cumulative priorities."""
        node = np.ones(len(mass), dtype=np.int64)
        mass = mass.astype(np.float64)
        for _ in range(self._depth):
            node = 2 * node
            left = self._sums[node]
            # An empty right subtree is never entered, whatever rounding says.
            goes_right = (mass >= left) & (self._sums[node + 1] > 0)
            mass = np.where(goes_right, mass - left, mass)
            node = node + goes_right
        return node - self._num_leaves

    def leaves(self) -> np.ndarray:
        """Return a view of all priorities ``[capacity]``."""
        return self._sums[self._num_leaves : self._num_leaves + self.capacity]

    def load_leaves(self, priorities: np.ndarray) -> None:
        """Replace all priorities ``[capacity]``."""
        self._sums[:] = 0.0
        self._sums[self._num_leaves : self._num_leaves + self.capacity] = priorities
        node = self._num_leaves
        while node > 1:
            self._sums[node // 2 : node] = self._sums[node : 2 * node].reshape(-1, 2).sum(axis=1)
            node //= 2
