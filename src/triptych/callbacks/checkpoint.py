"""Checkpoints: the last, the one before it, and the best, each written whole or not at all."""

from __future__ import annotations

import contextlib
import io
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException

from triptych import ranks
from triptych.files import check_seal, copy_file, replacing, seal
from triptych.types import ConfigurationError, RunInterrupted
from triptych.types.bounds import Count

ORIGIN = "run"  # key of a checkpoint: what it says of the run that wrote it


class RunCheckpoint(pl.Callback):
    """Keeps ``last.ckpt``, ``previous.ckpt`` and ``best.ckpt``, on the clock of frames.

    A run that goes on from one of the first two drops a best that came after it, as that future is played anew; so
    the best from before stays beside it, as ``best-<env_steps>.ckpt``, until neither would drop the newer one.

    Lightning's own `ModelCheckpoint` counts optimizer steps and ties ``last`` to the monitored value; it can be
    used beside this one.

    Where a run has several processes, all of them save and the first writes; only that changes files here.

    Args:
        directory: ``checkpoints`` in the run's folder.
        period_frames: between two last checkpoints.
        keep_replay: whether the replay stays when the run is finished.
        monitor: the metric by which ``best.ckpt`` is chosen; higher is better, the later of equals wins.
        keep_period_frames: between two checkpoints that stay beside the last, as ``kept-<frames>.ckpt``: opponents for
            the later ones. ``None`` keeps none.

    Attributes:
        after_save: called when ``last.ckpt`` is whole.
        saved_frames: of ``last.ckpt``, if this process has written it.
        origin: of the run, plain data that every checkpoint keeps; ``identity`` in it tells runs apart.
    """

    def __init__(
        self,
        directory: str | Path,
        period_frames: Count,
        keep_replay: bool = False,
        monitor: str = "eval/return_mean",
        keep_period_frames: Count | None = None,
    ) -> None:
        self.keep_replay, self.keep_period_frames = keep_replay, keep_period_frames
        self.directory, self.period_frames, self.monitor = Path(directory), period_frames, monitor
        self.best_value, self.best_env_steps = -math.inf, 0
        self._env_steps_of: dict[str, int] = {}  # when last and previous were saved
        self._is_of_open_turn = False  # the last: what it refers to changes before another env step
        self.after_save: Callable[[], None] = lambda: None
        self.saved_frames: int | None = None
        self.origin: dict[str, Any] = {}
        self._next_frames = 0

    def on_save_checkpoint(self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint[ORIGIN] = self.origin

    def state_dict(self) -> dict[str, Any]:
        return {
            "best_value": self.best_value,
            "best_env_steps": self.best_env_steps,
            "env_steps_of": dict(self._env_steps_of),
            "is_of_open_turn": self._is_of_open_turn,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._env_steps_of = dict(state_dict["env_steps_of"])
        self._is_of_open_turn = state_dict["is_of_open_turn"]

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        clock = trainer.datamodule.clock
        self._next_frames = clock.frames + self.period_frames
        self.best_value, self.best_env_steps = ranks.from_first(lambda: self._find_best(clock.env_steps))
        if ranks.rank() == 0:
            for frames, kept in self._numbered("kept").items():
                if frames > clock.frames:  # of a future that is played anew
                    kept.unlink()

    def _find_best(self, env_steps: int) -> tuple[float, int]:
        """Make the newest best from up to ``env_steps`` the best, and return what `_best_in` does; drop later ones."""
        best = self.directory / "best.ckpt"
        value, found_at = self._best_in(best)
        if found_at > env_steps:
            best.unlink()
        kept = self._numbered("best")
        for at in [at for at in kept if at > env_steps]:
            kept.pop(at).unlink()
        if kept and (found_at > env_steps or value == -math.inf):
            os.replace(kept[max(kept)], best)
        return self._best_in(best)

    def _best_in(self, path: Path) -> tuple[float, int]:
        """Return the value of a best checkpoint and the env steps at which it was found."""
        try:
            check_seal(path)
            found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            mine = self.origin.get("identity")
            if found.get(ORIGIN, {}).get("identity", mine) != mine:
                raise ValueError("it is of another run")
            state = found["callbacks"][self.state_key]
            return state["best_value"], state.get("best_env_steps", 0)
        except Exception:  # absent, damaged or foreign: the next evaluation writes another
            return -math.inf, 0

    def _numbered(self, name: str) -> dict[int, Path]:
        """Return the earlier bests by the env steps at which they were found, or the kept ones by their frames."""
        paths = self.directory.glob(f"{name}-*.ckpt")
        return {int(number): path for path in paths if (number := path.stem.removeprefix(f"{name}-")).isdecimal()}

    def _prune_bests(self) -> None:
        """Delete the earlier bests to which going on from last or previous would not return."""
        if ranks.rank():
            return
        kept = self._numbered("best")
        found = [*kept, self.best_env_steps]
        needed = {max((at for at in found if at <= start), default=None) for start in self._env_steps_of.values()}
        for at in kept.keys() - (needed - {self.best_env_steps}):
            kept[at].unlink()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        clock = trainer.datamodule.clock
        if clock.frames >= self._next_frames and not clock.vector_steps:  # a turn that is cut off is saved as it ends
            self.save_last(trainer)

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        value = float(trainer.callback_metrics[self.monitor])
        if value >= self.best_value:
            best = self.directory / "best.ckpt"
            if ranks.rank() == 0 and best.exists() and self.best_value > -math.inf:
                copy_file(best, self.directory / f"best-{self.best_env_steps}.ckpt")
            self.best_value, self.best_env_steps = value, trainer.datamodule.clock.env_steps
            self._write(trainer, "best.ckpt")
            self._prune_bests()

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.save_last(trainer)

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        # After an error the state may be broken: the last good checkpoint stays. Lightning's own exception on SIGTERM,
        # which comes first at the end of an epoch, also waits for a turn's end.
        is_whole = isinstance(exception, (RunInterrupted, SIGTERMException))
        if is_whole and trainer.state.fn == "fit":
            self.save_last(trainer)

    def save_last(self, trainer: pl.Trainer) -> None:
        """Save the data, then the checkpoint that refers to it, then drop what nothing refers to."""
        data, clock = trainer.datamodule, trainer.datamodule.clock
        self._next_frames = clock.frames + self.period_frames
        last = self.directory / "last.ckpt"
        is_later = self._env_steps_of.get("last") != clock.env_steps
        has_last = ranks.from_first(last.exists)
        if not is_later and not self._is_of_open_turn and has_last:
            self._write(trainer, "last.ckpt")  # only what the evaluation added has changed
            self.saved_frames = clock.frames
            self.after_save()
            return
        data.save_data()
        self._is_of_open_turn = clock.vector_steps > 0
        if is_later and "last" in self._env_steps_of:
            self._env_steps_of["previous"] = self._env_steps_of["last"]
        self._env_steps_of["last"] = clock.env_steps
        if is_later and has_last and ranks.rank() == 0:
            copy_file(last, self.directory / "previous.ckpt")
        self._write(trainer, "last.ckpt")
        self.saved_frames = clock.frames
        if self.keep_period_frames is not None and ranks.rank() == 0:
            period = clock.frames // self.keep_period_frames
            if all(frames // self.keep_period_frames != period for frames in self._numbered("kept")):
                copy_file(last, self.directory / f"kept-{clock.frames}.ckpt")
        data.prune_data(set(self._env_steps_of.values()))
        self._prune_bests()
        self.after_save()

    def _write(self, trainer: pl.Trainer, name: str) -> None:
        if ranks.rank():  # Lightning lets the first write what all have
            trainer.save_checkpoint(self.directory / name)
            return
        with replacing(self.directory / name) as temporary:
            try:
                trainer.save_checkpoint(temporary)
                torch.load(temporary, map_location="cpu", weights_only=True, mmap=True)  # as whoever goes on from it
            except OSError:
                raise
            except Exception as error:
                raise _told_by_holder(trainer, error) from error
            seal(temporary)


def _told_by_holder(trainer: pl.Trainer, error: Exception) -> Exception:
    """Name the callback or the key of the algorithm whose state cannot be read again; else return ``error``."""
    held: dict[str, Any] = {}
    with contextlib.suppress(Exception):  # it may want what is not in there
        trainer.lightning_module.on_save_checkpoint(held)
    name = type(trainer.lightning_module).__name__
    states = {f"algo: {name}.on_save_checkpoint, {key}": value for key, value in held.items()}
    for path, module in trainer.lightning_module.named_modules():
        if type(module).get_extra_state is not torch.nn.Module.get_extra_state:
            holder = f"algo: {type(module).__name__}.get_extra_state"
            states[f"{holder} ({path})" if path else holder] = module.get_extra_state()
    states |= {f"callbacks: {type(one).__name__}.state_dict": one.state_dict() for one in trainer.callbacks}  # type: ignore
    for holder, state in states.items():
        if not _is_plain(state):
            return ConfigurationError(
                f"{holder} holds what no checkpoint can: tensors, numbers, texts, and lists and dicts of these can be "
                "read again without running code. Make numbers of it, by float(...) or .tolist()."
            )
    return error


def _is_plain(state: Any) -> bool:
    """Whether a state can be written and read again."""
    buffer = io.BytesIO()
    try:
        torch.save(state, buffer)
        buffer.seek(0)
        torch.load(buffer, weights_only=True)
    except Exception:
        return False
    return True
