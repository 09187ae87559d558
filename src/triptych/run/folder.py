"""A run's folder: its lock, its status, and where it goes on."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import torch

from triptych.files import append_text, copy_file, find_link, read_json, write_text
from triptych.replay.buffer import check_saved, replay_folder
from triptych.types import ConfigurationError


class FolderInUse(RuntimeError):
    """Another process runs in this folder."""


class CannotGoOn(RuntimeError):
    """A run's folder holds no checkpoint from which it could go on."""


class RunFolder:
    """The folder of one run, locked while this object lives.

    Raises:
        ConfigurationError: ``fresh`` asks for what cannot be moved.
        FolderInUse: a second process asks for the same folder.
        OSError: it cannot be created or written.
    """

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        link = find_link(path)
        if link is not None:  # writing through it would change what is not the run's
            raise ConfigurationError(
                f"run_dir={path} holds a link, {link}; replace it by what it stands for, or choose another run_dir."
            )
        holds_a_run = any((path / name).exists() for name in ("summary.json", "train.log", "checkpoints"))
        self._lock = self._locked()
        self.moved_to: Path | None = None
        if fresh and holds_a_run:  # anything else stays where it is
            if Path.cwd().is_relative_to(path.resolve()):
                raise ConfigurationError(
                    f"run_dir={path} is where this command runs and cannot be moved aside; choose another run_dir."
                )
            self.moved_to = self._move_aside()
            path.mkdir(parents=True)
            self._lock = self._locked()
        self._is_new = all(entry.name == ".lock" for entry in path.iterdir())

    def _locked(self) -> Any:
        lock = (self.path / ".lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            raise FolderInUse(
                f"{self.path} is in use by process {lock.read().strip() or 'unknown'}: "
                "wait for it to end, or choose another seed or run_dir."
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        return lock

    def _move_aside(self) -> Path:
        for number in range(1, 10_000):
            target = self.path.with_name(f"{self.path.name}.old{number}")
            if not target.exists():
                self.path.rename(target)
                self._lock.close()
                return target
        raise OSError(f"{self.path} has too many old runs beside it")

    def close(self) -> None:
        """Let others use the folder."""
        self._lock.close()

    def discard_if_new(self) -> None:
        """Take back that the folder was made, for a run that cannot start; an earlier one returns to its place."""
        if self._is_new:
            self.close()
            shutil.rmtree(self.path)
            if self.moved_to is not None:
                self.moved_to.rename(self.path)
                self.moved_to, self._is_new = None, False
                self._lock = self._locked()

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def has_history(self) -> bool:
        """Whether a run has left something here that starting another would lose."""
        return (self.path / "metrics.csv").exists() or any(self.checkpoints.glob("*.ckpt"))

    def summary(self) -> dict[str, Any]:
        """Read ``summary.json``; empty where there is none that can be read."""
        try:
            return read_json(self.path / "summary.json")
        except (OSError, ValueError):
            return {}

    def update_summary(self, **fields: Any) -> None:
        """Change some fields of ``summary.json``."""
        write_text(self.path / "summary.json", json.dumps(self.summary() | fields, indent=2) + "\n")

    def give_up(self, why: str) -> None:
        """Write down that a run has failed, whose process is about to be ended."""
        self.update_summary(status="failed", error=why)
        self.log(f"Failed: {why}")

    def log(self, line: str) -> None:
        """Print a line and keep it in ``train.log``."""
        print(line, flush=True)
        self.note(line)

    def note(self, line: str) -> None:
        """Keep a line in ``train.log``, if the disk has room for it."""
        with contextlib.suppress(OSError):
            append_text(self.path / "train.log", f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {line}\n")

    def resume_checkpoint(self) -> Path | None:
        """Find the newest checkpoint that can be read; ``None`` where the run has none.

        A file that cannot be read (cut short, or holding anything but tensors and plain data) is passed over
        with a word in the log.

        Raises:
            CannotGoOn: there are checkpoints and none can be read, or a finished run has lost them.
        """
        paths = [path for name in ("last.ckpt", "previous.ckpt") if (path := self.checkpoints / name).exists()]
        unreadable: list[Path] = []
        for path in paths:
            try:
                checkpoint = _load(path)
                if not {"state_dict", "pytorch-lightning_version"} <= checkpoint.keys():
                    raise ValueError("it is no checkpoint")
                for value in checkpoint.values():
                    if isinstance(value, dict) and value.get("replay") is not None:
                        for rank in range(len(checkpoint.get("shares", [None]))):
                            check_saved(replay_folder(self.checkpoints, rank), value["replay"])
            except Exception as error:
                unreadable.append(path)
                self.log(f"{path.name} cannot be read ({type(error).__name__}); trying the one before it.")
            else:
                for bad in unreadable:  # it must not displace a good one later
                    os.replace(bad, bad.with_suffix(".unreadable"))
                return path
        if paths:
            raise CannotGoOn(
                f"No checkpoint in {self.checkpoints} can be read; fresh=true moves them aside and starts over."
            )
        if self.summary().get("status") == "finished":
            raise CannotGoOn(
                f"{self.path} holds a finished run whose checkpoints are gone; choose another run_dir, or move that "
                "run aside with fresh=true."
            )
        return None

    def best_checkpoint(self) -> Path:
        """Return ``best.ckpt``; where it cannot be read, ``last.ckpt`` takes its place, with a word in the log."""
        best, last = self.checkpoints / "best.ckpt", self.checkpoints / "last.ckpt"
        try:
            _load(best)
        except Exception as error:
            self.log(f"best.ckpt cannot be read ({type(error).__name__}); last.ckpt takes its place.")
            copy_file(last, best)
        return best


def _load(path: Path) -> dict[str, Any]:
    """Read a checkpoint; a file cut short fails, and one that holds more than tensors and plain data."""
    return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
