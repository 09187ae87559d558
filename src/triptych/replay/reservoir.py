"""A sample of all that ever came by, of which each part is in it with the same probability."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


class Reservoir:
    """Keeps ``capacity`` rows of all that were added, each of them as likely (Vitter 1985, algorithm R).

    Args:
        capacity: rows kept.
        fields: name of each part of a row -> its shape and type.
        seed: of what is kept and of what is drawn.
    """

    def __init__(
        self, capacity: int, fields: dict[str, tuple[tuple[int, ...], Any]], seed: int | tuple[int, int]
    ) -> None:
        self.capacity, self.num_seen = capacity, 0
        self.generator = np.random.default_rng(seed)
        self.arrays = {name: np.zeros((capacity, *shape), dtype) for name, (shape, dtype) in fields.items()}

    def __len__(self) -> int:
        return min(self.num_seen, self.capacity)

    def add(self, **rows: np.ndarray) -> None:
        """Add rows, each part of them ``[B, ...]``, in their order."""
        count = len(next(iter(rows.values())))
        place = np.arange(self.num_seen, self.num_seen + count)
        is_late = place >= self.capacity
        place[is_late] = self.generator.integers(0, place[is_late] + 1)
        self.num_seen += count
        is_kept = place < self.capacity
        for name, array in self.arrays.items():
            array[place[is_kept]] = rows[name][is_kept]  # where a place comes twice, the later row stays

    def sample(self, num: int) -> dict[str, torch.Tensor]:
        """Draw ``num`` rows with replacement; each part of them is ``[num, ...]``."""
        index = self.generator.integers(0, max(len(self), 1), size=num)
        return {name: torch.from_numpy(array[index]) for name, array in self.arrays.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return the rows, how many came by, and where the generator stands."""
        rows = {name: torch.from_numpy(array[: len(self)]) for name, array in self.arrays.items()}
        return {"num_seen": self.num_seen, "generator": self.generator.bit_generator.state, "rows": rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.num_seen = state["num_seen"]
        self.generator.bit_generator.state = state["generator"]
        for name, array in self.arrays.items():
            array[: len(self)] = state["rows"][name].numpy()
