"""What is printed before a run: what to type and the choices of each group, and what was understood."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from triptych.envs import atari

GROUPS = {
    "algo": "what learns",
    "env": "what is played; any Atari ROM by its name, any Gymnasium id by env=gym env.id=...",
    "protocol": "how Atari is played and judged",
    "experiment": "numbers that go together, applied last",
    "logger": "trackers beside metrics.csv; several as 'logger=[wandb,tensorboard]'",
    "trainer": "the machine",
    "callbacks": "what watches",
    "debug": "a whole run in seconds",
}


def help_text(conf: Path) -> str:
    """Write the help for the options that there are."""
    lines = [
        "Train: python train.py [group=choice ...] [key=value ...]",
        "",
        "  python train.py algo=dqn env=pong                        one run",
        "  python train.py -m algo=dqn,ppo env=catch seed=1,2,3     a sweep: every combination",
        "  python train.py env=catch debug=tiny                     to see that everything works",
        "  python train.py algo=dqn env=pong --cfg job --resolve    every key with its value, nothing is run",
        "",
        "The same command again goes on with a run; fresh=true starts it over.",
        "",
        "Groups and their choices:",
    ]
    for group, what in GROUPS.items():
        options = sorted(path.stem for path in (conf / group).glob("*.yaml") if path.stem != "atari")
        lines += [f"  {group:<11} {what}", f"{'':14}{', '.join(options)}"]
    lines += [
        f"{'':14}and {len(atari.games())} Atari games: pong, breakout, ms_pacman, ...",
        "",
        "Keys that most runs touch, with their units:",
        "  seed=1                              of everything that is drawn at random",
        "  total_frames=1e6                    emulator frames; 4 to an env step on Atari, 1 elsewhere",
        "  eval.period_frames, eval.episodes   between two evaluations; whole games in each",
        "  algo.learning_rate, algo.discount   and the other numbers of conf/algo/<algo>.yaml",
        "  algo.network.hidden_sizes=[256,256] of the network; algo.network.torso=impala",
        "  env.num_envs                        environments that step together",
        "  run_dir=...                         the run's folder; by default below outputs/",
        "",
        "Hydra's own flags: --cfg job, --info, --hydra-help, --config-dir, --multirun.",
    ]
    # The games belong to the line of env.
    games = lines.pop(next(index for index, line in enumerate(lines) if "Atari games: pong" in line))
    position = next(index for index, line in enumerate(lines) if line.startswith("  env "))
    lines.insert(position + 2, games)
    return "\n".join(lines) + "\n"


def opening(arguments: Sequence[str], conf: Path) -> str:
    """Say at once what was asked for: what follows is slow to import."""
    defaults = {
        group: option
        for node in yaml.safe_load((conf / "train.yaml").read_text(encoding="utf-8"))["defaults"]
        if isinstance(node, dict)
        for group, option in node.items()
        if group in ("algo", "env")
    }
    asked = dict(argument.split("=", 1) for argument in arguments if argument.startswith(("algo=", "env=", "env.id=")))
    experiments = [argument for argument in arguments if argument.startswith("experiment=")]
    if not experiments:  # it may choose them itself
        asked = defaults | asked
    words = [*experiments, *(f"{key}={value}" for key, value in asked.items())]
    return f"{' '.join(words)}: loading PyTorch ..."
