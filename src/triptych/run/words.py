"""What a run says of itself: what it is made of at its start, what came of it at its end."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig
from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from triptych.build import Experiment
from triptych.callbacks.phases import has_terminal
from triptych.run.folder import RunFolder
from triptych.run.restore import load_config
from triptych.types import ConfigurationError

ENDINGS = {
    "solved": "solved",
    "total_frames": "the frames are used up",
    "total_minutes": "the minutes are used up",
    "max_time": "the time is used up",
    "callback": "a callback ended it",
}
# The setting whose budget was the end of a run.
RAISED_BY = {"total_frames": "total_frames", "total_minutes": "total_minutes", "max_time": "trainer.max_time"}


def introduction(cfg: DictConfig, experiment: Experiment) -> dict[str, str]:
    """Return what a run says of itself before it starts, a line for each name."""
    spec, data, turn = experiment.spec, experiment.data, experiment.data.clock.turn
    lines = {
        "run": str(data.directory.parents[1]),
        "env": f"{spec.name}, protocol {spec.protocol}, {experiment.measured.frame_skip} frames per step (measured), "
        f"{data.num_envs} at once",
        **({"sees": spec.reading} if spec.reading else {}),
        "hardware": ", ".join(f"{key} {value}" for key, value in experiment.hardware.describe().items()),
        "rhythm": f"a turn is {turn.env_steps} env steps and {turn.updates} update{'s' * (turn.updates != 1)}",
        **data.describe(),
    }
    sizes = experiment.measured.observation_sizes
    seen = sizes[sizes > 0] if sizes is not None else np.zeros(0)
    if len(seen) and seen.max() > 1000 * max(seen.min(), 1e-3) and cfg.algo.get("normalize_observations") is not True:
        lines["advice"] = (
            f"the numbers of an observation differ much in size, {seen.min():.3g} to {seen.max():.3g} in the first "
            "steps; algo.normalize_observations=true, where an algorithm has it, or a wrapper brings them together"
        )
    return lines


def result(summary: dict[str, Any]) -> str:
    """Say in one sentence what the final evaluation of a finished run found."""
    score, without_search = summary.get("human_normalized_score"), summary.get("eval_return_mean_without_search")
    if summary.get("eval_return_mean") is None:
        return f"no final evaluation (test=false), after {summary['frames']:,} frames"
    num_games = len(summary.get("eval_returns") or ())
    return (
        f"mean return {summary['eval_return_mean']:.2f} over {num_games} evaluation episodes"
        + (f", {without_search:.2f} without search" if without_search is not None else "")
        + (f", human-normalised {score:.2f}" if score is not None else "")
        + f", after {summary['frames']:,} frames"
    )


def tell_finished(folder: RunFolder, *, has_video: bool, num_skipped: int = 0) -> None:
    """Say why a run has ended, what came of it, and what to do with it.

    Args:
        has_video: whether its last evaluation was filmed.
        num_skipped: minibatches for which there was no loss.
    """
    summary, video = folder.summary(), folder.path / "videos" / "evaluation.mp4"
    lines = {"score": result(summary), "folder": str(folder.path)}
    if summary.get("updates") == 0:
        budget = RAISED_BY.get(str(summary.get("stop_reason")))
        way_out = f"; raise {budget}" if budget else ""
        lines["note"] = f"nothing was learned: the run ended before its first update{way_out}"
        if num_skipped:
            lines["note"] = f"nothing was learned: the loss of all {num_skipped:,} minibatches was None"
    if has_video and video.exists():
        lines["video"] = str(video)
    lines["next"] = shlex.join(["python", "scripts/evaluate.py", str(folder.path), *_trust_in(folder.path)])
    _tell(folder, f"Finished: {ENDINGS.get(str(summary.get('stop_reason')), 'it has ended')}", lines)


def _trust_in(run_folder: Path) -> list[str]:
    """Return the flag without which scripts refuse a run whose code is the user's own."""
    try:
        load_config(run_folder)
    except ConfigurationError:
        return ["--trust"]
    return []


def tell_interrupted(folder: RunFolder, best_value: float, command: str, *, is_saved: bool) -> None:
    """Say where a run was stopped and how it goes on.

    Args:
        best_value: mean return of the best evaluation, infinite where there was none.
        command: that goes on with it.
        is_saved: whether what was played is; a second Ctrl-C may have come before.
    """
    frames = f"{folder.summary()['frames']:,} frames"  # those of the last checkpoint
    title = f"Interrupted at {frames}"
    if not is_saved:
        has_one = (folder.checkpoints / "last.ckpt").exists()
        title = f"Interrupted without a new checkpoint; {f'the last is of {frames}' if has_one else 'there is none'}"
    lines = {"score": f"best evaluation so far: mean return {best_value:.2f}"} if math.isfinite(best_value) else {}
    lines |= {"folder": str(folder.path), "next": f"go on with: {command}"}
    _tell(folder, title, lines)


def _tell(folder: RunFolder, title: str, lines: dict[str, str]) -> None:
    """Show lines under a title, in a panel where there is a terminal; ``train.log`` keeps them plain.

    The last line holds a command: it stands below the panel, where no border is copied with it.
    """
    plain = [title, *(f"{name:>9}  {text}" for name, text in lines.items())]
    if not has_terminal():
        for line in plain:
            folder.log(line)
        return
    table = Table.grid(padding=(0, 2))
    *in_panel, (last, command) = lines.items()
    for name, text in in_panel:
        table.add_row(name, text)
    Console().print(Panel(table, title=title, box=box.HORIZONTALS), markup=False, highlight=False)
    print(f"  {last}  {command}", flush=True)
    for line in plain:
        folder.note(line)


def sentence_of(error: Exception) -> str:
    """Say in one line what went wrong; the traceback is for ``train.log``."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
