"""Train Stable-Baselines3 on an Atari game for so many minutes, and write what came of it as a run's folder.

.venv-sb3/bin/python scripts/train_sb3.py --algo dqn --env pong --seed 1 --minutes 60 --out outputs/peers

It runs in an environment of its own, which `scripts/benchmark.py --make-sb3-venv .venv-sb3` makes, and needs nothing of
this project. What it writes, `scripts/report.py` puts in the same tables as runs of `python train.py total_minutes=60`.
The numbers are those that RL Baselines3 Zoo gives for Atari, but that schedules follow the clock, so that they end with
the minutes, and that DQN begins to learn after 10,000 env steps instead of 100,000. The minutes are of training alone.
Frames are preprocessed by Stable-Baselines3's own wrappers; the games at the end begin with up to 30 no-ops, and their
rewards are counted whole, as in the protocol `nature`.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import platform
import re
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

FRAMES_PER_ENV_STEP = 4
MOST_ENV_STEPS = 27_000  # of an evaluation game
MAX_SEED = 2**31 - 20_000  # evaluations take seeds above a run's
PERIOD_S = 30.0  # between two rows of metrics.csv
SETTINGS: dict[str, dict[str, Any]] = {
    "dqn": {
        "n_envs": 1, "learning_rate": 1e-4, "buffer_size": 100_000, "learning_starts": 10_000, "batch_size": 32,
        "train_freq": 4, "gradient_steps": 1, "target_update_interval": 1000, "exploration_fraction": 0.1,
        "exploration_final_eps": 0.01,
    },
    "ppo": {
        "n_envs": 8, "n_steps": 128, "n_epochs": 4, "batch_size": 256, "learning_rate": 2.5e-4, "clip_range": 0.1,
        "vf_coef": 0.5, "ent_coef": 0.01,
    },
    "a2c": {"n_envs": 16, "ent_coef": 0.01, "vf_coef": 0.25, "learning_rate": 7e-4},
}  # fmt: skip
FALLING = ("learning_rate", "clip_range")  # of PPO, linearly to 0


def env_id(game: str) -> str:
    """Return the id of a game's environment.

    >>> env_id("space_invaders")
    'SpaceInvadersNoFrameskip-v4'
    """
    return "".join(word.capitalize() for word in game.split("_")) + "NoFrameskip-v4"


def make_model(algo: str, env: Any, seed: int) -> Any:
    """Make the model of an algorithm with the zoo's numbers."""
    import stable_baselines3
    from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike

    settings = {name: value for name, value in SETTINGS[algo].items() if name != "n_envs"}
    if algo == "ppo":
        for name in FALLING:
            settings[name] = _falling(settings[name])
    if algo == "a2c":
        settings["policy_kwargs"] = {"optimizer_class": RMSpropTFLike, "optimizer_kwargs": {"eps": 1e-5}}
    return getattr(stable_baselines3, algo.upper())("CnnPolicy", env, seed=seed, **settings)


def _falling(start: float) -> Any:
    return lambda progress_remaining: progress_remaining * start


def train(model: Any, minutes: float, write_row: Any) -> float:
    """Train for so many minutes, with schedules that end with them; return the seconds."""
    from stable_baselines3.common.callbacks import BaseCallback

    started, limit_s = time.monotonic(), 60 * minutes

    def follow_the_clock(*_: Any) -> None:
        model._current_progress_remaining = max(1.0 - (time.monotonic() - started) / limit_s, 0.0)

    class Clock(BaseCallback):
        """Writes a row now and then and ends the run when its time is over."""

        written_s = 0.0

        def _on_step(self) -> bool:
            seconds = time.monotonic() - started
            if seconds >= self.written_s + PERIOD_S:
                self.written_s = seconds
                returns = [episode["r"] for episode in self.model.ep_info_buffer or []]
                mean = sum(returns) / len(returns) if returns else ""
                write_row({"wall_time_s": round(seconds, 1), "collect/return_mean": mean} | _counters(self.model))
            return seconds < limit_s

    model._update_current_progress_remaining = follow_the_clock
    model.learn(10**9, callback=Clock(), log_interval=None)
    return time.monotonic() - started


def _counters(model: Any) -> dict[str, int]:
    env_steps = model.num_timesteps
    return {"frames": env_steps * FRAMES_PER_ENV_STEP, "env_steps": env_steps, "updates": model._n_updates}


def evaluate(model: Any, game: str, seed: int, num_episodes: int) -> list[float]:
    """Play whole games and return what each of them brought, unclipped."""
    import numpy as np

    whole = {"terminal_on_life_loss": False, "clip_reward": False}
    env = _make_env(game, min(num_episodes, 10), seed + 10_000, whole)
    model.exploration_rate = 0.01  # of DQN; the others draw from their policies
    share = np.array([num_episodes // env.num_envs] * env.num_envs)
    share[: num_episodes % env.num_envs] += 1
    returns: list[float] = []
    observation, total, length = env.reset(), np.zeros(env.num_envs), np.zeros(env.num_envs, int)
    while (share > 0).any():
        action, _ = model.predict(observation, deterministic=False)
        observation, reward, done, _ = env.step(action)
        total, length = total + reward, length + 1
        for index in np.flatnonzero(done | (length >= MOST_ENV_STEPS)):
            if share[index] > 0:  # each environment plays its share, so that short games do not count more
                returns.append(float(total[index]))
                share[index] -= 1
            total[index], length[index] = 0.0, 0
    env.close()
    return returns


def _make_env(game: str, num_envs: int, seed: int, wrapper_kwargs: dict[str, Any] | None = None) -> Any:
    from stable_baselines3.common.env_util import make_atari_env
    from stable_baselines3.common.vec_env import VecFrameStack

    return VecFrameStack(make_atari_env(env_id(game), num_envs, seed=seed, wrapper_kwargs=wrapper_kwargs), 4)


def write_json(path: Path, content: Any) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(content, indent=2) + "\n")
    temporary.replace(path)


def summarize(options: argparse.Namespace, returns: list[float]) -> dict[str, Any]:
    """Return what a run's summary says of settings and result."""
    mean = sum(returns) / len(returns)
    return {
        "algo": f"sb3_{options.algo}",
        "env": options.env,
        "experiment": None,
        "protocol": "nature",
        "seed": options.seed,
        "command": f"python scripts/train_sb3.py --algo {options.algo} --env {options.env} --seed {options.seed} "
        f"--minutes {options.minutes:g}",
        "eval_return_mean": mean,
        "eval_return_std": (sum((value - mean) ** 2 for value in returns) / len(returns)) ** 0.5,
        "eval_returns": returns,
        "stop_reason": "total_minutes",
        "status": "finished",
        "error": None,
    }


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line; argparse ends the process with exit code 2 where it is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--algo", choices=SETTINGS, required=True)
    parser.add_argument("--env", required=True, metavar="GAME", help="as env=GAME of train.py: pong, space_invaders")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=1, help="of tensor operations (default: 1)")
    parser.add_argument("--episodes", type=int, default=30, help="games of the final evaluation (default: 30)")
    parser.add_argument("--out", type=Path, required=True, help="where the run's folder goes")
    options = parser.parse_args(arguments)
    for name in ("minutes", "threads", "episodes"):
        if not 0 < getattr(options, name) < float("inf"):
            parser.error(f"--{name} {getattr(options, name)} is not allowed: it takes a number above 0.")
    if not 0 <= options.seed < MAX_SEED:
        parser.error(f"--seed {options.seed} is not allowed: it takes a whole number from 0 to {MAX_SEED - 1}.")
    if not re.fullmatch(r"[a-z0-9_]+", options.env):
        parser.error(f"--env {options.env} is not allowed: it takes the name of a game, as pong or space_invaders.")
    return options


def fail(sentence: str, folder: Path) -> NoReturn:
    """Print what is wrong with the command and end with exit code 2; leave no empty folder behind."""
    with contextlib.suppress(OSError):
        folder.rmdir()
    print(f"error: {sentence}.", file=sys.stderr)
    sys.exit(2)


def main(arguments: list[str]) -> None:
    """Train, evaluate and write; a folder whose run is finished is left as it is."""
    options = parse_arguments(arguments)
    folder = options.out / f"sb3_{options.algo}-{options.env}-nature-seed{options.seed}"
    if (folder / "summary.json").exists():
        config = folder / "config.yaml"
        minutes = json.loads(config.read_text())["total_minutes"] if config.exists() else options.minutes
        if minutes != options.minutes:
            print(f"error: {folder} holds a run of {minutes:g} minutes; choose another --out.", file=sys.stderr)
            sys.exit(2)
        print(f"{folder} is finished.")
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        import ale_py
        import gymnasium
        import stable_baselines3
        import torch
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed here; scripts/benchmark.py --make-sb3-venv makes what this needs", folder)
    except OSError as error:
        fail(f"--out {options.out} cannot be written: {error}", folder)

    torch.set_num_threads(options.threads)
    gymnasium.register_envs(ale_py)
    try:
        env = _make_env(options.env, SETTINGS[options.algo]["n_envs"], options.seed)
    except gymnasium.error.Error as error:
        fail(f"--env {options.env} is no game of ale-py's: {error}", folder)
    model = make_model(options.algo, env, options.seed)
    with (folder / "metrics.csv").open("w", newline="") as file:
        columns = ["frames", "env_steps", "updates", "wall_time_s", "collect/return_mean", "eval/return_mean"]
        writer = csv.DictWriter(file, columns)
        writer.writeheader()

        def write_row(row: dict[str, Any]) -> None:
            writer.writerow(row)
            file.flush()

        seconds = train(model, options.minutes, write_row)
        returns = evaluate(model, options.env, options.seed, options.episodes)
        summary = summarize(options, returns) | _counters(model) | {"wall_time_s": round(seconds, 1)}
        write_row(
            {"wall_time_s": round(seconds, 1), "eval/return_mean": summary["eval_return_mean"]} | _counters(model)
        )
    # The minutes decide the schedules, so that runs of others are not of the same settings.
    algo = SETTINGS[options.algo] | {"schedule_minutes": options.minutes}
    settings = {"algo": algo, "env": {"id": env_id(options.env)}, "total_minutes": options.minutes}
    write_json(folder / "config.yaml", settings | {"seed": options.seed})  # JSON is YAML, too
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    versions |= {"stable-baselines3": stable_baselines3.__version__, "ale-py": ale_py.__version__}
    hardware = {"accelerator": "cpu", "threads": options.threads, "cores": len(os.sched_getaffinity(0))}
    write_json(folder / "summary.json", summary | {"versions": versions, "hardware": hardware})
    print(f"{folder}: mean return {summary['eval_return_mean']:.2f} over {len(returns)} games")


if __name__ == "__main__":
    main(sys.argv[1:])
