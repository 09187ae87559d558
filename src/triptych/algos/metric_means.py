"""Means of training metrics over a log interval."""

from __future__ import annotations

from typing import Any

from torch import Tensor


class MetricMeans:
    """Sums scalars on their device, and reads the means from it once per log interval."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor | float] = {}
        self._counts: dict[str, int] = {}

    def add(self, metrics: dict[str, Tensor | float]) -> None:
        """Add one value of each metric."""
        for name, value in metrics.items():
            value = value.detach().float() if isinstance(value, Tensor) else value
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        """Return the means since the last call: the only place where training metrics leave the device."""
        means = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        return means

    def state_dict(self) -> dict[str, Any]:
        """Return the sums of the interval so far."""
        return {"sums": dict(self._sums), "counts": dict(self._counts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sums, self._counts = dict(state["sums"]), dict(state["counts"])
