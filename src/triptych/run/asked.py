"""Which game of a run is to be watched, and where it is in the run's folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from triptych.callbacks.actions_file import NAME as ACTIONS
from triptych.callbacks.actions_file import read_actions
from triptych.callbacks.csv_file import read_rows
from triptych.types import ConfigurationError, Episode


class EpisodeName(NamedTuple):
    """Which game: of the training environment ``env_index``, or where that is ``None`` of the evaluation stream."""

    env_index: int | None
    episode_index: int

    def __str__(self) -> str:
        return f"{self.episode_index}" if self.env_index is None else f"{self.env_index}/{self.episode_index}"


class Asked(NamedTuple):
    """What is to be watched."""

    folder: Path  # of the run
    name: EpisodeName = EpisodeName(None, 0)
    checkpoint: str = "best"  # or last, or a path
    max_steps: int = 2000
    is_trusted: bool = False


def training_episode(asked: Asked) -> Episode:
    """Find a training episode in a run's folder.

    Raises:
        ConfigurationError: it was never played, or its actions were not kept.
    """
    name = asked.name
    rows = [row for row in read_rows(asked.folder / "episodes.csv")[1] if row.get("episode_index", "").isdecimal()]
    of_env = {int(row["episode_index"]): row for row in rows if row.get("env_index") == str(name.env_index)}
    if name.episode_index not in of_env:
        raise ConfigurationError(f"--episode {name} was not played to its end in this run; {_which(rows, name)}.")
    actions = read_actions(asked.folder / ACTIONS, int(name.env_index or 0), name.episode_index)
    if actions is None:
        raise ConfigurationError(
            f"--episode {name} was played, but its actions are not in {asked.folder / ACTIONS}; continuous ones, "
            "also beside choices, are kept with callbacks.metrics.keep_actions=all, and runs of earlier versions kept "
            "none."
        )
    row = of_env[name.episode_index]
    try:
        seed, total, frames = int(row["seed"]), float(row["return"]), int(row["frames"])
    except (KeyError, ValueError) as error:
        raise ConfigurationError(f"{asked.folder / 'episodes.csv'} is damaged where it tells of {name}.") from error
    return Episode(
        int(name.env_index or 0), name.episode_index, seed, len(actions), total, frames=frames, actions=actions
    )


def _which(rows: list[dict[str, str]], name: EpisodeName) -> str:
    """Say which training episodes there are."""
    of_env: dict[int, list[int]] = {}
    for row in rows:
        if row.get("env_index", "").isdecimal():
            of_env.setdefault(int(row["env_index"]), []).append(int(row["episode_index"]))
    if not of_env:
        return "no training episode has ended in it yet"
    if name.env_index in of_env:
        played = sorted(of_env[name.env_index])
        return f"environment {name.env_index} has played {name.env_index}/{played[0]} to {name.env_index}/{played[-1]}"
    first = min(of_env)
    return (
        f"its environments are {first} to {max(of_env)}, the first has played {first}/0 to {first}/{max(of_env[first])}"
    )
