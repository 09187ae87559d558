"""Measure why evaluations of one run jump: chance in play, or networks that differ from one turn to the next?

python scripts/evaluation_study.py outputs/pqn/pong/nature/seed1-1234abcd --out docs/results/evaluation_pqn_pong.json

The run goes on from its last checkpoint, in a copy, for some more snapshots; nothing of the run's folder changes.
Each snapshot, the last checkpoint and averages of the weights play one game from every start of the game, for each
probability of a random action.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig
from torch import Tensor

from triptych.algos.base import Algorithm
from triptych.build import Experiment, build, make_game_factory
from triptych.collect.collector import episode_seed
from triptych.collect.evaluation import play_episodes
from triptych.data.starts import EVALUATE_STREAM, VALIDATION_STREAM, FewStartsPlan
from triptych.files import write_text
from triptych.provenance.code import git_commit, versions
from triptych.run.arguments import ScriptParser, number, whole_number
from triptych.run.exit_codes import exit_code_of
from triptych.run.quiet import quiet_lightning
from triptych.run.restore import load_checkpoint, load_config
from triptych.types import EVALUATE, ConfigurationError, EnvSpec, Game

Weights = dict[str, Tensor]


class Snapshots(pl.Callback):
    """Copies the weights every so many updates, averages them, and ends the training after enough copies.

    Args:
        num_snapshots: copies.
        period_updates: updates between two copies, rounded up to whole turns.
        decays: of exponential averages over updates, from the first on.
    """

    def __init__(self, num_snapshots: int, period_updates: int, decays: tuple[float, ...]) -> None:
        self.num_snapshots, self.period_updates = num_snapshots, period_updates
        self.snapshots: list[tuple[int, Weights]] = []
        self.averages: dict[float, Weights] = {decay: {} for decay in decays}
        self._updates = 0

    def on_train_start(self, trainer: pl.Trainer, module: Algorithm) -> None:  # type: ignore[override]
        self._updates = module.updates
        self.averages = {decay: weights_of(module) for decay in self.averages}
        self.snapshots.append((module.updates, weights_of(module)))

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: pl.Trainer, module: Algorithm, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        count, self._updates = module.updates - self._updates, module.updates
        for decay, average in self.averages.items():
            for name, value in weights_of(module).items():
                average[name].lerp_(value, 1.0 - decay**count)
        if module.updates - self.snapshots[-1][0] >= self.period_updates:
            self.snapshots.append((module.updates, weights_of(module)))
        trainer.should_stop = len(self.snapshots) > self.num_snapshots
        if trainer.should_stop:
            trainer.limit_val_batches = 0


def weights_of(module: pl.LightningModule) -> Weights:
    """Copy every floating-point tensor of a module."""
    state = module.state_dict()
    return {
        name: value.clone() for name, value in state.items() if isinstance(value, Tensor) and value.is_floating_point()
    }


def play(experiment: Experiment, weights: Mapping[str, Any], epsilon: float, num_games: int, game: Game) -> list[float]:
    """Return the returns of a network's games, one from each start, then from seeds of their own."""
    module, spec = experiment.module, experiment.spec
    module.load_state_dict(weights, strict=False)
    module.eval_epsilon = epsilon  # type: ignore[assignment]
    module.eval()
    module.on_test_start()  # the same chances for every network

    def act(observation: Any) -> Any:
        return experiment.data.act(observation, mode=EVALUATE)

    def begin(is_first: Any) -> None:
        experiment.data.begin_episodes(is_first, EVALUATE)

    most = experiment.data.plan.max_episode_steps
    episodes = play_episodes(game, act, seeds_of(spec, game, num_games), most, begin_episodes=begin)
    return [episode.episode_return for episode in episodes]


def seeds_of(spec: EnvSpec, game: Any, num_games: int) -> list[int]:
    """Return seeds of different starts, the same for every network."""
    if spec.num_starts is None:
        return [episode_seed(0, EVALUATE_STREAM, index) for index in range(num_games)]
    starts = FewStartsPlan(0, spec.num_starts, game.start_of, num_games, 0)
    return [start.seed for start in starts.starts(VALIDATION_STREAM, num_games)]


def describe(returns: list[float]) -> dict[str, Any]:
    """Summarise the games of one network."""
    counts = {f"{value:g}": returns.count(value) for value in sorted(set(returns))}
    mean, std = statistics.fmean(returns), statistics.pstdev(returns)
    return {"mean": round(mean, 3), "std": round(std, 3), "returns": counts}


def study(options: argparse.Namespace) -> dict[str, Any]:
    """Train on, play everything, and return the figures."""
    cfg: DictConfig = load_config(options.run_folder, is_trusted=options.trust)
    path, _ = load_checkpoint(options.run_folder, "last", cfg)
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        shutil.copytree(options.run_folder, scratch, dirs_exist_ok=True)
        cfg.logger, cfg.callbacks.progress, cfg.callbacks.extra = {}, False, {}
        cfg.total_frames, cfg.eval.period_frames, cfg.eval.num_envs = 10**9, 10**9, options.games
        if "eval_epsilon" not in cfg.algo:
            raise ConfigurationError(f"{options.run_folder} acts without epsilon; give a run of dqn, c51 or pqn.")
        experiment = build(cfg, Path(scratch), lambda line: None)
        snapshots = Snapshots(options.snapshots, options.period_updates, (0.99, 0.999))
        experiment.trainer.callbacks.append(snapshots)  # type: ignore[attr-defined]
        last = Path(scratch) / "checkpoints" / path.name
        experiment.trainer.fit(experiment.module, experiment.data, ckpt_path=last, weights_only=True)
        return figures(options, cfg, experiment, snapshots)


def figures(options: argparse.Namespace, cfg: DictConfig, experiment: Experiment, found: Snapshots) -> dict[str, Any]:
    """Play the games of every network."""
    game = experiment.data.make_game(options.games)
    results: dict[str, Any] = {"one_network": {}, "networks": {}, "averages": {}}
    _, first = found.snapshots[0]
    for epsilon in options.epsilons:
        results["one_network"][f"{epsilon:g}"] = describe(play(experiment, first, epsilon, options.games, game))
        print("one network", epsilon, results["one_network"][f"{epsilon:g}"], flush=True)
    for epsilon in options.network_epsilons:
        rows = {}
        for updates, weights in found.snapshots:
            rows[str(updates)] = describe(play(experiment, weights, epsilon, options.games, game))
            print("network", epsilon, updates, rows[str(updates)]["mean"], flush=True)
        means = [row["mean"] for row in rows.values()]
        spread = {"mean": round(statistics.fmean(means), 3), "std": round(statistics.pstdev(means), 3)}
        results["networks"][f"{epsilon:g}"] = {"over_networks": spread, "each": rows}
        results["averages"][f"{epsilon:g}"] = {
            f"{decay:g}": describe(play(experiment, average, epsilon, options.games, game))
            for decay, average in found.averages.items()
        }
        print("averages", epsilon, results["averages"][f"{epsilon:g}"], flush=True)
    game.close()
    if "repeat_action_prob" in cfg.env:
        sticky = dict(cfg.env) | {"repeat_action_prob": 0.25}
        cfg.env = sticky
        results["sticky_actions"] = sticky_figures(options, cfg, experiment, first)
    return results


def sticky_figures(
    options: argparse.Namespace, cfg: DictConfig, experiment: Experiment, weights: Weights
) -> dict[str, Any]:
    """Play one network's games with sticky actions."""
    game = make_game_factory(cfg)(options.games)
    returns = play(experiment, weights, 0.0, options.games, game)
    game.close()
    return describe(returns)


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = ScriptParser(__doc__)
    parser.add_argument("run_folder", type=Path)
    parser.add_out(required=True)
    parser.add_argument(
        "--games", type=whole_number(1), default=30, help="of each network (default: 30, Atari's starts)"
    )
    parser.add_argument("--snapshots", type=whole_number(1), default=20, help="further networks (default: 20)")
    parser.add_argument(
        "--period-updates", type=whole_number(1), default=1, help="between two of them (default: each turn)"
    )
    parser.add_argument("--epsilons", type=number(0, 1), nargs="+", default=[0.0, 0.001, 0.01, 0.05])
    parser.add_argument("--network-epsilons", type=number(0, 1), nargs="+", default=[0.001, 0.01])
    parser.add_argument("--scratch", type=Path, help="folder for the copy (default: the system's)")
    parser.add_trust()
    return parser.parse_args(arguments)


def measure(arguments: list[str]) -> None:
    """Measure, print and write.

    Raises:
        ConfigurationError: the folder of the run cannot be used.
    """
    options = parse_arguments(arguments)
    started = time.monotonic()
    results = study(options)
    about = {
        "command": shlex.join(["python", "scripts/evaluation_study.py", *arguments]),
        "git_commit": git_commit(),
        "versions": versions(),
        "num_threads": torch.get_num_threads(),
        "wall_time_s": round(time.monotonic() - started, 1),
        "games_of_each_network": options.games,
    }
    write_text(options.out, json.dumps(about | results, indent=1) + "\n")
    print(f"Written to {options.out}.")


def main(arguments: list[str]) -> int:
    """Measure and return the exit code."""
    quiet_lightning()
    return exit_code_of(lambda: measure(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
