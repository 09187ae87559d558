"""Time Stable-Baselines3 on Pong or HalfCheetah; runs in a virtual environment of its own and prints one JSON line.

The samples of DQN per env step are those of `python train.py algo=dqn env=pong`: one update of 32 per four env steps.
Those of SAC and TD3 are those of `python train.py algo=sac env=half_cheetah`: one update of 256 per env step.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any

try:
    import ale_py
    import gymnasium
    import stable_baselines3
    import torch
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_atari_env, make_vec_env
    from stable_baselines3.common.vec_env import VecFrameStack
except ModuleNotFoundError as missing:
    maker = "scripts/benchmark.py --make-sb3-venv makes what this needs"
    print(f"error: {missing.name} is not installed here; {maker}.", file=sys.stderr)
    sys.exit(2)

ENV_STEPS_PER_UPDATE = 4


class Stopwatch(BaseCallback):
    """Time the env steps from ``start_env_steps`` to the end."""

    def __init__(self, start_env_steps: int) -> None:
        super().__init__()
        self.start_env_steps = start_env_steps
        self.first: tuple[int, float] | None = None
        self.last = (0, 0.0)

    def _on_step(self) -> bool:
        self.last = self.num_timesteps, time.perf_counter()
        if self.first is None and self.num_timesteps >= self.start_env_steps:
            self.first = self.last
        return True


def make_dqn(env: Any, options: argparse.Namespace) -> stable_baselines3.DQN:
    """Make a DQN with the rhythm of this project's."""
    has_one_env = options.num_envs == 1
    return stable_baselines3.DQN(
        "CnnPolicy",
        env,
        learning_rate=1e-4,
        buffer_size=options.capacity_env_steps,
        learning_starts=options.learning_starts_env_steps,
        batch_size=32,
        train_freq=ENV_STEPS_PER_UPDATE if has_one_env else 1,  # in vector steps
        gradient_steps=1 if has_one_env else options.num_envs // ENV_STEPS_PER_UPDATE,
        target_update_interval=1000,
        exploration_fraction=0.1,
    )


def make_ppo(env: Any, options: argparse.Namespace) -> stable_baselines3.PPO:
    """Make the PPO that RL Baselines3 Zoo gives for Atari."""
    return stable_baselines3.PPO("CnnPolicy", env, n_steps=128, n_epochs=4, batch_size=256)


def make_a2c(env: Any, options: argparse.Namespace) -> stable_baselines3.A2C:
    """Make the A2C that RL Baselines3 Zoo gives for Atari."""
    return stable_baselines3.A2C("CnnPolicy", env, n_steps=5)


def make_sac(env: Any, options: argparse.Namespace) -> stable_baselines3.SAC:
    """Make SAC with the networks and batches of this project's, which are its own defaults."""
    return stable_baselines3.SAC("MlpPolicy", env, **of_continuous_control(options))


def make_td3(env: Any, options: argparse.Namespace) -> stable_baselines3.TD3:
    """Make TD3 with the networks and batches of this project's."""
    networks = {"net_arch": [256, 256]}
    return stable_baselines3.TD3("MlpPolicy", env, policy_kwargs=networks, **of_continuous_control(options))


def of_continuous_control(options: argparse.Namespace) -> dict[str, Any]:
    """Return what SAC and TD3 share."""
    return {
        "learning_rate": 3e-4,
        "buffer_size": options.capacity_env_steps,
        "learning_starts": options.learning_starts_env_steps,
        "batch_size": 256,
        "train_freq": 1,
        "gradient_steps": -1,  # as many as env steps, of all environments
    }


MODELS = {"dqn": make_dqn, "ppo": make_ppo, "a2c": make_a2c, "sac": make_sac, "td3": make_td3}


def main() -> None:
    """Train and print the steady speed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--algo", choices=MODELS, default="dqn")
    parser.add_argument("--num-envs", type=int, default=1)
    parser.add_argument("--env-steps", type=int, default=8000, help="that are timed")
    parser.add_argument("--start-env-steps", type=int, default=3000, help="before which nothing is timed")
    parser.add_argument("--learning-starts-env-steps", type=int, default=1000)
    parser.add_argument("--capacity-env-steps", type=int, default=20_000)
    options = parser.parse_args()

    # As train.py chooses, whatever the environment's variables say: all cores for images, one thread for vectors.
    is_control = options.algo in ("sac", "td3")
    torch.set_num_threads(1 if is_control else len(os.sched_getaffinity(0)))
    if is_control:
        env = make_vec_env("HalfCheetah-v5", n_envs=options.num_envs, seed=0)
    else:
        gymnasium.register_envs(ale_py)
        env = VecFrameStack(make_atari_env("PongNoFrameskip-v4", n_envs=options.num_envs, seed=0), 4)
    model = MODELS[options.algo](env, options)
    stopwatch = Stopwatch(options.start_env_steps)
    model.learn(options.start_env_steps + options.env_steps, callback=stopwatch)
    assert stopwatch.first is not None
    (first_steps, first_time), (last_steps, last_time) = stopwatch.first, stopwatch.last
    result = {
        "env_steps_per_second": (last_steps - first_steps) / (last_time - first_time),
        "stable_baselines3": stable_baselines3.__version__,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
