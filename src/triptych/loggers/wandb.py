"""Weights & Biases, in a way that never stops a run."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import wandb
from pytorch_lightning.loggers import Logger, WandbLogger

from triptych.files import write_text
from triptych.loggers.history import History
from triptych.types import ConfigurationError
from triptych.types.bounds import Coefficient


class FramesWandbLogger(WandbLogger):
    """A `WandbLogger` whose axis is called ``frames``, and which ends with the run's true status.

    A server keeps what it was sent. So of a run that goes on, it is sent only what is beyond that, and the stretch
    since the checkpoint stays as it was played first. An offline run is a file of its own for every stretch, and gets
    the rows of the earlier ones too, so that one file is the whole curve.

    Args:
        run: of wandb.
        upload_command: that uploads an offline run.
        write_line: where a line about it goes.
        history: the rows so far.
        logs_checkpoint: whether the best checkpoint becomes an artifact.
    """

    def __init__(
        self,
        run: Any,
        upload_command: str | None,
        write_line: Callable[[str], None],
        history: History,
        logs_checkpoint: bool = False,
    ) -> None:
        super().__init__(experiment=run, save_dir=run.settings.wandb_dir)
        self.upload_command, self.write_line = upload_command, write_line
        self.history, self.logs_checkpoint = history, logs_checkpoint
        self._held: dict[str, int] = {}  # by key, the last frame of which the server has a value
        run.define_metric("frames")
        run.define_metric("*", step_metric="frames")

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:  # type: ignore[override]
        if step is None:
            self.experiment.log(dict(metrics))
            return
        self.history.append(metrics, step)
        self._send(metrics, step)

    def _send(self, metrics: dict[str, Any], frames: int) -> None:
        new = {name: value for name, value in metrics.items() if frames > self._held.get(name, -1)}
        if new.keys() - {"frames"}:
            self.experiment.log(new | {"frames": frames})

    def go_on_from(self, frames: int) -> None:
        """Take the rows from this frame on for unsent: they are played anew."""
        run = self.experiment
        held = int(run.summary.get("frames") or 0) if run.resumed else -1
        reached = self.history.read()[1]
        self._held = {name: min(at, held) for name, at in reached.items()}
        self.history.cut(frames)
        for row in self.history.read()[0]:
            self._send(row, int(row["frames"]))

    def log_summary(self, fields: dict[str, Any]) -> None:
        """Put what is no curve, such as the status, beside the last values of the curves."""
        # wandb passes over None, which would leave what an earlier stretch of the run wrote.
        self.experiment.summary.update({name: "" if value is None else value for name, value in fields.items()})

    def log_checkpoint(self, path: Path) -> None:
        """Keep a checkpoint as an artifact, where it is wished."""
        if self.logs_checkpoint:
            artifact = wandb.Artifact(f"checkpoint-{self.experiment.id}", type="model")
            artifact.add_file(str(path))
            self.experiment.log_artifact(artifact, aliases=[path.stem])

    def finalize(self, status: str) -> None:
        """Leave the end to `close_run`: Lightning finalizes after training, before the final evaluation."""

    def close_run(self, exit_code: int) -> None:
        """End the run with its true status and say how an offline one is uploaded."""
        self.experiment.finish(exit_code=exit_code)
        if self.upload_command:
            self.write_line(f"wandb was offline; to upload this run: {self.upload_command}")


def make_wandb_logger(
    run_dir: str | Path,
    config: dict[str, Any],
    *,
    project: str,
    write_line: Callable[[str], None] = print,
    entity: str | None = None,
    group: str | None = None,
    tags: list[str] | None = None,
    init_timeout_s: Coefficient = 10,
    log_checkpoint: bool = False,
) -> Logger:
    """Start or continue the wandb run of a run folder; offline when nobody is logged in or the network is down.

    The run's id is kept in its folder, so a continued run continues its curve and a fresh one starts its own.
    ``log_checkpoint`` uploads the best checkpoint at the end, as an artifact.

    Raises:
        ConfigurationError: wandb refuses a setting, or one of its environment variables.
    """
    path = Path(run_dir)
    history = History(path / "wandb" / "history.jsonl")
    settings = wandb.Settings(init_timeout=init_timeout_s, silent=True, console="off")
    keywords: dict[str, Any] = {
        "project": project,
        "entity": entity,
        "group": group,
        "tags": tags,
        "name": "-".join(part for part in path.parts[-4:] if part != path.anchor),
        "id": _run_id(path / "wandb" / "run_id"),
        "dir": str(path),
        "config": config,
        "resume": "allow",
        "settings": settings,
        "reinit": "finish_previous",
    }
    is_online = os.environ.get("WANDB_MODE", "online") == "online" and _is_logged_in()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if is_online:
            try:
                run = wandb.init(**keywords)
                return FramesWandbLogger(run, None, write_line, history, log_checkpoint)
            except Exception as error:  # the run goes on without the server
                write_line(f"wandb cannot be reached ({type(error).__name__}); this run is tracked offline.")
                wandb.teardown()  # its service still holds the id for the run that it could not start
        mode = os.environ.get("WANDB_MODE", "offline")
        try:
            run = wandb.init(**keywords, mode="disabled" if mode == "disabled" else "offline")
        except (wandb.Error, ValueError) as error:  # of a setting: there is no server in this
            raise ConfigurationError(
                f"logger.wandb cannot be made of its settings and the variables WANDB_*: {_sentence(error)}"
            ) from error
    command = f"wandb sync {shlex.quote(run.settings.sync_dir)}" if mode != "disabled" else None
    return FramesWandbLogger(run, command, write_line, history, log_checkpoint)


def _sentence(error: Exception) -> str:
    """Say in one line what wandb says in several."""
    return " ".join(str(error).partition("For further information")[0].split())


def _run_id(path: Path) -> str:
    known = path.read_text() if path.is_file() and not path.is_symlink() else ""
    if re.fullmatch("[0-9a-f]{16}", known):
        return known
    write_text(path, secrets.token_hex(8))
    return path.read_text()


def _is_logged_in() -> bool:
    try:
        return bool(wandb.login(prompt=False, verify=False))
    except Exception:
        return False
