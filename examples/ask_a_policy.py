"""Ask a trained policy from Python, in a notebook or a program of your own.

    python examples/ask_a_policy.py RUN_FOLDER [--trust]

It plays one game, and prints what the policy does and expects on the way. `scripts/evaluate.py` measures a policy,
`scripts/watch.py` shows it. A run of an algorithm or a network of your own is asked with `--trust`, as there.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from triptych.run.restore import load_checkpoint, load_config, prepare
from triptych.types import EVALUATE, ConfigurationError


@torch.no_grad()
def main(run_folder: Path, *, is_trusted: bool = False) -> None:
    """Play one game with the best checkpoint of a run."""
    cfg = load_config(run_folder, is_trusted=is_trusted)
    _, weights = load_checkpoint(run_folder, "best")
    with tempfile.TemporaryDirectory() as scratch:
        experiment = prepare(cfg, weights, Path(scratch), num_episodes=1, num_envs=1)
    data, agent = experiment.data, experiment.module.eval()
    game = data.make_game(1)  # one environment; its observations [1, ...] are what the network sees
    observation, _ = game.reset(seeds=np.array([7]), mask=np.array([True]))
    data.begin_episodes(np.array([True]), EVALUATE)  # for a policy that remembers
    seen, actions, total, is_over = [], [], 0.0, False
    while not is_over:
        seen.append(torch.from_numpy(observation.copy()))
        action = agent.act(seen[-1], EVALUATE).action  # [1, ...]
        game.send(action.numpy())
        observation, reward, is_terminal, is_cut, _ = game.receive()
        actions.append(action[0].tolist())
        total, is_over = total + reward.item(), bool(is_terminal[0] or is_cut[0])
    game.close()
    agent.on_test_start()  # what remembers forgets the game, of which it is now asked from its start
    value = agent.explain(torch.cat(seen)).value  # [T], or None where the algorithm has no values
    for step, action in enumerate(actions):
        print(f"{step:>5}  action {action}", "" if value is None else f" value {value[step].item():.2f}")
    print(f"return {total:g} after {len(actions)} steps")


if __name__ == "__main__":
    folders = [word for word in sys.argv[1:] if word != "--trust"]
    try:
        main(Path(folders[0] if len(folders) == 1 else "RUN_FOLDER"), is_trusted="--trust" in sys.argv)
    except ConfigurationError as error:
        sys.exit(f"error: {error}")
