"""Measure collector, learner, whole training of DQN, PPO, A2C, SAC and TD3, and what Trainer, update and search add to
the least work, here, and print ratios.

python scripts/benchmark.py --out docs/results/benchmark.json --make-sb3-venv .venv-sb3
python scripts/benchmark.py --only collector,learner
python scripts/benchmark.py --only trainer,update,search --not-below docs/results/ratios.json

The last one fails where a ratio is less than three quarters of the file's: times differ between machines and hours,
ratios of what is measured in turns hardly do.

What is compared is measured in turns (A B A B ...) in one call; ratios are of medians.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from benchmark_worker import CAPACITY, CONTINUOUS, LEARNING_STARTS, PARTS, POLICIES, TRAININGS, Rates, interleave
from rich.console import Console
from rich.table import Table

from triptych.files import read_json, write_text
from triptych.provenance.code import git_commit, versions
from triptych.provenance.hardware import processor_name
from triptych.run.arguments import ScriptParser, whole_number
from triptych.run.exit_codes import exit_code_of
from triptych.types import ConfigurationError, ExitCode

ROOT = Path(__file__).resolve().parents[1]
LEAST_SHARE = 0.75  # of an earlier ratio, with --not-below
VARIANTS = {"training": tuple(TRAININGS), "policies": tuple(POLICIES), "continuous": tuple(CONTINUOUS)}
# What is measured beside them, with arguments of benchmark_sb3.py.
SB3_VARIANTS = {
    "training": {"SB3, 1 env": ("dqn", 1), "SB3, 8 envs": ("dqn", 8)},
    "policies": {"SB3, PPO": ("ppo", 8), "SB3, A2C": ("a2c", 16)},
    "continuous": {
        "SB3, SAC, 1 env": ("sac", 1),
        "SB3, SAC, 4 envs": ("sac", 4),
        "SB3, TD3, 1 env": ("td3", 1),
        "SB3, TD3, 4 envs": ("td3", 4),
    },
}
SB3_PACKAGES = ("stable-baselines3", "gymnasium[atari,mujoco]", "ale-py", "opencv-python-headless")


def last_json_line(command: list[str]) -> Any:
    """Run a process and read the last line that it prints.

    Raises:
        RuntimeError: it failed; the message is its last words.
    """
    process = subprocess.run(command, capture_output=True, text=True)
    if process.returncode != 0:
        words = (process.stderr.strip() or process.stdout.strip() or "no message").splitlines()
        raise RuntimeError(f"{Path(command[1]).name} failed: {words[-1]}")
    return json.loads(process.stdout.strip().splitlines()[-1])


def run_worker(part: str, options: argparse.Namespace, repeats: int, variant: str = "") -> Rates:
    """Measure one part in a process of its own."""
    command = [sys.executable, str(ROOT / "scripts" / "benchmark_worker.py"), part]
    command += ["--variant", variant] if variant else []
    command += ["--env-steps", str(options.env_steps), "--repeats", str(repeats)]
    command += ["--warm-up-env-steps", str(options.warm_up_env_steps)]
    return last_json_line(command)


def run_training(part: str, options: argparse.Namespace, found: dict[str, Any]) -> Rates:
    """Measure whole training, ours and Stable-Baselines3's in turn."""

    def ours(variant: str) -> float:
        return run_worker(part, options, 1, variant)[variant][0]

    def theirs(algo: str, num_envs: int) -> float:
        command = [options.sb3_python, str(ROOT / "scripts" / "benchmark_sb3.py")]
        command += ["--algo", algo, "--num-envs", str(num_envs), "--env-steps", str(options.env_steps)]
        command += ["--start-env-steps", str(LEARNING_STARTS + options.warm_up_env_steps)]
        command += ["--learning-starts-env-steps", str(LEARNING_STARTS), "--capacity-env-steps", str(CAPACITY)]
        result = last_json_line(command)
        found["sb3"] = {key: result[key] for key in ("stable_baselines3", "torch", "threads")}
        return result["env_steps_per_second"]

    measurements = {variant: partial(ours, variant) for variant in VARIANTS[part]}
    if options.sb3_python is not None:
        measurements |= {name: partial(theirs, *arguments) for name, arguments in SB3_VARIANTS[part].items()}
    return interleave(measurements, options.repeats)


def ratios(part: str, rates: Rates) -> dict[str, float]:
    """Compare medians; where there is a target, the name says it."""
    median = {name: statistics.median(values) for name, values in rates.items()}
    if part == "collector":
        return {"network acting / random actions": median["network acting"] / median["random actions"]}
    if part == "learner":
        return {"samples/s at batch 128 / at batch 32": 4 * median["batch 128"] / median["batch 32"]}
    if part == "trainer":
        return {"Trainer / bare loop (target 0.95)": median["Trainer"] / median["bare loop"]}
    if part == "update":
        return {"update / primitives": median["update"] / median["primitives"]}
    if part == "search":
        return {"search / model alone": median["search"] / median["model alone"]}
    if not all(name in median for name in SB3_VARIANTS[part]):
        return {}
    if part in ("policies", "continuous"):
        return {f"{name} / fastest SB3": median[name] / fastest_sb3(median, name) for name in VARIANTS[part]}
    fastest = max(median[name] for name in SB3_VARIANTS[part])
    first, second = TRAININGS
    return {
        f"{first} / fastest SB3 (target 2.5)": median[first] / fastest,
        f"{second} / fastest SB3 (target 4)": median[second] / fastest,
    }


def fastest_sb3(median: dict[str, float], name: str) -> float:
    """Return the rate of the quickest of Stable-Baselines3's variants of the same algorithm."""
    algo = name.partition(",")[0]
    return max(rate for other, rate in median.items() if other.split(", ")[:2] == ["SB3", algo])


def read_ratios(path: Path, parts: Sequence[str] = PARTS) -> dict[str, dict[str, float]]:
    """Read the ratios of each part from what an earlier call wrote.

    Raises:
        ConfigurationError: the file is no such thing, or has none of the parts that are to be measured.
    """
    try:
        found = read_json(path)
        ratios = {
            part: {name: float(ratio) for name, ratio in found[part]["ratios"].items()}
            for part in found
            if part in PARTS
        }
        if not any(part in ratios for part in parts):
            raise ValueError(f"{' and '.join(parts)} not in it")
        if not all(math.isfinite(ratio) for of_part in ratios.values() for ratio in of_part.values()):
            raise ValueError("a ratio is no finite number")
        return ratios
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        why = "there is no such file" if isinstance(error, FileNotFoundError) else f"{type(error).__name__}: {error}"
        raise ConfigurationError(f"--not-below {path} holds no ratios ({why}); write it anew with --out.") from error


def fallen(part: str, now: dict[str, float], earlier: dict[str, dict[str, float]]) -> list[str]:
    """Say of each ratio that is too far below the earlier one what it was and is."""
    return [
        f"{name} is {now[name]:.3f}, less than {LEAST_SHARE:.0%} of {ratio:.3f}"
        for name, ratio in earlier.get(part, {}).items()
        if name in now and now[name] < LEAST_SHARE * ratio
    ]


def make_sb3_venv(directory: Path) -> str:
    """Make an environment for Stable-Baselines3 with the torch of this one; return its interpreter.

    Raises:
        subprocess.CalledProcessError: a step failed; what went wrong is on the terminal.
    """
    version = torch.__version__.partition("+")[0]  # the index decides whether for CPU or CUDA, as it did here
    python = str(directory / "bin" / "python")
    subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", f"torch=={version}", *SB3_PACKAGES], check=True)
    return python


def describe_machine() -> dict[str, Any]:
    """Name what the numbers depend on."""
    has_gpu = torch.cuda.is_available()
    return {
        "machine": processor_name(),
        "cores": len(os.sched_getaffinity(0)),
        "gpu": torch.cuda.get_device_name() if has_gpu else None,
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d %H:%M:%S%z"),
        "git_commit": git_commit(),
        "versions": versions(),
    }


def print_part(part: str, rates: Rates, compared: dict[str, float]) -> None:
    """Show one part."""
    unit = "updates/s" if part == "learner" else "env steps/s"
    table = Table("", f"median {unit}", "each", title=part)
    for name, values in rates.items():
        each = "  ".join(f"{value:,.1f}" for value in values)
        table.add_row(name, f"{statistics.median(values):,.1f}", each)
    for name, ratio in compared.items():
        table.add_row(name, f"{ratio:.3f}", "", style="bold")
    Console().print(table)


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line.

    Raises:
        ConfigurationError: an argument cannot be used.
    """
    parser = ScriptParser(__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    count = whole_number(1)
    parser.add_argument("--repeats", type=count, default=3)
    parser.add_argument("--env-steps", type=count, default=8000, help="of one measurement, warm-up excluded")
    parser.add_argument("--warm-up-env-steps", type=count, default=2000, help="of learning, before the clock starts")
    parser.add_out()
    parser.add_argument("--not-below", type=Path, metavar="FILE", help="fail where a ratio has fallen by a quarter")
    parser.add_argument("--sb3-python", metavar="PATH", help="an interpreter that has Stable-Baselines3")
    parser.add_argument("--make-sb3-venv", type=Path, metavar="DIR", help="make such an environment; use it")
    options = parser.parse_args(arguments)
    options.parts = [part.strip() for part in options.only.split(",")]
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"--only {part} is not allowed: it takes some of {','.join(PARTS)}.")
    is_program = options.sb3_python and Path(options.sb3_python).is_file() and os.access(options.sb3_python, os.X_OK)
    if options.sb3_python is not None and not is_program:
        parser.error(f"--sb3-python {options.sb3_python} is not an interpreter; --make-sb3-venv DIR makes one.")
    return options


def measure(arguments: list[str]) -> ExitCode:
    """Measure what was asked for, print and write it; `ExitCode.FAILED` where a ratio has fallen.

    Raises:
        ConfigurationError: an argument cannot be used.
    """
    options = parse_arguments(arguments)
    earlier = {} if options.not_below is None else read_ratios(options.not_below, options.parts)
    found: dict[str, Any] = describe_machine() | {"env_steps": options.env_steps, "repeats": options.repeats}
    failures: list[str] = []
    try:
        if options.make_sb3_venv is not None:
            options.sb3_python = make_sb3_venv(options.make_sb3_venv)
        if options.sb3_python is None and not VARIANTS.keys().isdisjoint(options.parts):
            print("Stable-Baselines3 is left out: neither --sb3-python nor --make-sb3-venv is given.")
        for part in options.parts:
            print(f"Measuring {part} ...", flush=True)
            if part in VARIANTS:
                rates = run_training(part, options, found)
            else:
                rates = run_worker(part, options, options.repeats)
            compared = ratios(part, rates)
            found[part] = {"rates": rates, "ratios": compared}
            print_part(part, rates, compared)
            failures += fallen(part, compared, earlier)
            if options.out is not None:
                write_text(options.out, json.dumps(found, indent=2) + "\n")
    except (RuntimeError, subprocess.CalledProcessError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.FAILED
    if options.out is not None:
        print(f"Written to {options.out}.")
    for failure in failures:
        print(f"error: {failure}; if that is meant, write {options.not_below} anew.", file=sys.stderr)
    return ExitCode.FAILED if failures else ExitCode.DONE


def main(arguments: list[str]) -> int:
    """Measure and return the exit code."""
    return exit_code_of(lambda: measure(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
