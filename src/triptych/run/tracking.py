"""What the loggers are told of a run beside its rows: what it is made of, what came of it, and how it ended.

Any of Lightning's loggers gets hyperparameters and final scores. One that has ``log_summary(fields)``, ``log_video`` as
Lightning's for wandb, ``log_checkpoint(path)`` or ``close_run(exit_code)`` gets more.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

FIELDS = ("experiment", "identity", "git_commit")  # of summary.json, which no key of the configuration holds


class Tracking:
    """The loggers of one run.

    Args:
        loggers: any of Lightning's.
        config: the resolved configuration.
        fields: of ``summary.json``, that say what the run is.
        say: what a line is told to when a logger cannot take something at the end, which costs the run nothing.
    """

    def __init__(
        self,
        loggers: Sequence[Any],
        config: dict[str, Any],
        fields: dict[str, Any],
        say: Callable[[str, Exception], None],
    ) -> None:
        self.loggers, self.say = loggers, say
        names = {f"{key}_name": fields[key] for key in ("algo", "env", "protocol")}  # beside the nodes of these names
        self.hyperparameters = names | {key: fields[key] for key in FIELDS} | config

    def begin(self) -> None:
        """Tell what the run is made of."""
        for logger in self.loggers:
            logger.log_hyperparams(self.hyperparameters)

    def log_scores(self, scores: dict[str, float], frames: int) -> None:
        """Tell the final scores; beside the hyperparameters where a logger shows the two together."""
        for logger in self.loggers:
            if {"metrics", "step"} <= inspect.signature(logger.log_hyperparams).parameters.keys():
                self._try(logger, "log_hyperparams", self.hyperparameters, metrics=scores, step=frames)
            else:
                self._try(logger, "log_metrics", scores, step=frames)

    def log_files(self, video: Path | None, checkpoint: Path, frames: int) -> None:
        """Hand over the video of the final evaluation, if there is one, and the checkpoint that played it."""
        for logger in self.loggers:
            if video is not None:
                self._try(logger, "log_video", "final/video", [str(video)], step=frames, format=["mp4"])
            self._try(logger, "log_checkpoint", checkpoint)

    def close(self, exit_code: int, **fields: Any) -> None:
        """Let every logger end with the run's true status and the fields that say how it ended."""
        for logger in self.loggers:
            self._try(logger, "log_summary", fields)
            self._try(logger, "finalize", "success" if exit_code == 0 else "failed")
            self._try(logger, "close_run", exit_code)

    def _try(self, logger: Any, method: str, *args: Any, **kwargs: Any) -> None:
        call = getattr(logger, method, None)
        if call is not None:
            try:
                call(*args, **kwargs)
            except Exception as error:  # a tracker's server may fail in any way, and the run is over
                self.say(f"{type(logger).__name__}.{method} failed", error)
