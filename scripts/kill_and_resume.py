"""Show that runs killed at random moments end as those that never stopped, to the last bit.

python scripts/kill_and_resume.py FOLDER --out docs/results/kill_and_resume.json

Each run is played once without a stop, and as often as needed with `kill -9` after random times, until there have been
so many kills. Episodes, evaluations, metrics (columns of time aside) and the last checkpoints are compared. What --out
holds already, of the same commit, is not played again: the command may be stopped and given once more.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from triptych.files import read_json
from triptych.provenance.code import git_commit, write_measurement
from triptych.report.differences import count_differences
from triptych.run.arguments import ScriptParser, folder_to_fill, whole_number
from triptych.run.exit_codes import exit_code_of
from triptych.types import ConfigurationError, ExitCode

TRAIN = Path(__file__).resolve().parents[1] / "train.py"
COMMON = ["logger=csv", "trainer.num_threads=1", "stop_when_solved=false", "callbacks.video=false", "eval.episodes=2"]
OFF_POLICY = ["algo.learning_starts_env_steps=400", "algo.replay.capacity_env_steps=3000"]
PRIORITIZED = [*OFF_POLICY, "algo.n_step=3", "algo.double_q=true"]
PLANNER = [*OFF_POLICY, "algo.batch_size=8", "algo.num_simulations=4", "env.num_envs=8"]
NORMALIZED = ["algo.normalize_observations=true", "algo.normalize_rewards=true"]
PERIODS = ["eval.period_frames=4000", "checkpoint.period_frames=700", "callbacks.metrics.period_frames=500"]
PONG = ["env=pong", "protocol.max_frames_per_episode=2000", *PERIODS, "callbacks.metrics.period_frames=1000"]
RUNS = {
    "dqn-cartpole": ["algo=dqn", "env=cartpole", *PERIODS, *OFF_POLICY, "total_frames=12000"],
    "dqn-pong": ["algo=dqn", *PONG, *OFF_POLICY, "total_frames=16000"],
    "dqn-pong-sticky": ["algo=dqn", *PONG, "protocol=machado", *OFF_POLICY, "total_frames=16000"],
    "dqn-pong-disk": ["algo=dqn", *PONG, *OFF_POLICY, "algo.replay.storage=disk", "total_frames=16000"],
    "dqn-pong-device": ["algo=dqn", *PONG, *OFF_POLICY, "algo.replay.storage=device", "total_frames=16000"],
    "prioritized_dqn-cartpole": ["algo=prioritized_dqn", "env=cartpole", *PERIODS, *PRIORITIZED, "total_frames=12000"],
    "prioritized_dqn-pong": ["algo=prioritized_dqn", *PONG, *PRIORITIZED, "total_frames=12000"],
    "c51-cartpole": ["algo=c51", "env=cartpole", *PERIODS, *OFF_POLICY, "total_frames=8000"],
    **{
        f"{algo}-half_cheetah": [f"algo={algo}", "env=half_cheetah", *PERIODS, *OFF_POLICY, "total_frames=6000"]
        for algo in ("ddpg", "td3", "sac", "crossq")
    },
    "r2d2-cartpole": ["algo=r2d2", "env=cartpole", *PERIODS, *OFF_POLICY, "total_frames=8000"],
    "reinforce-cartpole": ["algo=reinforce", "env=cartpole", *PERIODS, "total_frames=30000"],
    "a2c-cartpole": ["algo=a2c", "env=cartpole", *PERIODS, "total_frames=30000"],
    "reinforce-pong": ["algo=reinforce", *PONG, "algo.rollout_length=100", "total_frames=40000"],
    "a2c-pong": ["algo=a2c", *PONG, "total_frames=30000"],
    "ppo-cartpole": ["algo=ppo", "env=cartpole", *PERIODS, *NORMALIZED, "total_frames=60000"],
    "ppo-half_cheetah": ["algo=ppo", "env=half_cheetah", *PERIODS, *NORMALIZED, "total_frames=20000"],
    "ppo-pong": ["algo=ppo", *PONG, "algo.rollout_length=32", "total_frames=40000"],
    "recurrent_ppo-cartpole": ["algo=recurrent_ppo", "env=cartpole", *PERIODS, *NORMALIZED, "total_frames=40000"],
    "pqn-cartpole": ["algo=pqn", "env=cartpole", *PERIODS, "total_frames=40000"],
    "pqn-pong": ["algo=pqn", *PONG, "algo.rollout_length=16", "total_frames=40000"],
    "muzero-cartpole": ["algo=muzero", "env=cartpole", *PERIODS, *PLANNER, "total_frames=4000"],
    "muzero-pong": ["algo=muzero", *PONG, *PLANNER, "total_frames=6000"],
    "efficientzero-cartpole": ["algo=efficientzero", "env=cartpole", *PERIODS, *PLANNER, "total_frames=3000"],
    "efficientzero-pong": ["algo=efficientzero", *PONG, *PLANNER, "total_frames=4000"],
}


def run(arguments: list[str], folder: Path, kill_after_s: float | None = None) -> bool:
    """Play a run, or go on with it; return whether it came to its end before it was killed.

    Raises:
        RuntimeError: it failed.
    """
    command = [sys.executable, str(TRAIN), *arguments, *COMMON, f"run_dir={folder.resolve()}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        output, _ = process.communicate(timeout=kill_after_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return False
    if process.returncode:
        raise RuntimeError(output[-2000:])
    return True


def compare(name: str, folder: Path, num_kills: int, chance: random.Random) -> dict[str, Any]:
    """Play one run straight and one with kills, each into its own folder, and count what differs."""
    straight, killed = folder / name / "straight", folder / name / "killed"
    shutil.rmtree(folder / name, ignore_errors=True)
    started = time.monotonic()
    run(RUNS[name], straight)
    seconds = time.monotonic() - started
    kills = 0
    found: list[dict[str, int]] = []
    while kills < num_kills or not found:
        shutil.rmtree(killed, ignore_errors=True)
        started, kills_before = time.monotonic(), kills
        while not run(RUNS[name], killed, chance.uniform(0.3, 1.0) * seconds if kills < num_kills else None):
            kills += 1
        if kills == kills_before:  # the machine was busier before: kill sooner
            seconds = min(seconds, time.monotonic() - started)
        found.append(count_differences(straight, killed))
    counts = {key: max(each[key] for each in found) for key in found[0]}
    return {"arguments": " ".join(RUNS[name]), "kills": kills, "killed_runs": len(found), **counts}


def sums(found: dict[str, Any]) -> dict[str, int]:
    """Return the kills of all runs and how much differed."""
    different = (value for row in found.values() for key, value in row.items() if key.startswith("different_"))
    return {"kills": sum(row["kills"] for row in found.values()), "differences": sum(different)}


def found_before(path: Path | None) -> dict[str, Any]:
    """Return what an earlier call of the same code wrote there, by the name of the run.

    Raises:
        ConfigurationError: the file is something else.
    """
    if path is None or not path.is_file():
        return {}
    try:
        written = read_json(path)
        return dict(written["runs"]) if written["git_commit"] == git_commit() else {}
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"--out {path} is not what this script wrote; give a new file.") from error


def compare_all(arguments: list[str]) -> ExitCode:
    """Compare every run, print and write; `ExitCode.FAILED` where one differs.

    Raises:
        ConfigurationError: an argument cannot be used.
    """
    parser = ScriptParser(__doc__)
    parser.add_argument("folder", type=folder_to_fill, help="where the runs go")
    parser.add_argument("--only", nargs="+", choices=RUNS, default=list(RUNS), metavar="RUN", help="some of them")
    parser.add_argument("--kills", type=whole_number(1), default=10, help="of each run (default: 10)")
    parser.add_seed(0, "the moments")
    parser.add_out()
    options = parser.parse_args(arguments)
    found = found_before(options.out)
    for name in options.only:
        if found.get(name, {}).get("kills", 0) >= options.kills:
            continue
        found[name] = compare(name, options.folder, options.kills, random.Random(f"{options.seed} {name}"))
        print(f"{name:26}" + "".join(f"  {key} {value}" for key, value in found[name].items() if key != "arguments"))
        result = {**sums(found), "runs": found}  # after each: all of them take hours
        write_measurement(options.out, Path(__file__).name, arguments, result)
    print(f"{len(found)} runs" + "".join(f", {total} {what}" for what, total in sums(found).items()))
    return ExitCode.FAILED if sums(found)["differences"] else ExitCode.DONE


def main(arguments: list[str]) -> int:
    """Compare and return the exit code."""
    return exit_code_of(lambda: compare_all(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
