"""What a budget does to settings that count in env steps: starts not reached, schedules cut or outlasted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STARTS = ("learning_starts_env_steps",)
ENDINGS = ("_decay_env_steps", "_anneal_env_steps")
FOREVER = 1_000_000_000  # env steps; a schedule as long as this is meant to stay at its start
OF_PRIORITIES = ("importance_anneal_env_steps",)  # read only where draws are prioritized


def budget_notes(settings: Mapping[str, Any], total_frames: int, frame_skip: int) -> list[str]:
    """Return a sentence for each setting of an algorithm that does not fit the budget.

    Args:
        settings: of the algorithm, by their keys below `algo`, dotted.
        total_frames: the budget.
        frame_skip: frames per env step.
    """
    budget = total_frames // frame_skip
    notes = []
    for key, env_steps in settings.items():
        name = key.rpartition(".")[2]
        if not isinstance(env_steps, int) or isinstance(env_steps, bool):
            continue
        if name in OF_PRIORITIES and not settings.get("prioritized"):
            continue
        if name in STARTS and env_steps >= budget:
            notes.append(
                f"nothing is learned: algo.{key}={env_steps} is not reached within the {budget:,} env steps of "
                f"total_frames={total_frames}; lower it, or raise total_frames."
            )
        elif name == "learning_rate_decay_env_steps" and env_steps < budget:
            notes.append(
                f"nothing is learnt after {env_steps * frame_skip:,} frames, where the learning rate reaches 0: "
                f"algo.{key}={env_steps} is shorter than total_frames={total_frames}."
            )
        elif name.endswith(ENDINGS) and budget < env_steps < FOREVER:
            notes.append(
                f"a schedule is cut off at {budget / env_steps:.0%} of its way: algo.{key}={env_steps} is longer than "
                f"the {budget:,} env steps of total_frames={total_frames}."
            )
    return notes
