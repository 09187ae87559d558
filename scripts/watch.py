"""Draw the tree that a planner searches at one step of an evaluation game.

python scripts/watch.py outputs/muzero/catch/none/seed1-1234abcd --step 4
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import deque
from pathlib import Path

import numpy as np
import torch

from triptych.build import Experiment
from triptych.collect.collector import episode_seed
from triptych.data.starts import EVALUATE_STREAM
from triptych.report.trees import TreePicture, draw_tree
from triptych.run.job import quiet_lightning
from triptych.run.restore import load_checkpoint, load_config, prepare
from triptych.types import EVALUATE, ConfigurationError, ExitCode, NoPicture

PICTURES = (".png", ".pdf", ".svg")


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line.

    Raises:
        ConfigurationError: a number is out of range.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_folder", type=Path)
    parser.add_argument("--step", type=int, default=0, help="env steps into the game (default: 0)")
    parser.add_argument("--episode", type=int, default=0, help="which game of the evaluation stream (default: 0)")
    parser.add_argument("--num-simulations", type=int, help="of the search (default: as in training)")
    parser.add_argument("--checkpoint", default="best", help="best (default), last or the path of a .ckpt file")
    parser.add_argument("--trust", action="store_true", help="run what the folder's config names outside this package")
    parser.add_argument("--out", type=Path, help="picture to write (default: tree-<step>.png in the run's folder)")
    options = parser.parse_args(arguments)
    for name, least in (("step", 0), ("episode", 0), ("num_simulations", 1)):
        value = getattr(options, name)
        if value is not None and value < least:
            raise ConfigurationError(
                f"--{name.replace('_', '-')} {value} is not allowed: it takes a whole number from {least} up."
            )
    if options.out is not None and (options.out.suffix not in PICTURES or options.out.is_dir()):
        raise ConfigurationError(
            f"--out {options.out} is not allowed: it takes a file that ends in {', '.join(PICTURES)}."
        )
    return options


@torch.no_grad()
def play_and_search(experiment: Experiment, options: argparse.Namespace, seed: int) -> tuple[TreePicture, np.ndarray]:
    """Play up to the step, search there, and return the tree and the frame; in single precision, on the CPU.

    Raises:
        ConfigurationError: the game is shorter, or the algorithm plans nothing.
    """
    module = experiment.module.cpu().eval()
    plan = getattr(module, "plan", None)
    if plan is None:
        raise ConfigurationError(f"{type(module).__name__} plans nothing; give the folder of a run with algo=muzero.")
    module.on_test_start()
    game = experiment.data.make_game(1)
    actions = []
    try:
        observation, _ = game.reset(np.array([seed]), np.array([True]))
        for step in range(options.step):
            module.begin_episodes(torch.tensor([step == 0]), EVALUATE)
            action = module.act(torch.from_numpy(observation), EVALUATE).action.numpy()
            game.send(action)
            actions.append(action[0])
            received = game.receive()
            if received.terminated[0] or received.truncated[0]:
                raise ConfigurationError(f"--step {options.step} is beyond the end: this game has {step + 1} steps.")
            observation = received.observation
        output = plan(torch.from_numpy(observation), options.num_simulations or module.num_simulations, EVALUATE)
        frame, _ = deque(game.replay(seed, actions), maxlen=1)[0]
    finally:
        game.close()
    tree = output.search_tree
    picture = TreePicture(
        parents=tree.parents[0].numpy(),
        actions=tree.action_from_parent[0].numpy(),
        visits=tree.node_visits[0].numpy(),
        values=tree.node_values[0].numpy(),
        chosen_action=int(output.action[0]),
        action_weights=output.action_weights[0].numpy(),
    )
    return picture, frame


def watch(options: argparse.Namespace) -> None:
    """Draw the picture and say where it is.

    Raises:
        ConfigurationError: the folder, its config, its checkpoint or the step cannot be used.
    """
    cfg = load_config(options.run_folder, is_trusted=options.trust)
    _, state_dict = load_checkpoint(options.run_folder, options.checkpoint)
    seed = episode_seed(cfg.seed, EVALUATE_STREAM, options.episode)
    with tempfile.TemporaryDirectory() as scratch:
        experiment = prepare(cfg, state_dict, Path(scratch), num_episodes=1)
        picture, frame = play_and_search(experiment, options, seed)
    path = options.out or options.run_folder / f"tree-{options.step}.png"
    draw_tree(path, picture, frame, f"{experiment.spec.name}, step {options.step}")
    print(f"The tree is in {path}.")


def main(arguments: list[str]) -> int:
    """Draw and return the exit code: 2 for input that cannot be used."""
    quiet_lightning()
    try:
        watch(parse_arguments(arguments))
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.BAD_INPUT
    except OSError as error:
        print(f"error: the picture cannot be written: {error}", file=sys.stderr)
        return ExitCode.FAILED
    except NoPicture as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.FAILED
    except KeyboardInterrupt:
        print("Interrupted.")
        return ExitCode.INTERRUPTED
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
