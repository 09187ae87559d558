"""Measure collector, learner, whole training and the Trainer's cost on this machine, and print ratios.

python scripts/benchmark.py --out docs/results/benchmark.json --make-sb3-venv .venv-sb3
python scripts/benchmark.py --only collector,learner

What is compared is measured in turns (A B A B ...) in one call; ratios are of medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

# As train.py does, before torch starts its threads.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

import numpy as np
import torch
from hydra import initialize_config_dir
from rich.console import Console
from rich.table import Table

from triptych.build import Experiment, build
from triptych.callbacks.stopwatch import Stopwatch
from triptych.collect.collector import Collector
from triptych.config import compose_config, register_games
from triptych.data.replay import ReplayDataModule
from triptych.hardware import choose_accelerator, processor_name
from triptych.run_folder import git_commit, versions, write_text
from triptych.types import Minibatch, Transition

ROOT = Path(__file__).resolve().parents[1]
DONE, FAILED, BAD_INPUT = 0, 1, 2  # exit codes
PARTS = ("collector", "learner", "training", "trainer")
LEARNING_STARTS, CAPACITY = 1000, 20_000  # env steps
SETTINGS = (
    "algo=dqn",
    "env=pong",
    "logger=csv",
    "callbacks.progress=false",
    "total_frames=1000000000",
    "eval.period_frames=1000000000",
    "eval.episodes=1",
    "checkpoint.period_frames=1000000000",
    f"algo.learning_starts_env_steps={LEARNING_STARTS}",
    f"algo.replay.capacity_env_steps={CAPACITY}",
)
# Equal samples per env step: 32 / 4 = 128 / 16.
TRAININGS = {
    "batch 32 every 4": ("algo.batch_size=32", "algo.env_steps_per_update=4"),
    "batch 128 every 16": ("algo.batch_size=128", "algo.env_steps_per_update=16"),
}
SB3_TRAININGS = {"SB3, 1 env": 1, "SB3, 8 envs": 8}
SB3_PACKAGES = ("stable-baselines3", "gymnasium[atari]", "ale-py", "opencv-python-headless")

Rates = dict[str, list[float]]  # what was measured -> one rate per repeat


# --- Workers: each runs in a process of its own, so that the thread pools of two never meet. ---


def make_experiment(run_dir: Path, *overrides: str) -> Experiment:
    """Build the experiment that all parts measure."""
    register_games(ROOT / "conf")
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return build(compose_config([*SETTINGS, *overrides], ROOT / "conf"), run_dir)


def autocast(experiment: Experiment) -> AbstractContextManager:
    """Do what the Trainer's precision plugin does."""
    if experiment.hardware["precision"] == "32-true":
        return nullcontext()
    device_type = experiment.trainer.strategy.root_device.type
    return torch.autocast(device_type, dtype=torch.bfloat16, cache_enabled=False)


def update(experiment: Experiment, optimizer: torch.optim.Optimizer, minibatch: Minibatch) -> None:
    """Take one gradient step in plain PyTorch, the work of `Algorithm.training_step`."""
    module = experiment.module
    parameters = optimizer.param_groups[0]["params"]
    with autocast(experiment):
        output = module.loss(minibatch)
        optimizer.zero_grad()
        output.loss.backward()
        grad_norm = torch.nn.utils.get_total_norm([parameter.grad for parameter in parameters])
        if module.device.type != "cpu" or grad_norm > module.max_grad_norm:
            torch.nn.utils.clip_grads_with_norm_(parameters, module.max_grad_norm, grad_norm)
        optimizer.step()
        module.updates += 1
        module.after_update()
        module.record(loss=output.loss, grad_norm=grad_norm, **output.metrics)


def measure_collector(options: argparse.Namespace, run_dir: Path) -> Rates:
    """Measure env steps per second of 16 environments: with random actions, with the network acting."""
    experiment = make_experiment(run_dir)
    num_envs, num_actions = experiment.data.num_envs, experiment.spec.num_actions or 1
    device = experiment.trainer.strategy.root_device
    module, generator = experiment.module.to(device).train(), np.random.default_rng(0)

    def act_randomly(observation: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        return generator.integers(num_actions, size=num_envs), {}

    @torch.no_grad()
    def act_with_network(observation: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        with autocast(experiment):
            return module.act(torch.from_numpy(observation).to(device)).action.cpu().numpy(), {}

    def play(collector: Collector, env_steps: int) -> float:
        first, started = collector.env_steps, time.perf_counter()
        while collector.env_steps < first + env_steps:
            collector.send()
            collector.receive()
        return (collector.env_steps - first) / (time.perf_counter() - started)

    collectors = {
        "random actions": Collector(experiment.data.make_game(num_envs), act_randomly, 0),
        "network acting": Collector(experiment.data.make_game(num_envs), act_with_network, 0),
    }
    for collector in collectors.values():
        play(collector, options.env_steps // 10)
    return interleave(
        {name: partial(play, collector, options.env_steps) for name, collector in collectors.items()},
        options.repeats,
    )


def measure_learner(options: argparse.Namespace, run_dir: Path) -> Rates:
    """Measure updates per second on fixed data at two batch sizes."""
    experiment = make_experiment(run_dir)
    device, spec = experiment.trainer.strategy.root_device, experiment.spec
    optimizer = experiment.module.to(device).train().configure_optimizers()
    num_updates = max(options.env_steps // 40, 1)

    def make_minibatch(batch_size: int) -> Minibatch:
        first, second = torch.randint(
            0, 256, (2, batch_size, *spec.observation_shape), dtype=torch.uint8, device=device
        )
        action = torch.randint(0, spec.num_actions or 1, (batch_size,), device=device)
        ones = torch.ones(batch_size, device=device)
        return Minibatch(Transition(first, action, ones, 0.99 * ones, second), ones)

    def learn(minibatch: Minibatch, count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            update(experiment, optimizer, minibatch)
        if device.type == "cuda":
            torch.cuda.synchronize()
        return count / (time.perf_counter() - started)

    minibatches = {f"batch {size}": make_minibatch(size) for size in (32, 128)}
    for minibatch in minibatches.values():
        learn(minibatch, min(10, num_updates))
    return interleave(
        {name: partial(learn, minibatch, num_updates) for name, minibatch in minibatches.items()},
        options.repeats,
    )


def measure_training(options: argparse.Namespace, run_dir: Path) -> Rates:
    """Measure env steps per second of one fit, once learning is under way."""
    experiment = make_experiment(run_dir, *TRAININGS[options.variant])
    stopwatch = Stopwatch(LEARNING_STARTS + options.warm_up_env_steps, options.env_steps)
    experiment.trainer.callbacks.append(stopwatch)  # type: ignore[attr-defined]
    experiment.trainer.fit(experiment.module, experiment.data)
    return {options.variant: stopwatch.env_steps_per_second}


def measure_trainer(options: argparse.Namespace, run_dir: Path) -> Rates:
    """Measure the same turns through the Trainer, callbacks and all, and in a bare loop on the same objects."""
    experiment = make_experiment(run_dir)
    data, module, trainer = experiment.data, experiment.module, experiment.trainer
    assert isinstance(data, ReplayDataModule)
    bare: list[float] = []

    def bare_loop() -> None:
        optimizer, device = trainer.optimizers[0], trainer.strategy.root_device
        first, started = data.env_steps, time.perf_counter()
        while data.env_steps < first + options.env_steps:
            batch = data.play_turn()
            transition = Transition(*(field.to(device) for field in batch.transition))
            weight = batch.weight.to(device)
            for index in range(len(weight)):
                minibatch = Minibatch(Transition(*(field[index] for field in transition)), weight[index])
                update(experiment, optimizer, minibatch)
            module.env_steps = batch.env_steps
        bare.append((data.env_steps - first) / (time.perf_counter() - started))

    stopwatch = Stopwatch(LEARNING_STARTS + options.warm_up_env_steps, options.env_steps, options.repeats, bare_loop)
    trainer.callbacks.append(stopwatch)  # type: ignore[attr-defined]
    trainer.fit(module, data)
    return {"Trainer": stopwatch.env_steps_per_second, "bare loop": bare}


def interleave(measurements: Mapping[str, Callable[[], float]], repeats: int) -> Rates:
    """Take each measurement in turn, so many times."""
    rates: Rates = {name: [] for name in measurements}
    for _ in range(repeats):
        for name, measure in measurements.items():
            rates[name].append(measure())
    return rates


WORKERS = {
    "collector": measure_collector,
    "learner": measure_learner,
    "training": measure_training,
    "trainer": measure_trainer,
}


def work(options: argparse.Namespace) -> None:
    """Do one part and print what came out as the last line, in JSON."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as run_dir:
        rates = WORKERS[options.worker](options, Path(run_dir))
    print(json.dumps(rates), flush=True)


# --- The front: calls the workers in turn and tells what they found. ---


def last_json_line(command: list[str], **environment: str) -> Any:
    """Run a process and read the last line that it prints.

    Raises:
        RuntimeError: it failed; the message is its last words.
    """
    process = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)
    if process.returncode != 0:
        words = (process.stderr.strip() or process.stdout.strip() or "no message").splitlines()
        raise RuntimeError(f"{Path(command[1]).name} failed: {words[-1]}")
    return json.loads(process.stdout.strip().splitlines()[-1])


def run_worker(part: str, options: argparse.Namespace, repeats: int, variant: str = "") -> Rates:
    """Measure one part in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--worker", part, "--variant", variant]
    command += ["--env-steps", str(options.env_steps), "--repeats", str(repeats)]
    command += ["--warm-up-env-steps", str(options.warm_up_env_steps)]
    # As train.py does for itself.
    spin_count = os.environ.get("GOMP_SPINCOUNT", "10000")
    return last_json_line(command, GOMP_SPINCOUNT=spin_count)


def run_training(options: argparse.Namespace, found: dict[str, Any]) -> Rates:
    """Measure whole training, ours and Stable-Baselines3's in turn."""

    def ours(variant: str) -> float:
        return run_worker("training", options, 1, variant)[variant][0]

    def theirs(num_envs: int) -> float:
        command = [
            options.sb3_python,
            str(ROOT / "scripts" / "benchmark_sb3.py"),
            "--num-envs",
            str(num_envs),
        ]
        command += ["--env-steps", str(options.env_steps)]
        command += ["--start-env-steps", str(LEARNING_STARTS + options.warm_up_env_steps)]
        command += [
            "--learning-starts-env-steps",
            str(LEARNING_STARTS),
            "--capacity-env-steps",
            str(CAPACITY),
        ]
        result = last_json_line(command)
        found["sb3"] = {key: result[key] for key in ("stable_baselines3", "torch", "threads")}
        return result["env_steps_per_second"]

    measurements = {variant: partial(ours, variant) for variant in TRAININGS}
    if options.sb3_python is not None:
        measurements |= {name: partial(theirs, num_envs) for name, num_envs in SB3_TRAININGS.items()}
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
    if not all(name in median for name in SB3_TRAININGS):
        return {}
    fastest = max(median[name] for name in SB3_TRAININGS)
    first, second = TRAININGS
    return {
        f"{first} / fastest SB3 (target 2.5)": median[first] / fastest,
        f"{second} / fastest SB3 (target 4)": median[second] / fastest,
    }


def make_sb3_venv(directory: Path) -> str:
    """Make an environment for Stable-Baselines3 with the torch of this one; return its interpreter.

    Raises:
        subprocess.CalledProcessError: a step failed; what went wrong is on the terminal.
    """
    version, _, build_name = torch.__version__.partition("+")
    torch_package = [f"torch=={version}"]
    if build_name:  # builds with a name, such as +cpu, are in an index of their own
        index = f"https://download.pytorch.org/whl/{build_name}"
        torch_package = [f"torch=={torch.__version__}", "--extra-index-url", index]
    python = str(directory / "bin" / "python")
    subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *torch_package, *SB3_PACKAGES], check=True)
    return python


def describe_machine() -> dict[str, Any]:
    """Name what the numbers depend on."""
    has_gpu = choose_accelerator("auto") == "cuda"
    return {
        "machine": processor_name(),
        "cores": len(os.sched_getaffinity(0)),
        "gpu": torch.cuda.get_device_name() if has_gpu else None,
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d %H:%M:%S%z"),
        "git_commit": git_commit(ROOT),
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
    """Read the command line; argparse ends the process with exit code 2 where it is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--env-steps", type=int, default=8000, help="of one measurement, warm-up excluded")
    parser.add_argument("--warm-up-env-steps", type=int, default=2000, help="of learning, before the clock starts")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write everything as JSON")
    parser.add_argument("--sb3-python", metavar="PATH", help="an interpreter that has Stable-Baselines3")
    parser.add_argument("--make-sb3-venv", type=Path, metavar="DIR", help="make such an environment; use it")
    parser.add_argument("--worker", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--variant", default="", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.parts = [part.strip() for part in options.only.split(",")]
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"--only {part} is not allowed: it takes some of {','.join(PARTS)}.")
    for name in ("repeats", "env_steps", "warm_up_env_steps"):
        if getattr(options, name) < 1:
            parser.error(f"--{name.replace('_', '-')} takes a whole number from 1 up.")
    if options.sb3_python is not None and not os.access(options.sb3_python, os.X_OK):
        parser.error(f"--sb3-python {options.sb3_python} is not an interpreter; --make-sb3-venv DIR makes one.")
    return options


def main(arguments: list[str]) -> int:
    """Measure what was asked for and return the exit code."""
    options = parse_arguments(arguments)
    if options.worker is not None:
        work(options)
        return DONE
    found: dict[str, Any] = describe_machine() | {"env_steps": options.env_steps, "repeats": options.repeats}
    try:
        if options.make_sb3_venv is not None:
            options.sb3_python = make_sb3_venv(options.make_sb3_venv)
        if "training" in options.parts and options.sb3_python is None:
            print("Stable-Baselines3 is left out: neither --sb3-python nor --make-sb3-venv is given.")
        for part in options.parts:
            print(f"Measuring {part} ...", flush=True)
            if part == "training":
                rates = run_training(options, found)
            else:
                rates = run_worker(part, options, options.repeats)
            compared = ratios(part, rates)
            found[part] = {"rates": rates, "ratios": compared}
            print_part(part, rates, compared)
            if options.out is not None:
                options.out.parent.mkdir(parents=True, exist_ok=True)
                write_text(options.out, json.dumps(found, indent=2) + "\n")
    except (RuntimeError, subprocess.CalledProcessError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    if options.out is not None:
        print(f"Written to {options.out}.")
    return DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
