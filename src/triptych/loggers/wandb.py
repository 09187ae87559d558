"""Weights & Biases, in a way that never stops a run."""

from __future__ import annotations

import os
import re
import secrets
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import wandb
from pytorch_lightning.loggers import Logger, WandbLogger

from triptych.files import write_text
from triptych.types.bounds import Coefficient


class FramesWandbLogger(WandbLogger):
    """A `WandbLogger` whose axis is called ``frames``, and which ends with the run's true status."""

    def __init__(self, run: Any, upload_command: str | None, write_line: Callable[[str], None]) -> None:
        super().__init__(experiment=run, save_dir=run.settings.wandb_dir)
        self.upload_command, self.write_line = upload_command, write_line
        run.define_metric("frames")
        run.define_metric("*", step_metric="frames")

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:  # type: ignore[override]
        self.experiment.log(dict(metrics) | ({} if step is None else {"frames": step}))

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
) -> Logger:
    """Start or continue the wandb run of a run folder; offline when nobody is logged in or the network is down.

    The run's id is kept in its folder, so a continued run continues its curve and a fresh one starts its own.
    """
    path = Path(run_dir)
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
                return FramesWandbLogger(wandb.init(**keywords), None, write_line)
            except Exception as error:  # the run goes on without the server
                write_line(f"wandb cannot be reached ({type(error).__name__}); this run is tracked offline.")
                wandb.teardown()  # its service still holds the id for the run that it could not start
        mode = os.environ.get("WANDB_MODE", "offline")
        run = wandb.init(**keywords, mode="disabled" if mode == "disabled" else "offline")
    # Every stretch of the run has a directory of its own; all of them make up the curve.
    command = f"wandb sync {path / 'wandb'}/offline-run-*" if mode != "disabled" else None
    return FramesWandbLogger(run, command, write_line)


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
