"""Measure one part of the benchmark in a process of its own, so that the thread pools of two never meet.

`scripts/benchmark.py` calls it. The last line that it prints is what it measured, in JSON.
"""

from __future__ import annotations

import argparse
import json
import os
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
os.environ.setdefault("GOMP_SPINCOUNT", "100000")

import numpy as np
import torch
from hydra import initialize_config_dir
from pytorch_lightning.utilities import move_data_to_device

from triptych.build import Experiment, build
from triptych.callbacks.stopwatch import Stopwatch
from triptych.collect.collector import Collector
from triptych.command.compose import compose_config, register_options
from triptych.data.replay import ReplayDataModule
from triptych.functional.gradients import clip_gradients
from triptych.planning import RecurrentOutput, RootOutput, gumbel_muzero_policy
from triptych.types import Minibatch, Transition

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("collector", "learner", "training", "policies", "continuous", "trainer", "update", "search")
LEARNING_STARTS, CAPACITY = 1000, 20_000  # env steps
SETTINGS = (
    "env=pong",
    "logger=csv",
    "callbacks.progress=false",
    "total_frames=1000000000",
    "eval.period_frames=1000000000",
    "eval.episodes=1",
    "checkpoint.period_frames=1000000000",
)
DQN = (
    "algo=dqn",
    f"algo.learning_starts_env_steps={LEARNING_STARTS}",
    f"algo.replay.capacity_env_steps={CAPACITY}",
)
# Equal samples per env step: 32 / 4 = 128 / 16.
TRAININGS = {
    "batch 32 every 4": (*DQN, "algo.batch_size=32", "algo.env_steps_per_update=4"),
    "batch 128 every 16": (*DQN, "algo.batch_size=128", "algo.env_steps_per_update=16"),
}
# The numbers that RL Baselines3 Zoo gives for Atari; `benchmark_sb3.py` has the same.
POLICIES = {
    "PPO": (
        "algo=ppo",
        "algo.num_envs=8",
        "algo.rollout_length=128",
        "algo.num_epochs=4",
        "algo.num_minibatches=4",
    ),
    "A2C": ("algo=a2c", "algo.num_envs=16", "algo.rollout_length=5"),
}
# One update of 256 per env step; products in bfloat16 are those of single-precision numbers, rounded before.
START = f"algo.learning_starts_env_steps={LEARNING_STARTS}"
SAC, TD3 = (("env=half_cheetah", f"algo={algo}", START) for algo in ("sac", "td3"))
FOUR, ROUNDED = "algo.num_envs=4", "trainer.float32_matmul_precision=medium"
CONTINUOUS = {
    "SAC": SAC,
    "SAC, 4 envs": (*SAC, FOUR),
    "SAC, 4 envs, products in bfloat16": (*SAC, FOUR, ROUNDED),
    "TD3": TD3,
    "TD3, 4 envs": (*TD3, FOUR),
    "TD3, 4 envs, products in bfloat16": (*TD3, FOUR, ROUNDED),
}
WHOLE = TRAININGS | POLICIES | CONTINUOUS  # what `measure_training` measures

Rates = dict[str, list[float]]  # what was measured -> one rate per repeat


def make_experiment(run_dir: Path, *overrides: str) -> Experiment:
    """Build what a part measures."""
    register_options(ROOT / "conf")
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return build(compose_config([*SETTINGS, *overrides], ROOT / "conf"), run_dir)


def autocast(experiment: Experiment) -> AbstractContextManager:
    """Do what the Trainer's precision plugin does."""
    if experiment.hardware.precision == "32-true":
        return nullcontext()
    device_type = experiment.trainer.strategy.root_device.type
    return torch.autocast(device_type, dtype=torch.bfloat16, cache_enabled=False)


def update(experiment: Experiment, optimizer: torch.optim.Optimizer, minibatch: Minibatch) -> None:
    """Take one gradient step in plain PyTorch, the work of `Algorithm.training_step`."""
    module = experiment.module
    parameters = optimizer.param_groups[0]["params"]
    with autocast(experiment):
        output = module.loss(minibatch)
        assert output is not None
        optimizer.zero_grad()
        output.loss.backward()
        grad_norm = clip_gradients(parameters, module.max_grad_norm)
        optimizer.step()
        module.updates += 1
        module.after_update()
        module.record(loss=output.loss, grad_norm=grad_norm, **output.metrics)


def make_minibatch(experiment: Experiment, batch_size: int) -> Minibatch:
    """Draw transitions of noise, on the device, pictures on a CPU with channels last, as from a replay."""
    device, spec = experiment.trainer.strategy.root_device, experiment.spec
    first, second = torch.randint(0, 256, (2, batch_size, *spec.observation_shape), dtype=torch.uint8, device=device)
    if device.type == "cpu":
        first, second = (pixels.contiguous(memory_format=torch.channels_last) for pixels in (first, second))
    action = torch.randint(0, spec.num_actions or 1, (batch_size,), device=device)
    ones = torch.ones(batch_size, device=device)
    return Minibatch(Transition(first, action, ones, 0.99 * ones, second), ones)


def measure_collector(options: argparse.Namespace, run_dir: Path) -> Rates:
    """Measure env steps per second of 16 environments: with random actions, with the network acting."""
    experiment = make_experiment(run_dir, *DQN)
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
    experiment = make_experiment(run_dir, *DQN)
    device = experiment.trainer.strategy.root_device
    optimizer = experiment.module.to(device).train().configure_optimizers()
    num_updates = max(options.env_steps // 40, 1)

    def learn(minibatch: Minibatch, count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            update(experiment, optimizer, minibatch)
        if device.type == "cuda":
            torch.cuda.synchronize()
        return count / (time.perf_counter() - started)

    minibatches = {f"batch {size}": make_minibatch(experiment, size) for size in (32, 128)}
    for minibatch in minibatches.values():
        learn(minibatch, min(10, num_updates))
    return interleave(
        {name: partial(learn, minibatch, num_updates) for name, minibatch in minibatches.items()},
        options.repeats,
    )


def measure_training(options: argparse.Namespace, run_dir: Path) -> Rates:
    """Measure env steps per second of one fit, once learning is under way."""
    experiment = make_experiment(run_dir, *WHOLE[options.variant])
    stopwatch = Stopwatch(LEARNING_STARTS + options.warm_up_env_steps, options.env_steps)
    experiment.trainer.callbacks.append(stopwatch)  # type: ignore[attr-defined]
    experiment.trainer.fit(experiment.module, experiment.data)
    return {options.variant: stopwatch.env_steps_per_second}


def measure_trainer(options: argparse.Namespace, run_dir: Path) -> Rates:
    """Measure the same turns through the Trainer, callbacks and all, and in a bare loop on the same objects."""
    experiment = make_experiment(run_dir, *DQN)
    data, module, trainer = experiment.data, experiment.module, experiment.trainer
    assert isinstance(data, ReplayDataModule)
    bare: list[float] = []

    def bare_loop() -> None:
        optimizer, device = trainer.optimizers[0], trainer.strategy.root_device
        first, started = data.clock.env_steps, time.perf_counter()
        while data.clock.env_steps < first + options.env_steps:
            batch = move_data_to_device(data.play_turn(), device)
            for index in range(len(batch.weight)):
                update(experiment, optimizer, batch.minibatch(index))
            module.env_steps = batch.env_steps
        bare.append((data.clock.env_steps - first) / (time.perf_counter() - started))

    stopwatch = Stopwatch(LEARNING_STARTS + options.warm_up_env_steps, options.env_steps, options.repeats, bare_loop)
    trainer.callbacks.append(stopwatch)  # type: ignore[attr-defined]
    trainer.fit(module, data)
    return {"Trainer": stopwatch.env_steps_per_second, "bare loop": bare}


def measure_update(options: argparse.Namespace, run_dir: Path) -> Rates:
    """Measure updates of 32 per second of processor time: as they are, and only what no update can do without.

    That is a forward pass of both networks, a backward pass of one, and Adam's step; all of it on one thread.
    """
    experiment = make_experiment(run_dir, *DQN, "trainer=cpu", "trainer.num_threads=1")
    module: Any = experiment.module.train()
    optimizer = module.configure_optimizers()
    minibatch = make_minibatch(experiment, 32)
    observation, _, _, _, next_observation = minibatch.sample

    def primitives() -> None:
        with autocast(experiment):
            with torch.no_grad():
                module.target_network(next_observation)
            q_values = module.online_network(observation)
            optimizer.zero_grad()
            q_values.sum().backward()
            optimizer.step()

    updated = partial(update, experiment, optimizer, minibatch)
    works: dict[str, Callable[[], None]] = {"update": updated, "primitives": primitives}
    for work in works.values():
        work()
    return processor_rates(works, max(options.env_steps // 8, 1), options.repeats)


def measure_search(options: argparse.Namespace, run_dir: Path) -> Rates:
    """Measure searches per second of processor time, and only their calls of the model: 16 roots, 32 simulations."""
    torch.set_num_threads(1)
    num_roots, num_actions, num_simulations = 16, 18, 32
    model = torch.nn.Sequential(torch.nn.Linear(256, 256), torch.nn.ReLU(), torch.nn.Linear(256, num_actions + 2))
    prior_logits, embedding = torch.randn(num_roots, num_actions), torch.randn(num_roots, 256)
    discount = torch.full((num_roots,), 0.99)

    def recurrent_fn(action: torch.Tensor, embedding: torch.Tensor) -> tuple[RecurrentOutput, torch.Tensor]:
        output = model(embedding)
        return RecurrentOutput(output[:, 0], discount, output[:, 2:], output[:, 1]), embedding

    @torch.no_grad()
    def search() -> None:
        root = RootOutput(prior_logits, torch.zeros(num_roots), embedding)
        gumbel_muzero_policy(root, recurrent_fn, num_simulations)

    @torch.no_grad()
    def model_alone() -> None:
        action = torch.zeros(num_roots, dtype=torch.int64)
        for _ in range(num_simulations):
            recurrent_fn(action, embedding)

    works = {"search": search, "model alone": model_alone}
    for work in works.values():  # the first call compiles
        work()
    return processor_rates(works, max(options.env_steps // 20, 1), options.repeats)


def processor_rates(works: Mapping[str, Callable[[], object]], count: int, repeats: int) -> Rates:
    """Return how often a second of this process's time is enough for each work; other processes disturb that little."""

    def rate(work: Callable[[], object]) -> float:
        started = time.process_time()
        for _ in range(count):
            work()
        return count / (time.process_time() - started)

    return interleave({name: partial(rate, work) for name, work in works.items()}, repeats)


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
    "policies": measure_training,
    "continuous": measure_training,
    "trainer": measure_trainer,
    "update": measure_update,
    "search": measure_search,
}


def main(arguments: list[str]) -> None:
    """Measure one part and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--variant", choices=WHOLE, help="of the parts training, policies and continuous")
    parser.add_argument("--repeats", type=int, required=True)
    parser.add_argument("--env-steps", type=int, required=True)
    parser.add_argument("--warm-up-env-steps", type=int, required=True)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as run_dir:
        rates = WORKERS[options.part](options, Path(run_dir))
    print(json.dumps(rates), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
