"""One row per log interval, to ``metrics.csv`` and every logger, on the axis of frames."""

from __future__ import annotations

import statistics
import time
from collections import deque
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger

from triptych.callbacks.actions_file import NAME as ACTIONS
from triptych.callbacks.actions_file import append_actions, cut_actions
from triptych.callbacks.csv_file import CSVFile, cut_rows, read_rows, set_aside
from triptych.types import Episode, RunInterrupted
from triptych.types.bounds import Count, CountOrZero

METRIC_COLUMNS = ["frames", "env_steps", "updates", "wall_time_s"]
EVALUATION_COLUMNS = ["frames", "episode_index", "seed", "length", "return", "is_truncated"]
EPISODE_COLUMNS = ["frames", "env_index", "episode_index", "seed", "length", "return"]


class Metrics(pl.Callback):
    """Collects what the module and the datamodule have to tell and files it under the frame count.

    What other callbacks log through Lightning has the frame count as its step, too.

    Args:
        directory: the run's folder.
        period_frames: between two rows, at most.
        window_episodes: training episodes in ``collect/return_mean``.
        least_rows: of a run that has as many turns; a short one has them more often.
        keep_actions: of which training episodes the actions are kept, so that they can be watched: those whose actions
            are ``discrete``, which take a byte or less for each choice, ``all``, or ``none``.

    Attributes:
        row: the latest one.
    """

    def __init__(
        self,
        directory: str | Path,
        period_frames: Count,
        window_episodes: Count = 100,
        least_rows: CountOrZero = 50,
        keep_actions: Literal["discrete", "all", "none"] = "discrete",
    ) -> None:
        self.keep_actions = keep_actions
        self.directory, self.period_frames, self.least_rows = Path(directory), period_frames, least_rows
        self.row: dict[str, float] = {}
        self.evaluations: list[dict[str, float]] = []
        self._recent: deque[tuple[float, int]] = deque(maxlen=window_episodes)
        self._metrics_file: CSVFile | None = None
        self._episodes_file: CSVFile | None = None
        self._evaluations_file: CSVFile | None = None
        self._since_row: list[float] = []  # returns of the training episodes since the last row
        self._interval_frames, self._interval_s = 0, 0.0  # where the interval began, and its seconds before a resume
        self._interval_start = time.monotonic()
        self._wall_time_before = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {
            "wall_time_s": self.wall_time_s,
            "recent": [list(entry) for entry in self._recent],
            "since_row": list(self._since_row),
            "interval_frames": self._interval_frames,
            "interval_s": time.monotonic() - self._interval_start,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._wall_time_before = state_dict["wall_time_s"]
        self._since_row = list(state_dict["since_row"])
        self._interval_frames, self._interval_s = state_dict["interval_frames"], state_dict["interval_s"]
        self._recent.extend((episode_return, length) for episode_return, length in state_dict["recent"])

    @property
    def wall_time_s(self) -> float:
        """Seconds spent in training and its evaluations, earlier stretches of the run included."""
        return self._wall_time_before + (time.monotonic() - self._started if hasattr(self, "_started") else 0.0)

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        clock = trainer.datamodule.clock
        frames = clock.frames
        # A checkpoint that owes its evaluation is older than the row of one that was played at the same frame.
        owed = "eval/return_mean" if clock.owes_evaluation else None
        for name in ("metrics.csv", "episodes.csv", "evaluations.csv"):
            aside = set_aside(self.directory / name)
            if aside is not None:
                trainer.datamodule.say(f"{name} has lost its columns, so it is kept as {aside.name} and begins anew.")
        for name in ("metrics.csv", "episodes.csv"):
            cut_rows(self.directory / name, frames, owed)
        cut_actions(self.directory / ACTIONS, frames)
        cut_rows(self.directory / "evaluations.csv", frames, "return" if owed else None)
        self._evaluations_file = CSVFile(self.directory / "evaluations.csv", EVALUATION_COLUMNS)
        self._metrics_file = CSVFile(self.directory / "metrics.csv", METRIC_COLUMNS)
        self._episodes_file = CSVFile(self.directory / "episodes.csv", EPISODE_COLUMNS)
        self._take_back(trainer.loggers, frames, owed)
        self._started = time.monotonic()
        self._interval_start = self._started - self._interval_s
        if self.least_rows:
            self.period_frames = min(self.period_frames, max(clock.total_frames // self.least_rows, 1))
        self._next_row = self._after(self._interval_frames)  # a turn that goes on is whole only later

    def _take_back(self, loggers: list[Logger], frames: int, owed: str | None) -> None:
        """Let loggers that can forget what is played anew, as the files here do."""
        kept = [row for row in read_rows(self.directory / "metrics.csv")[1] if owed and int(row["frames"]) == frames]
        for logger in loggers:
            go_on_from = getattr(logger, "go_on_from", None)
            if go_on_from is not None:
                go_on_from(frames if owed else frames + 1)
                for row in kept:
                    logger.log_metrics({name: float(value) for name, value in row.items() if value}, step=frames)

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        # The axis on which Lightning files what modules and callbacks log by themselves.
        trainer.fit_loop.epoch_loop._batches_that_stepped = trainer.datamodule.clock.frames

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        clock = trainer.datamodule.clock
        episodes = trainer.datamodule.take_ended_episodes()
        if episodes:
            self._file_episodes(episodes)
        is_new = clock.frames > self._interval_frames and not clock.vector_steps  # of a turn that is whole
        if is_new and (clock.frames >= self._next_row or clock.is_finished):
            self.write(trainer, self._training_row(trainer, module))
            self._next_row = self._after(clock.frames)

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        # A turn may be cut off in its middle; a run that goes on does not play these again.
        if isinstance(exception, RunInterrupted) and trainer.state.fn == "fit" and self._episodes_file is not None:
            self._file_episodes(trainer.datamodule.take_ended_episodes())

    def on_validation_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._validation_start = time.monotonic()

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        results = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("eval/")}
        self.write(trainer, self._clock(trainer, module) | results)
        self._file_evaluation(trainer.datamodule.clock.frames, trainer.datamodule.evaluator.episodes)
        # Evaluation is not training: keep its time out of the frames per second.
        self._interval_start += time.monotonic() - self._validation_start

    def write(self, trainer: pl.Trainer, row: dict[str, float]) -> None:
        """File one row and send it to every logger."""
        assert self._metrics_file is not None
        self.row = row
        self._metrics_file.append({name: _short(value) for name, value in row.items()})
        for logger in trainer.loggers:
            logger.log_metrics(row, step=int(row["frames"]))

    def _after(self, frames: int) -> int:
        return (frames // self.period_frames + 1) * self.period_frames

    def _clock(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, float]:
        clock = trainer.datamodule.clock
        return {
            "frames": clock.frames,
            "env_steps": clock.env_steps,
            "updates": module.updates,
            "wall_time_s": round(self.wall_time_s, 3),
        }

    def _training_row(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, float]:
        row = self._clock(trainer, module)
        if self._recent:
            returns, lengths = zip(*self._recent, strict=True)
            row["collect/return_mean"] = statistics.fmean(returns)
            row["collect/episode_length_mean"] = statistics.fmean(lengths)
        if self._since_row:
            row["collect/interval_return_mean"] = statistics.fmean(self._since_row)
            self._since_row = []
        row |= module.take_metrics()  # type: ignore[operator]
        now = time.monotonic()
        row["train/frames_per_second"] = (row["frames"] - self._interval_frames) / max(now - self._interval_start, 1e-9)
        self._interval_start, self._interval_frames = now, int(row["frames"])
        return row

    def _file_evaluation(self, frames: int, episodes: list[Episode]) -> None:
        """Keep every game of an evaluation, so that those that were cut or went in circles are seen."""
        assert self._evaluations_file is not None
        self._evaluations_file.append(
            *(
                {
                    "frames": frames,
                    "episode_index": episode.episode_index,
                    "seed": episode.seed,
                    "length": episode.length,
                    "return": f"{episode.episode_return:.6g}",
                    "is_truncated": int(episode.is_truncated),
                }
                for episode in episodes
            )
        )

    def _file_episodes(self, episodes: list[Episode]) -> None:
        assert self._episodes_file is not None
        self._recent.extend((episode.episode_return, episode.length) for episode in episodes)
        self._since_row += [episode.episode_return for episode in episodes]
        kinds = {"discrete": "iu", "all": "iuf", "none": ""}[self.keep_actions]
        kept = [episode for episode in episodes if episode.actions.array.dtype.kind in kinds]
        if kept:
            append_actions(self.directory / ACTIONS, kept)
        self._episodes_file.append(
            *(
                {
                    "frames": episode.frames,
                    "env_index": episode.env_index,
                    "episode_index": episode.episode_index,
                    "seed": episode.seed,
                    "length": episode.length,
                    "return": f"{episode.episode_return:.6g}",
                }
                for episode in episodes
            )
        )


def _short(value: float) -> float | int | str:
    return value if isinstance(value, int) else f"{value:.6g}"
