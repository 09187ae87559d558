"""Show that a sweep that is killed and started again ends as one that never stopped, and that launchers are equal.

python scripts/kill_sweep.py FOLDER --out docs/results/kill_sweep.json

Twelve jobs run straight, and once more with `kill -9` of the whole sweep at random moments; then the same command.
Episodes, evaluations, metrics (columns of time aside) and last checkpoints of each job are compared. Four of the jobs
run again by other launchers.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from triptych.files import read_json
from triptych.provenance.code import write_measurement
from triptych.report.differences import count_differences
from triptych.run.arguments import ScriptParser, folder_to_fill, whole_number
from triptych.run.exit_codes import exit_code_of
from triptych.types import ExitCode

TRAIN = Path(__file__).resolve().parents[1] / "train.py"
COMMON = ["logger=csv", "trainer.num_threads=1", "stop_when_solved=false", "callbacks.video=false", "eval.episodes=2",
          "env=cartpole", "total_frames=6000", "eval.period_frames=3000", "checkpoint.period_frames=500",
          "callbacks.metrics.period_frames=500"]  # fmt: skip
TWELVE = ["algo=dqn,c51,ppo,a2c", "seed=1,2,3"]
FOUR = ["algo=dqn,ppo", "seed=1,2"]
LAUNCHERS = {
    "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
    "submitit_local": ["hydra/launcher=submitit_local"],
}


def sweep(arguments: list[str], folder: Path, kill_after_s: float | None = None) -> bool:
    """Run a sweep in a folder; return whether it came to its end before it was killed with all its processes.

    Raises:
        RuntimeError: it failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(TRAIN), "-m", *arguments, *COMMON]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        output, _ = process.communicate(timeout=kill_after_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return False
    if process.returncode:
        raise RuntimeError(output[-2000:])
    return True


def runs_of(folder: Path) -> dict[str, Path]:
    """Find the runs of a sweep by their places below ``outputs``."""
    outputs = folder / "outputs"
    return {str(path.parent.relative_to(outputs)): path.parent for path in sorted(outputs.rglob("summary.json"))}


def compare(one: Path, other: Path) -> dict[str, int]:
    """Count jobs of the second sweep, those of them that finished, and what differs from the first, job by job."""
    expected, found = runs_of(one), runs_of(other)
    statuses = [read_json(run / "summary.json")["status"] for run in found.values()]
    counts = {"jobs": len(found), "finished": statuses.count("finished")}
    differences: dict[str, int] = {}
    for name, run in found.items():
        for key, value in count_differences(expected[name], run).items():
            differences[key] = differences.get(key, 0) + value
    return counts | differences


def compare_all(arguments: list[str]) -> ExitCode:
    """Compare, print and write; `ExitCode.FAILED` where a job differs or is missing.

    Raises:
        ConfigurationError: an argument cannot be used.
    """
    parser = ScriptParser(__doc__)
    parser.add_argument("folder", type=folder_to_fill, help="where the sweeps go; those of an earlier call are deleted")
    parser.add_argument("--kills", type=whole_number(1), default=2, help="of the sweep (default: 2)")
    parser.add_seed(0, "the moments")
    parser.add_out()
    options = parser.parse_args(arguments)
    foreign = sorted({path.name for path in options.folder.glob("*")} - {"straight", "killed", *LAUNCHERS})
    if foreign:
        parser.error(f"{options.folder} holds {foreign[0]}, which is not from here; give a new folder.")
    shutil.rmtree(options.folder, ignore_errors=True)
    straight, killed = options.folder / "straight", options.folder / "killed"
    started = time.monotonic()
    sweep(TWELVE, straight)
    seconds = time.monotonic() - started
    chance, moments = random.Random(options.seed), []
    for _ in range(options.kills):
        moments.append(chance.uniform(0.2, 0.5) * seconds)
        if sweep(TWELVE, killed, moments[-1]):
            raise RuntimeError("The sweep ended before it was killed; the machine is faster than it was.")
    before = {name: read_json(run / "summary.json")["status"] for name, run in runs_of(killed).items()}
    sweep(TWELVE, killed)
    found: dict[str, Any] = {
        "seconds_straight": round(seconds, 1),
        "killed_after_seconds": [round(moment, 1) for moment in moments],
        "finished_before_the_last_start": list(before.values()).count("finished"),
        "twelve_jobs_killed": compare(straight, killed),
    }
    for name, settings in LAUNCHERS.items():
        folder = options.folder / name
        sweep([*FOUR, *settings], folder)
        found[f"four_jobs_by_{name}"] = compare(straight, folder)
    print(write_measurement(options.out, Path(__file__).name, arguments, found), end="")
    whole = [(found["twelve_jobs_killed"], 12), *((found[f"four_jobs_by_{name}"], 4) for name in LAUNCHERS)]
    is_equal = all(
        row["jobs"] == row["finished"] == jobs
        and not any(value for key, value in row.items() if key.startswith("different_"))
        for row, jobs in whole
    )
    return ExitCode.DONE if is_equal else ExitCode.FAILED


def main(arguments: list[str]) -> int:
    """Compare and return the exit code."""
    return exit_code_of(lambda: compare_all(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
