"""What of a game and its thoughts is drawn, as plain numbers: bars for each action, curves, distributions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from triptych.collect.recording import Recording
from triptych.types import EnvSpec, Explanation

NUM_BINS = 51  # of distributions whose atoms move


def option_names(spec: EnvSpec) -> list[str]:
    """Name each option of all choices of an action; none of a continuous one."""
    if spec.num_actions is not None:
        return list(spec.action_names) or [f"action {index}" for index in range(spec.num_actions)]
    return [f"{choice}: {option}" for choice, size in enumerate(spec.action_sizes) for option in range(size)]


def options_taken(spec: EnvSpec, recording: Recording) -> list[list[int]]:
    """Return for each step which of `option_names` were taken."""
    if spec.num_actions is None and not spec.action_sizes:
        return [[] for _ in recording.rewards]
    first = np.cumsum([0, *spec.action_sizes[:-1]]) if spec.action_sizes else np.zeros(1, int)
    return (_rows(recording)[:, : len(first)].astype(int) + first).tolist()


def _rows(recording: Recording) -> np.ndarray:
    """Return the actions ``[T, numbers of an action]``."""
    actions = np.asarray(recording.episode.actions[: len(recording.rewards)])
    return actions.reshape(len(actions), -1)


def bars(said: Explanation) -> list[dict[str, Any]]:
    """Return what is drawn as bars, each with its name, ``[T, A]`` numbers and whether they are shares of 1."""
    found = []
    for name, field in (("search", said.visit_counts), ("prior", said.prior_probs)):
        if field is not None:
            label = "share of visits" if name == "search" else "prior"
            found.append(_bar(label, field / field.sum(dim=-1, keepdim=True).clamp(min=1), is_share=True))
    if said.action_probs is not None:
        label = "policy of the search" if found else "probability"
        found.append(_bar(label, said.action_probs, is_share=True))
    if said.q_values is not None:
        found.append(_bar("Q-value", said.q_values, is_share=False))
    return found


def _bar(name: str, numbers: Tensor, *, is_share: bool) -> dict[str, Any]:
    gaps = (numbers.amax(dim=-1) - numbers.amin(dim=-1)).float()
    known = gaps[gaps.isfinite()]
    gap = 1.0 if is_share or not len(known) else float(known.quantile(0.75))
    return {"name": name, "numbers": rounded(numbers), "isShare": is_share, "gap": max(gap, 1e-9)}


def curves(said: Explanation) -> list[dict[str, Any]]:
    """Return the values over the game: the network's, or its largest Q-value, and that of a search."""
    value = said.value if said.value is not None or said.q_values is None else said.q_values.amax(dim=-1)
    named = (("V(s)", value), ("V(s) of the search", said.search_value))
    return [{"name": name, "numbers": rounded(numbers)} for name, numbers in named if numbers is not None]


def gaussian(said: Explanation, spec: EnvSpec, recording: Recording) -> dict[str, Any] | None:
    """Return means and deviations ``[T, D]`` of continuous numbers, their names, what was taken and the range drawn."""
    if said.action_mean is None or said.action_std is None:
        return None
    mean, std = (part.reshape(len(part), -1) for part in (said.action_mean, said.action_std))
    low = np.array(spec.action_low, float)
    high = np.array(spec.action_high, float)
    is_bounded = (np.abs(low) < 1e6) & (np.abs(high) < 1e6)  # one bound alone may lie beyond the policy
    low = np.where(is_bounded, low, (mean - std).amin(dim=0).numpy())
    high = np.where(is_bounded, high, (mean + std).amax(dim=0).numpy())
    return {
        "names": [f"{'number' if spec.is_hybrid else 'action'} {index}" for index in range(len(low))],
        "taken": rounded(_rows(recording)[:, len(spec.action_sizes) :]),
        "mean": rounded(mean),
        "std": rounded(std),
        "low": rounded(low),
        "high": rounded(high),
    }


def distribution(said: Explanation) -> tuple[np.ndarray, np.ndarray] | None:
    """Return points ``[S]`` and probabilities ``[T, A, S]`` of returns; atoms that move are counted in bins."""
    if said.atoms is None or said.atom_probs is None:
        return None
    if said.atoms.ndim == 1:
        return said.atoms.numpy(), said.atom_probs.numpy()
    low, high = float(said.atoms.min()), float(said.atoms.max())
    position = ((said.atoms - low) / max(high - low, 1e-9) * (NUM_BINS - 1)).round().long()
    probs = torch.zeros(*said.atoms.shape[:2], NUM_BINS).scatter_add(-1, position, said.atom_probs.float())
    return np.linspace(low, high, NUM_BINS), probs.numpy()


def rounded(numbers: Any) -> Any:
    """Return numbers as nested lists with four significant digits, ``None`` for what is not finite."""
    array = np.asarray(numbers, np.float64)
    if array.ndim > 1:
        return [rounded(one) for one in array]
    return [float(f"{number:.4g}") if math.isfinite(number) else None for number in array.tolist()]
