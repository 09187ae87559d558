"""Finished and unfinished runs, read from their folders and put into groups that may be compared."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triptych.envs.scores import atari_scores, registered_solved_return
from triptych.files import copy_file, find_link, read_csv, read_json, read_yaml
from triptych.provenance.identity import deciding_settings, identity_hash

FILES = ("summary.json", "metrics.csv", "episodes.csv", "evaluations.csv", "config.yaml")
LARGEST_COPY = 4_000_000  # bytes of a file that is collected; nobody wants more in a repository
MOVED_ASIDE = re.compile(r"\.old\d+$")


@dataclass(frozen=True)
class Run:
    """One run as its folder tells it.

    Attributes:
        algo: name of the algorithm, with the experiment where there was one: ``dqn``, ``dqn-pong_fast``.
        env, protocol: their names; protocol ``none`` off Atari.
        settings: what decides the learning, dotted keys; empty where the folder has no ``config.yaml``.
        status: ``running``, ``interrupted``, ``finished`` or ``failed``.
        frames: emulator frames so far.
        wall_time_s: cumulative over resumes.
        return_mean: mean return of the final evaluation; ``None`` before a run is finished, or where it had none.
    """

    folder: Path
    algo: str
    env: str
    protocol: str
    seed: int
    settings: dict[str, Any]
    status: str
    frames: int
    wall_time_s: float
    return_mean: float | None

    @property
    def scores(self) -> tuple[float, float] | None:
        """Mean returns of a random and a human player, where published."""
        return atari_scores().get(self.env)

    @property
    def human_normalized_score(self) -> float | None:
        if self.return_mean is None or self.scores is None:
            return None
        random_score, human_score = self.scores
        return (self.return_mean - random_score) / (human_score - random_score)

    @property
    def frames_per_second(self) -> float | None:
        return self.frames / self.wall_time_s if self.wall_time_s else None

    @property
    def settings_hash(self) -> str:
        """Eight hexadecimal digits that differ where the settings do."""
        return identity_hash(self.settings)

    @property
    def solved_return(self) -> float | None:
        """The mean return from which the env counts as solved, by the settings or by its registration."""
        value = self.settings.get("env.solved_return")
        if value is None:
            return registered_solved_return(str(self.settings.get("env.id")))
        return float(value) if isinstance(value, int | float) and math.isfinite(value) else None

    @property
    def preprocessing(self) -> dict[str, Any]:
        """The settings that a protocol names, as this run had them."""
        keys = [key.removeprefix("protocol.") for key in self.settings if key.startswith("protocol.")]
        return {key: self.settings.get(f"env.{key}", self.settings[f"protocol.{key}"]) for key in keys if key != "name"}

    def curve(self, name: str) -> tuple[list[int], list[float]]:
        """Return the frames and values of the rows of ``metrics.csv`` that have this metric."""
        points = []
        for row in read_metrics(self.folder):
            with contextlib.suppress(ValueError):  # an empty field, or one that is no number
                points.append((int(row.get("frames", "")), _number(row.get(name, ""))))
        return [frames for frames, _ in points], [value for _, value in points]


def read_metrics(folder: Path) -> list[dict[str, str]]:
    """Read the rows of ``metrics.csv``; a last line that is still being written is dropped."""
    return read_csv(folder / "metrics.csv")[1]


def read_run(folder: Path) -> Run:
    """Read one run's folder, as data that may be anybody's.

    Raises:
        ValueError: a file is not what a run writes.
    """
    try:
        summary = read_json(folder / "summary.json")
        config = read_yaml(folder / "config.yaml") if (folder / "config.yaml").exists() else {}
        columns, rows = read_csv(folder / "metrics.csv")
        if columns and "frames" not in columns:
            raise ValueError("its metrics.csv has no column named frames")
        last = (rows or [{}])[-1]
        is_finished = summary["status"] == "finished"
        progress = summary if is_finished else _furthest(summary, last)
        algo, experiment = _option(summary["algo"]), summary["experiment"]
        return Run(
            folder=folder,
            algo=f"{algo}-{_option(experiment)}" if experiment else algo,
            env=_option(summary["env"]),
            protocol=_name(summary["protocol"]),
            seed=int(_number(summary["seed"])),
            settings=_settings(config),
            status=_name(summary["status"]),
            frames=int(_number(progress["frames"])),
            wall_time_s=_number(progress["wall_time_s"]),
            return_mean=_final_return(summary) if is_finished else None,
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"{folder} cannot be read as a run ({type(error).__name__}: {str(error)[:200]})") from error


def _furthest(*sources: dict[str, Any]) -> dict[str, Any]:
    """Return whichever says most frames: a run that was stopped is further than its latest row, a killed one not."""
    whole = [source for source in sources if {"frames", "wall_time_s"} <= source.keys()]
    return max(whole, key=lambda source: _number(source["frames"]), default={"frames": 0, "wall_time_s": 0.0})


def _name(value: Any) -> str:
    """Return a name that may become part of a file's; refuse any other."""
    if not isinstance(value, str) or not re.fullmatch(r"\w[\w.+-]*", value):
        raise ValueError(f"{value!r} is no name")
    return value


def _option(value: Any) -> str:
    """Return the name of an option, which may lie in a folder of its group or have blanks, as part of a file's."""
    is_text = isinstance(value, str) and not value.startswith(("/", " "))
    return _name(re.sub("[/ ]", "_", value) if is_text else value)


def _number(value: Any) -> float:
    """Return a finite number; numbers written as texts pass."""
    number = math.nan if isinstance(value, bool) else float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no finite number")
    return number


def _final_return(summary: dict[str, Any]) -> float | None:
    """Return the mean of the final evaluation; a run by ``test=false`` has none."""
    mean = summary["eval_return_mean"]
    return None if mean is None and summary.get("test") is False else _number(mean)


def _settings(config: dict[str, Any]) -> dict[str, Any]:
    """Return what decides the learning, the seed aside."""
    settings = {key: value for key, value in deciding_settings(config).items() if key != "seed"}
    # Runs of the first version keep the classes' keywords beside the algorithm's own, and one name was another.
    for name in ("module", "data"):
        target = settings.pop(f"algo.{name}._target_", None)
        if target is not None:
            settings = {key: value for key, value in settings.items() if not key.startswith(f"algo.{name}.")}
            settings[f"algo.{name}"] = target
    if "algo.double" in settings:
        settings["algo.double_q"] = settings.pop("algo.double")
    return settings


def find_runs(folders: Iterable[Path]) -> tuple[list[Run], list[str]]:
    """Find every run below the given folders; also return a sentence about each that was left out.

    A run that is there twice (say in ``outputs`` and as a copy) counts once, as it stood later.
    """
    found = sorted(
        {
            summary.parent.resolve(): summary.parent
            for folder in folders
            for summary in sorted(folder.rglob("summary.json"))
            if not MOVED_ASIDE.search(summary.parent.name) and ".debug" not in summary.parent.parts
        }.values()
    )
    runs: dict[tuple[Any, ...], Run] = {}
    notes = []
    for folder in found:
        if not (folder / "metrics.csv").is_file():
            notes.append(f"{folder} has no metrics.csv{_why(folder)}.")
            continue
        try:
            run = read_run(folder)
        except ValueError as error:
            notes.append(f"{error}.")
            continue
        key = (run.algo, run.env, run.protocol, run.settings_hash, run.seed)
        if key in runs:
            other, kept = sorted((runs[key], run), key=lambda run: (run.return_mean is not None, run.frames))
            notes.append(f"{other.folder} is the same run as {kept.folder}; it counts once.")
            runs[key] = kept
        else:
            runs[key] = run
    return list(runs.values()), notes


def _why(folder: Path) -> str:
    """Return status and error of a run that made no metrics, as far as its summary tells them."""
    with contextlib.suppress(OSError, ValueError):
        summary = read_json(folder / "summary.json")
        reasons = [str(summary[key])[:200].rstrip(".") for key in ("status", "error") if summary.get(key)]
        return f" ({': '.join(reasons)})" if reasons else ""
    return ""


def collect_runs(runs: Iterable[Run], directory: Path) -> list[Path]:
    """Copy what tells of each run to ``<algo>-<env>-<protocol>-seed<seed>`` in a directory; return where.

    A list of episodes or of games that is longer than `LARGEST_COPY` stays where it is.

    A copy of the same run is replaced; where another run has the name, the hash of the settings is added.
    """
    copies = []
    for run in runs:
        target = directory / f"{run.algo}-{run.env}-{run.protocol}-seed{run.seed}"
        _refuse_links(target)
        if (target / "summary.json").exists() and read_run(target).settings_hash != run.settings_hash:
            target = target.with_name(f"{target.name}-{run.settings_hash}")
            _refuse_links(target)
        if target.resolve() != run.folder.resolve():
            target.mkdir(parents=True, exist_ok=True)
            for name in FILES:
                source = run.folder / name
                if source.is_file() and not source.is_symlink() and not _is_too_long(source):
                    copy_file(source, target / name)
        copies.append(target)
    return copies


def _is_too_long(path: Path) -> bool:
    return path.name in ("episodes.csv", "evaluations.csv") and path.stat().st_size > LARGEST_COPY


def _refuse_links(folder: Path) -> None:
    if folder.is_symlink() or (folder.is_dir() and find_link(folder) is not None):
        raise OSError(f"{folder} is a link, or holds one; remove it")
