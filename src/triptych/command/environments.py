"""The environments of a sweep, each made once before its first job starts."""

from __future__ import annotations

import json
from collections.abc import Sequence

from triptych.build import make_game_factory, make_spec, plain
from triptych.command.compose import Job
from triptych.types import ConfigurationError


def check_environments(jobs: Sequence[Job]) -> None:
    """Make each distinct environment once, play a few steps as every run does at its start, and close it.

    Raises:
        ConfigurationError: one cannot be made or played; the sentence names its job.
    """
    seen: set[str] = set()
    for job in jobs:
        node = json.dumps(plain(job.cfg.env) | {"num_envs": 1}, sort_keys=True, default=str)
        if node in seen:
            continue
        seen.add(node)
        try:
            make_spec(make_game_factory(job.cfg))
        except ConfigurationError as error:
            raise ConfigurationError(f"{' '.join(job.overrides)}: {error}") from error
        except (Exception, SystemExit) as error:  # an environment may raise anything
            lines = str(error).strip().splitlines() or ["no message"]
            raise ConfigurationError(
                f"{' '.join(job.overrides)}: its environment cannot be played ({type(error).__name__}: {lines[0]}); "
                "no job was started."
            ) from error
