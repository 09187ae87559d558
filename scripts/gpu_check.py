"""Run the GPU path for real, in a few minutes, and write down as JSON what it found.

python scripts/gpu_check.py FOLDER --out gpu_check.json --minutes 8

Each algorithm learns on Pong (SAC on HalfCheetah, or Pendulum where MuJoCo is missing) for a share of the time, with
its replay on the device: frames and updates per second with learning. `experiment=pong_fast` learns Pong until an
evaluation reaches 18, or its time is over. A run that was stopped goes on, a checkpoint of the GPU is evaluated on the
CPU, the kernels are tested, and updates are timed eager, compiled and as a CUDA graph. A part that fails is told with
the end of what it printed, and the others go on. Neither wandb nor a video encoder is needed. Without a GPU everything
runs on the CPU, as a rehearsal, and the JSON says so.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from triptych.provenance.code import write_measurement
from triptych.run.arguments import ScriptParser, folder_to_fill, number
from triptych.run.exit_codes import exit_code_of
from triptych.types import ExitCode

ROOT = Path(__file__).resolve().parents[1]
COMMON = ["logger=csv", "callbacks.video=false"]
LATE = [
    "eval.period_frames=1_000_000_000",
    "checkpoint.period_frames=1_000_000_000",
    "stop_when_solved=false",
    "eval.episodes=2",
]
REPLAY = ["algo.replay.storage=device", "algo.replay.capacity_env_steps=100_000"]
EARLY = [*REPLAY, "algo.learning_starts_env_steps=2000", "callbacks.metrics.period_frames=4000"]
PLANNER = [*REPLAY, "algo.learning_starts_env_steps=1000", "callbacks.metrics.period_frames=1000"]
ALGORITHMS = {
    "dqn": ["algo=dqn", *EARLY],
    "dqn, batches of 512": ["algo=dqn", *EARLY, "algo.batch_size=512", "algo.env_steps_per_update=64"],
    "prioritized_dqn": ["algo=prioritized_dqn", *EARLY],
    "c51": ["algo=c51", *EARLY],
    "rainbow": ["algo=rainbow", *EARLY],
    "r2d2": ["algo=r2d2", *EARLY],
    "ppo": ["algo=ppo", "callbacks.metrics.period_frames=10_000"],
    "recurrent_ppo": ["algo=recurrent_ppo", "callbacks.metrics.period_frames=10_000"],
    "pqn": ["algo=pqn", "callbacks.metrics.period_frames=10_000"],
    "muzero": ["algo=muzero", *PLANNER],
    "efficientzero": ["algo=efficientzero", *PLANNER],
    "sac": ["algo=sac", *PLANNER],
}
MOST_OUTPUT = 1500  # characters of what failed
START_UP_S = 60.0  # of a run whose time is over before it begins; a first start reads gigabytes of libraries
SOLVED = 18.0
FAST = [
    "experiment=pong_fast",
    "algo.replay.storage=device",
    f"env.solved_return={SOLVED:g}",
    "eval.period_frames=40_000",
    "checkpoint.period_frames=1_000_000_000",
]


def env_of(name: str) -> str:
    """Return what an algorithm plays."""
    if name != "sac":
        return "env=pong"
    return "env=half_cheetah" if importlib.util.find_spec("mujoco") else "env=pendulum"


def train(arguments: list[str], folder: Path, seconds: float) -> dict[str, Any]:
    """Train for so many seconds, stop by SIGTERM as a scheduler does, and read what was measured."""
    command = [sys.executable, str(ROOT / "train.py"), *COMMON, *arguments, f"run_dir={folder}"]
    log = folder.with_name(f"{folder.name}.log")
    started = time.monotonic()
    with log.open("w") as file, subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            while process.poll() is None and not has_begun(log) and time.monotonic() < started + seconds + START_UP_S:
                time.sleep(0.5)
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
    found: dict[str, Any] = {"exit_code": process.returncode, "seconds": round(time.monotonic() - started, 1)}
    if process.returncode not in (ExitCode.DONE, ExitCode.INTERRUPTED):
        return found | {"output": log.read_text()[-MOST_OUTPUT:]}
    return found | speed(folder)


def train_one(name: str, folder: Path, seconds: float) -> dict[str, Any]:
    """Train one of `ALGORITHMS` in a folder of its own."""
    path = folder / name.replace(", ", "-").replace(" ", "-")
    return train([*ALGORITHMS[name], env_of(name), *LATE], path, seconds)


def has_begun(log: Path) -> bool:
    """Tell whether a run has said where it starts from: since then a signal ends it with everything saved."""
    return "    start  " in log.read_text()


def speed(folder: Path) -> dict[str, Any]:
    """Read the latest rows with updates in them: speeds after warming up."""
    with (folder / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("train/loss") and row.get("train/frames_per_second")]
    if len(rows) < 2:
        return {"frames_per_second": None}
    half = rows[len(rows) // 2 :]
    last, first = half[-1], rows[len(rows) // 2 - 1]
    seconds = float(last["wall_time_s"]) - float(first["wall_time_s"])
    return {
        "frames": int(last["frames"]),
        "updates": int(last["updates"]),
        "frames_per_second": round((int(last["frames"]) - int(first["frames"])) / max(seconds, 1e-9)),
        "updates_per_second": round((int(last["updates"]) - int(first["updates"])) / max(seconds, 1e-9), 1),
        "loss": float(last["train/loss"]),
    }


def learn_pong(folder: Path, seconds: float) -> dict[str, Any]:
    """Let the quick mix learn Pong, and read its evaluations and when one of them reached 18."""
    found = train(FAST, folder / "pong_fast", seconds)
    with (folder / "pong_fast" / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("eval/return_mean")]
    returns = [(float(row["wall_time_s"]) / 60, int(row["frames"]), float(row["eval/return_mean"])) for row in rows]
    solved = next((entry for entry in returns if entry[2] >= SOLVED), None)
    return found | {"minutes_frames_returns": returns, "minutes_to_18": solved and solved[0]}


def go_on(folder: Path, seconds: float) -> dict[str, Any]:
    """Let the stopped run of DQN go on; its frames must grow."""
    run = folder / "dqn"
    before = json.loads((run / "summary.json").read_text())["frames"]
    found = train([*ALGORITHMS["dqn"], env_of("dqn"), *LATE], run, seconds)
    after = json.loads((run / "summary.json").read_text())["frames"]
    return found | {"frames_before": before, "frames_after": after, "goes_on": after > before}


def evaluate_on_cpu(folder: Path) -> dict[str, Any]:
    """Evaluate the last checkpoint of DQN where no GPU is seen."""
    command = [sys.executable, str(ROOT / "scripts" / "evaluate.py"), str(folder / "dqn"), "--episodes", "1"]
    result = subprocess.run(
        [*command, "--checkpoint", "last"],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return {"exit_code": result.returncode, "output": (result.stdout + result.stderr)[-MOST_OUTPUT:]}


def compare_updates(folder: Path, seconds: float) -> dict[str, Any]:
    """Time updates of DQN eager, captured and compiled, in a process of its own; what was timed in time is kept."""
    command = [sys.executable, str(ROOT / "scripts" / "benchmark_graphs.py")]
    log = folder / "updates.log"
    with log.open("w") as file, subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    output = log.read_text()
    lines = [line for line in output.splitlines() if line.startswith("{")]
    read = json.loads(lines[-1]) if lines else {"output": output[-MOST_OUTPUT:]}
    return {"exit_code": process.returncode} | read


def kernels() -> dict[str, Any]:
    """Run the tests that need a GPU, where pytest is installed; the kernels lie compiled on disk from then on."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/planning/test_cuda.py"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    return {"exit_code": result.returncode, "output": (result.stderr + result.stdout)[-MOST_OUTPUT:]}


def check(arguments: list[str]) -> ExitCode:
    """Measure within the time and write what was found; `ExitCode.FAILED` where a part failed.

    Raises:
        ConfigurationError: an argument cannot be used.
    """
    parser = ScriptParser(__doc__)
    parser.add_argument("folder", type=folder_to_fill, help="where the runs go")
    parser.add_out()
    parser.add_argument("--minutes", type=number(0.1, 1440), default=8.0, help="for all of it (default: 8)")
    parser.add_argument("--only", nargs="+", choices=ALGORITHMS, default=list(ALGORITHMS), metavar="NAME")
    options = parser.parse_args(arguments)
    # Three shares for Pong by the quick mix, two for the updates, one to go on; 15% for kernels, evaluation and ends.
    share = 0.85 * 60 * options.minutes / (len(options.only) + 6)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    found: dict[str, Any] = {"device": device, "is_rehearsal": device is None, "algorithms": {}}

    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "kernels": kernels,
        **{name: partial(train_one, name, folder, share) for name in options.only},
        "goes_on": partial(go_on, folder, share),
        "evaluated_on_cpu": partial(evaluate_on_cpu, folder),
        "pong_fast": partial(learn_pong, folder, 3 * share),
        "updates": partial(compare_updates, folder, 2 * share),
    }
    if "dqn" not in options.only:  # whose run these two go on with
        del parts["goes_on"], parts["evaluated_on_cpu"]
    is_well = True
    for name, part in parts.items():
        try:
            result = part()
        except Exception as error:  # tell it and go on: the time is short
            result = {"exit_code": 1, "error": f"{type(error).__name__}: {error}"}
        print(name, result, flush=True)
        (found["algorithms"] if name in ALGORITHMS else found)[name] = result
        is_well &= result["exit_code"] in (ExitCode.DONE, ExitCode.INTERRUPTED)
        write_measurement(options.out, Path(__file__).name, arguments, found)  # each: a machine may be taken away
    return ExitCode.DONE if is_well else ExitCode.FAILED


def main(arguments: list[str]) -> int:
    """Check and return the exit code."""
    return exit_code_of(lambda: check(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
