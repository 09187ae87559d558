"""Measure where the time of a DQN update on Pong goes, and how costs grow with batch, environments, replay and search.

taskset -c 1 python scripts/benchmark_scaling.py --out docs/results/scaling.json

Everything is measured on one thread as processor time of this process, so that a busy machine disturbs it little. What
is compared is measured in turns, and medians are taken.
"""

from __future__ import annotations

import copy
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmark import describe_machine
from benchmark_worker import DQN, autocast, make_experiment, make_minibatch, update
from rich.console import Console
from rich.table import Table

from triptych.build import Experiment
from triptych.collect.collector import Collector
from triptych.files import write_text
from triptych.functional.gradients import clip_gradients
from triptych.networks.torsos import PixelConvolution
from triptych.planning import RecurrentOutput, RootOutput, gumbel_muzero_policy
from triptych.replay.buffer import ReplayBuffer
from triptych.run.arguments import ScriptParser, whole_number
from triptych.run.exit_codes import exit_code_of
from triptych.types import Step

BATCH_SIZES = (32, 64, 128, 256, 512)
ENVIRONMENTS = (1, 4, 16, 64)
REPLAY_SIZES = (10_000, 100_000, 300_000)  # env steps
SIMULATIONS = (4, 16, 64, 128)
ROOTS, ACTIONS, UNITS = 16, 18, 256  # of the searches

Works = dict[str, Callable[[], Any]]


def milliseconds(works: Works, repeats: int, least_s: float = 0.05) -> dict[str, float]:
    """Return the median milliseconds of processor time that each work takes, measured in turns."""
    counts = {}
    for name, work in works.items():  # the first call warms up, the second says how many make a measurement
        work()
        started = time.process_time()
        work()
        counts[name] = max(int(least_s / max(time.process_time() - started, 1e-4)), 1)
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            started = time.process_time()
            for _ in range(counts[name]):
                work()
            found[name].append(1000 * (time.process_time() - started) / counts[name])
    return {name: statistics.median(values) for name, values in found.items()}


def update_works(experiment: Experiment, batch_size: int) -> Works:
    """Return the parts of an update, each with all that comes before it."""
    module: Any = experiment.module.train()
    optimizer = module.configure_optimizers()
    parameters = optimizer.param_groups[0]["params"]
    minibatch = make_minibatch(experiment, batch_size)
    observation, _, _, _, next_observation = minibatch.sample

    def target() -> None:
        with autocast(experiment), torch.no_grad():
            module.target_network(next_observation)

    def online(backward: bool = False, step: bool = False) -> None:
        target()
        with autocast(experiment):
            q_values = module.online_network(observation)
            if backward:
                optimizer.zero_grad()
                q_values.sum().backward()
            if step:
                clip_gradients(parameters, 10.0)
                optimizer.step()

    return {
        "target network": target,
        "online network": online,
        "its gradient": lambda: online(backward=True),
        "clipping and Adam": lambda: online(backward=True, step=True),
        "loss, metrics and the rest": lambda: update(experiment, optimizer, minibatch),
    }


def layout_works(experiment: Experiment, batch_size: int) -> Works:
    """Return forward and backward passes of the torso on pixels in several layouts."""
    module: Any = experiment.module
    torso = copy.deepcopy(module.online_network)
    on_blocks = copy.deepcopy(torso)  # a first layer of 2x2 weights on blocks of 4x4 pixels is the same function
    first = next(layer for layer in on_blocks.modules() if isinstance(layer, PixelConvolution))
    blocks_layer = PixelConvolution(64, first.out_channels, kernel_size=2)
    holder = next(layer for layer in on_blocks.modules() if first in layer.children())
    holder[0] = blocks_layer  # type: ignore[operator]
    on_blocks.to(memory_format=torch.channels_last)
    planes = torch.randint(0, 256, (batch_size, 4, 84, 84), dtype=torch.uint8)
    blocks = torch.randint(0, 256, (batch_size, 64, 21, 21), dtype=torch.uint8)

    def both(network: torch.nn.Module, pixels: torch.Tensor) -> None:
        network.zero_grad()
        with autocast(experiment):
            network(pixels).sum().backward()

    return {
        "frame after frame": partial(both, torso, planes),
        "channels last": partial(both, torso, planes.contiguous(memory_format=torch.channels_last)),
        "blocks of 4x4, channels last": partial(both, on_blocks, blocks.contiguous(memory_format=torch.channels_last)),
    }


def pass_works(experiment: Experiment) -> Works:
    """Return forward passes to act and to learn, apart and together."""
    network: Any = experiment.module.online_network

    @torch.no_grad()
    def forward(*counts: int) -> None:
        for count in counts:
            with autocast(experiment):
                network(pixels[:count])

    pixels = torch.randint(0, 256, (48, 4, 84, 84), dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    return {"16 and 32": partial(forward, 16, 32), "48": partial(forward, 48)}


def differences(cumulative: dict[str, float]) -> dict[str, float]:
    """Return what each part adds to those before it."""
    names, values = list(cumulative), [0.0, *cumulative.values()]
    return {name: values[index + 1] - values[index] for index, name in enumerate(names)}


def collector_work(experiment: Experiment, num_envs: int) -> Callable[[], None]:
    """Return one vector step of play with the network."""
    module = experiment.module.train()

    @torch.no_grad()
    def act(observation: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        with autocast(experiment):
            return module.act(torch.from_numpy(observation)).action.numpy(), {}

    collector = Collector(experiment.data.make_game(num_envs), act, 0)

    def play() -> None:
        collector.send()
        collector.receive()

    return play


def replay_work(experiment: Experiment, capacity: int, prioritized: bool) -> Callable[[], object]:
    """Return a draw of 32 transitions, with their priorities sent back, from a full replay of noise."""
    num_envs, spec = 16, experiment.spec
    replay = ReplayBuffer(
        spec, num_envs, capacity_env_steps=capacity, n_step=1, discount=0.99, seed=0, prioritized=prioritized
    )
    observation = np.random.default_rng(0).integers(0, 256, (num_envs, *spec.observation_shape), dtype=np.uint8)
    no, zeros = np.zeros(num_envs, bool), np.zeros(num_envs, np.int64)
    for index in range(capacity // num_envs):
        reward = np.ones(num_envs, np.float32)
        replay.add(Step(observation, zeros, reward, no, no, ~no if index == 0 else no, observation, {}))
    priorities = np.linspace(0.1, 1.0, 32, dtype=np.float32)

    def draw() -> None:
        replay.update_priorities(replay.sample(32, 0).indices, priorities)

    return draw


def search_work(num_simulations: int) -> Callable[[], object]:
    """Return a search from `ROOTS` roots on a model of two layers."""
    model = torch.nn.Sequential(torch.nn.Linear(UNITS, UNITS), torch.nn.ReLU(), torch.nn.Linear(UNITS, ACTIONS + 2))
    root = RootOutput(torch.randn(ROOTS, ACTIONS), torch.zeros(ROOTS), torch.randn(ROOTS, UNITS))
    discount = torch.full((ROOTS,), 0.99)

    def recurrent_fn(action: torch.Tensor, embedding: torch.Tensor) -> tuple[RecurrentOutput, torch.Tensor]:
        output = model(embedding)
        return RecurrentOutput(output[:, 0], discount, output[:, 2:], output[:, 1]), embedding

    @torch.no_grad()
    def search() -> None:
        gumbel_muzero_policy(root, recurrent_fn, num_simulations)

    return search


def measure(repeats: int, run_dir: Path) -> dict[str, dict[str, float]]:
    """Return milliseconds of processor time by table and row."""
    experiment = make_experiment(run_dir, *DQN, "trainer=cpu", "trainer.num_threads=1")
    torch.set_num_threads(1)
    module = experiment.module.train()
    optimizer = module.configure_optimizers()
    parts = {
        f"parts of an update, batch {size}": differences(milliseconds(update_works(experiment, size), repeats))
        for size in (32, 128)
    }
    per_update: Works = {
        f"batch {size}": partial(update, experiment, optimizer, make_minibatch(experiment, size))
        for size in BATCH_SIZES
    }
    per_vector_step: Works = {f"{count} environments": collector_work(experiment, count) for count in ENVIRONMENTS}
    draws: Works = {
        f"{kind}, {size:,} env steps": replay_work(experiment, size, kind == "prioritized")
        for kind in ("uniform", "prioritized")
        for size in REPLAY_SIZES
    }
    searches: Works = {f"{count} simulations": search_work(count) for count in SIMULATIONS}
    layouts = {
        f"forward and backward by layout of the pixels, batch {size}": milliseconds(
            layout_works(experiment, size), repeats
        )
        for size in (32, 128)
    }
    return (
        parts
        | layouts
        | {
            "forward passes of so many": milliseconds(pass_works(experiment), repeats),
            "an update": milliseconds(per_update, repeats),
            "a vector step, network included": milliseconds(per_vector_step, repeats),
            "a draw of 32": milliseconds(draws, repeats),
            f"a search from {ROOTS} roots": milliseconds(searches, repeats),
        }
    )


def print_table(name: str, rows: dict[str, float]) -> None:
    """Show one table."""
    table = Table("", "ms of processor time", title=name)
    for row, value in rows.items():
        table.add_row(row, f"{value:,.3f}")
    Console().print(table)


def measure_and_tell(arguments: list[str]) -> None:
    """Measure, print and write.

    Raises:
        ConfigurationError: an argument cannot be used.
    """
    parser = ScriptParser(__doc__)
    parser.add_argument("--repeats", type=whole_number(1), default=9)
    parser.add_out()
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as run_dir:
        tables = measure(options.repeats, Path(run_dir))
    for name, rows in tables.items():
        print_table(name, rows)
    if options.out is not None:
        found = describe_machine() | {"repeats": options.repeats, "unit": "ms of processor time", "tables": tables}
        write_text(options.out, json.dumps(found, indent=2) + "\n")


def main(arguments: list[str]) -> int:
    """Measure and return the exit code."""
    return exit_code_of(lambda: measure_and_tell(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
