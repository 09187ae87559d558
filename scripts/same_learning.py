"""Show that a change of the code leaves the learning as it was, to the last digit.

python scripts/same_learning.py record CHECKOUT FOLDER        run every algorithm in every domain, from a checkout
python scripts/same_learning.py compare BEFORE AFTER          compare two such folders, run by run

The runs are small, on one thread, and the same command is used for both. A run is the same if ``episodes.csv`` has the
same bytes, ``metrics.csv`` the same numbers (columns of time aside) and the last checkpoint the same values.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

from triptych.provenance.code import write_measurement
from triptych.report.differences import count_differences
from triptych.run.arguments import ScriptParser, result_file
from triptych.run.exit_codes import exit_code_of
from triptych.types import ConfigurationError, ExitCode

COMMON = ["logger=csv", "trainer.num_threads=1", "stop_when_solved=false", "callbacks.video=false", "eval.episodes=2"]
SMALL = ["debug=tiny", "total_frames=3000"]
PONG = ["callbacks.metrics.period_frames=1000", "eval.period_frames=4000", "protocol.max_frames_per_episode=800"]
DOMAINS = {
    "catch": ["env=catch", *SMALL],
    "cartpole": ["env=cartpole", *SMALL],
    "pong": ["env=pong", *PONG, "total_frames=6000"],
}
OFF_POLICY = ["algo.learning_starts_env_steps=400", "algo.replay.capacity_env_steps=5000"]
PLANNER = [*OFF_POLICY, "algo.batch_size=8", "algo.num_simulations=4", "total_frames=3000", "env.num_envs=8"]
ON_PONG = {
    "dqn": OFF_POLICY,
    "double_dqn": OFF_POLICY,
    "dueling_dqn": OFF_POLICY,
    "prioritized_dqn": OFF_POLICY,
    "r2d2": OFF_POLICY,
    "reinforce": ["algo.rollout_length=100"],
    "a2c": [],
    "ppo": ["algo.rollout_length=32"],
    "pqn": ["algo.rollout_length=16"],
    "recurrent_ppo": ["algo.rollout_length=32"],
    "muzero": PLANNER,
    "efficientzero": PLANNER,
}


def commands() -> dict[tuple[str, str], list[str]]:
    """Return the arguments of each run by algorithm and domain."""
    return {
        (algo, domain): [f"algo={algo}", *COMMON, *arguments, *(ON_PONG[algo] if domain == "pong" else [])]
        for algo in ON_PONG
        for domain, arguments in DOMAINS.items()
    }


def record(checkout: Path, folder: Path) -> ExitCode:
    """Play all runs with the code of a checkout, each into a folder of its own; those that are there stay."""
    environment = os.environ | {"PYTHONPATH": str(checkout.resolve() / "src")}
    for (algo, domain), arguments in commands().items():
        run = folder / f"{algo}-{domain}"
        if (run / "checkpoints" / "last.ckpt").exists():
            continue
        command = [sys.executable, str(checkout / "train.py"), *arguments, f"run_dir={run.resolve()}"]
        result = subprocess.run(command, env=environment, capture_output=True, text=True)
        print(f"{'ok' if result.returncode == 0 else f'exit {result.returncode}':>8}  {algo} {domain}", flush=True)
        if result.returncode:
            print(result.stdout[-2000:] + result.stderr[-2000:])
            return ExitCode.FAILED
    return ExitCode.DONE


def compare(before: Path, after: Path, out: Path | None, arguments: list[str]) -> ExitCode:
    """Compare the runs of two folders; print a line for each and write what was found."""
    runs: dict[str, Any] = {}
    for (algo, domain), played in commands().items():
        name = f"{algo}-{domain}"
        found = count_differences(before / name, after / name)
        runs[name] = {"arguments": " ".join(played), **found}
        print(f"{name:24}" + "".join(f"  {key} {value}" for key, value in found.items()))
    total = sum(value for run in runs.values() for key, value in run.items() if key.startswith("different_"))
    commits = {
        side: json.loads((folder / "dqn-catch" / "summary.json").read_text())["git_commit"]
        for side, folder in (("before", before), ("after", after))
    }
    print(f"{len(runs)} runs, {total} differences")
    write_measurement(out, Path(__file__).name, arguments, {"commits": commits, "differences": total, "runs": runs})
    return ExitCode.FAILED if total else ExitCode.DONE


def record_or_compare(arguments: list[str]) -> ExitCode:
    """Do what is asked for; `ExitCode.FAILED` where runs differ.

    Raises:
        ConfigurationError: an argument cannot be used, or a folder is not what was recorded.
    """
    parser = ScriptParser(__doc__)
    commands_ = parser.add_subparsers(dest="command", required=True)
    recording = commands_.add_parser("record")
    recording.add_argument("checkout", type=Path)
    recording.add_argument("folder", type=Path)
    comparing = commands_.add_parser("compare")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.add_argument("--out", type=result_file, help="JSON file for what was found")
    options = parser.parse_args(arguments)
    if options.command == "record":
        if not (options.checkout / "train.py").is_file():
            parser.error(f"{options.checkout} is no checkout of this project.")
        return record(options.checkout, options.folder)
    try:
        return compare(options.before, options.after, options.out, arguments)
    except (OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise ConfigurationError(f"A folder is not what `record` leaves: {error}.") from error


def main(arguments: list[str]) -> int:
    """Record or compare and return the exit code."""
    return exit_code_of(lambda: record_or_compare(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
