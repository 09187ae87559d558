"""A run's folder: its lock, its status, and where it goes on."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import torch

from triptych.files import (
    append_text,
    copy_file,
    find_link,
    is_sealed,
    read_json,
    read_yaml,
    replacing,
    seal,
    write_text,
)
from triptych.replay.saves import check_saved, replay_folder
from triptych.run.lock import FolderLock
from triptych.run.origin import load, origin_of
from triptych.types import ConfigurationError

NUMBER, NONE = (int, float), type(None)
KINDS: dict[str, Any] = {  # of those fields of summary.json on which something is decided
    "status": str,
    "identity": str,
    "command": str,
    "frames": int,
    "total_frames": int,
    "env_steps": int,
    "updates": int,
    "wall_time_s": NUMBER,
    "frames_per_second": (*NUMBER, NONE),
    "stop_reason": (str, NONE),
    "eval_return_mean": (*NUMBER, NONE),
    "eval_return_mean_without_search": (*NUMBER, NONE),
    "eval_returns": (list, NONE),
    "human_normalized_score": (*NUMBER, NONE),
}
# What a run writes, but for the folders of loggers.
NAMES = {
    "config.yaml", "metrics.csv", "episodes.csv", "actions.bin", "evaluations.csv", "summary.json", "evaluation.json",
    "train.log", "not_finite.pt", "checkpoints", "videos",
}  # fmt: skip
NODES = {"algo", "env", "protocol", "eval", "seed"}  # of every run's configuration


class CannotGoOn(RuntimeError):
    """A run's folder holds no checkpoint from which it could go on."""


class RunFolder:
    """The folder of one run, locked while this object lives.

    Raises:
        ConfigurationError: it holds what is not a run's, lies in another run's folder or holds one; ``fresh`` asks for
            what cannot be moved.
        FolderInUse: a second process asks for the same folder.
        OSError: it cannot be created or written.
    """

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        self.path = path
        is_new = not path.exists()
        self._made_above = [folder for folder in path.parents if not folder.exists()]  # the nearest first
        was_run = is_run(path)
        other = None if was_run else run_around(path)
        if other is not None:
            raise ConfigurationError(
                f"run_dir={path} lies in the folder of another run, {other}, or holds it; choose a folder beside it."
            )
        path.mkdir(parents=True, exist_ok=True)
        link = find_link(path)
        if link is not None:  # writing through it would change what is not the run's
            raise ConfigurationError(
                f"run_dir={path} holds a link, {link}; replace it by what it stands for, or choose another run_dir."
            )
        self._names_before = {entry.name for entry in path.iterdir()}
        wrong = next((one for one in _files_of(path) if one.is_dir()), None)
        if wrong is not None:
            raise ConfigurationError(
                f"run_dir={path}: {wrong} is a folder, where a run has a file; take it away, or choose another run_dir."
            )
        self._is_made = is_new or self._names_before == {".lock"}  # where an earlier start was killed at once
        self._was_run = not self._is_made and was_run
        foreign = sorted(self._names_before & NAMES)
        if foreign and not self._was_run:
            raise ConfigurationError(
                f"run_dir={path} holds {', '.join(foreign)}, and not of a run; choose another run_dir, as a run would "
                "write over it."
            )
        is_moved = fresh and self._was_run and bool(self._names_before & NAMES)  # anything else stays where it is
        if is_moved and Path.cwd().is_relative_to(path.resolve()):
            raise ConfigurationError(
                f"run_dir={path} is where this command runs and cannot be moved aside; choose another run_dir."
            )
        self._lock = FolderLock(path)
        self.moved_to: Path | None = None
        if is_moved:
            self.moved_to = self._move_aside()
            path.mkdir(parents=True)
            self._is_made, self._was_run, self._names_before = True, False, set()
            self._lock = FolderLock(path)

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
        """Take back what was made, for a run that cannot start: what was here before stays, an earlier run returns."""
        if self._was_run:
            return
        self.close()
        if self._is_made:
            shutil.rmtree(self.path)
            with contextlib.suppress(OSError):  # another run has come to be there
                for folder in self._made_above:
                    folder.rmdir()
        else:  # the user's own
            for entry in self.path.iterdir():
                if entry.name not in self._names_before:
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        if self.moved_to is not None:
            self.moved_to.rename(self.path)
            self.moved_to, self._was_run = None, True
            self._lock = FolderLock(self.path)

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def has_history(self) -> bool:
        """Whether a run has left something here that starting another would lose."""
        return (self.path / "metrics.csv").exists() or any(self.checkpoints.glob("*.ckpt"))

    def summary(self) -> dict[str, Any]:
        """Read ``summary.json``, without what is not of the kind that a run writes; empty where it cannot be read."""
        try:
            found = read_json(self.path / "summary.json")
        except (OSError, ValueError):
            return {}
        return {name: value for name, value in found.items() if _is_of_its_kind(name, value)}

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

        A file that cannot be read (damaged, cut short, or holding anything but tensors and plain data), or whose
        replay cannot be, is passed over with a word in the log.

        Raises:
            CannotGoOn: there are checkpoints and none can be read, or a finished run has lost them.
        """
        if not (self.checkpoints / "replay").exists() and self._forget_replays():
            self.log("The replay that the checkpoints refer to is gone.")  # the data say how it is filled anew
        paths = [path for name in ("last.ckpt", "previous.ckpt") if (path := self.checkpoints / name).exists()]
        unreadable: list[Path] = []
        for path in paths:
            try:
                checkpoint = load(path)
                if not {"state_dict", "pytorch-lightning_version"} <= checkpoint.keys():
                    raise ValueError("it is no checkpoint")
                for value in checkpoint.values():
                    if isinstance(value, dict) and value.get("replay") is not None:
                        for rank in range(len(checkpoint.get("shares", [None]))):
                            check_saved(replay_folder(self.checkpoints, rank), value["replay"])
            except Exception as error:
                unreadable.append(path)
                then = "" if path == paths[-1] else "; trying the one before it"
                self.log(f"{path.name} cannot be read ({_reason(error)}){then}.")
            else:
                for bad in unreadable:  # it must not displace a good one later
                    kept = bad.with_suffix(".unreadable")
                    os.replace(bad, kept)
                    self.log(f"{path.name} takes its place; {bad.name} is kept as {kept.name}.")
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

    def origin(self) -> dict[str, Any]:
        """Return what the newest checkpoint that can be read says of its run; nothing where there is none."""
        origins = (origin_of(self.checkpoints / name) for name in ("last.ckpt", "previous.ckpt"))
        return next((origin for origin in origins if origin), {})

    def drop_replay(self) -> None:
        """Delete the replay of a run that is over, once no checkpoint refers to it."""
        self._forget_replays()
        shutil.rmtree(self.checkpoints / "replay")

    def _forget_replays(self) -> bool:
        """Let no checkpoint refer to a replay; return whether one did."""
        has_changed = False
        for path in (self.checkpoints / "last.ckpt", self.checkpoints / "previous.ckpt"):
            try:
                checkpoint = load(path)
            except Exception:  # absent, or damaged: then it is not gone on from
                continue
            if _forget_replay(checkpoint):
                has_changed = True
                with replacing(path) as temporary:
                    torch.save(checkpoint, temporary)
                    seal(temporary)
        return has_changed

    def best_checkpoint(self, identity: str) -> Path:
        """Return ``best.ckpt``; where it cannot be read or is of another run, ``last.ckpt`` takes its place.

        Args:
            identity: of this run.
        """
        best, last = self.checkpoints / "best.ckpt", self.checkpoints / "last.ckpt"
        try:
            load(best)
            if origin_of(best).get("identity", identity) != identity:
                raise ValueError("it is of another run")
        except Exception as error:
            self.log(f"best.ckpt cannot be read ({_reason(error)}); last.ckpt takes its place.")
            copy_file(last, best)
        return best


def _files_of(folder: Path) -> list[Path]:
    """Return the places of a run's files, whether they are there or not."""
    checkpoints = [folder / "checkpoints" / f"{name}.ckpt" for name in ("last", "previous", "best")]
    return [*(folder / name for name in sorted(NAMES) if "." in name), *checkpoints]


def _forget_replay(state: Any) -> bool:
    """Let the data of a checkpoint, and of each process where there are several, refer to no replay; say if it did."""
    is_of_data = isinstance(state, dict) and isinstance(state.get("replay"), str)
    if is_of_data:
        state["replay"] = None
    parts = state.values() if isinstance(state, dict) else state if isinstance(state, list) else ()
    return any([is_of_data, *map(_forget_replay, parts)])


def _is_of_its_kind(name: str, value: Any) -> bool:
    kinds = KINDS.get(name, object)
    return isinstance(value, kinds) and not (isinstance(value, bool) and kinds is not object)


def is_run(folder: Path) -> bool:
    """Whether a folder is a run's: locked by one once, or with a summary, a configuration or a checkpoint of one."""
    return (folder / ".lock").is_file() or _holds_files_of_a_run(folder)


def run_around(folder: Path) -> Path | None:
    """Find a run whose folder this one lies in, or one that lies in this one; ``None`` where there is neither."""
    below = (Path(parent) for parent, _, _ in os.walk(folder) if Path(parent) != folder)
    return run_above(folder) or next((other for other in below if _holds_files_of_a_run(other)), None)


def run_above(folder: Path) -> Path | None:
    """Find a run whose folder this one lies in."""
    return next((other for other in folder.absolute().parents if _holds_files_of_a_run(other)), None)


def _holds_files_of_a_run(folder: Path) -> bool:
    for read, name, keys in ((read_json, "summary.json", {"identity", "algo"}), (read_yaml, "config.yaml", NODES)):
        with contextlib.suppress(OSError, ValueError):
            if keys <= read(folder / name).keys():
                return True
    return any(is_sealed(folder / "checkpoints" / f"{name}.ckpt") for name in ("last", "previous"))


def _reason(error: Exception) -> str:
    """Say why a file cannot be read; what torch says of one that would run code fills a page."""
    return str(error) if isinstance(error, OSError | ValueError) else type(error).__name__
