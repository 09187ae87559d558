"""Numbers from an environment that no learner could use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from triptych.types import Episode, NotFinite


def check_finite(name: str, what: str, values: np.ndarray, running: Sequence[Episode | None]) -> None:
    """Raise `NotFinite` if ``values [N, ...]`` of a running episode hold NaN or inf.

    Args:
        name: of the environment.
        what: the values are.
        running: the episode of each environment with its actions so far; ``None`` where nobody looks.
    """
    if values.dtype.kind != "f" or np.isfinite(values).all():
        return
    for episode, value in zip(running, values, strict=True):
        if episode is None or np.isfinite(value).all():
            continue
        raise NotFinite(
            f"{name}: its {what} is not finite, {len(episode.actions)} steps after the start from seed {episode.seed}; "
            "the environment is at fault, or the actions that it was sent",
            {"seed": episode.seed, "actions": np.array(episode.actions), what: np.asarray(value)},
        )
