"""Fill a replay with Atari-sized steps and measure what it, and a checkpoint beside it, add to resident memory.

Also how long training stands still for a checkpoint at the default period, when the replay is full.

python scripts/measure_replay.py --env-steps 1000000 --out docs/results/replay_memory.json
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil

from triptych.provenance.code import write_measurement
from triptych.replay.buffer import ReplayBuffer
from triptych.run.arguments import ScriptParser, whole_number
from triptych.run.exit_codes import exit_code_of
from triptych.types import EnvSpec, Step

NUM_ENVS = 16
PERIOD_ENV_STEPS = 125_000  # checkpoint.period_frames of conf/train.yaml, 4 frames to a step
SPEC = EnvSpec("pong", "nature", (4, 84, 84), "uint8", num_actions=6, frame_stack=4, frame_skip=4)


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    return psutil.Process().memory_info().rss


def fill(replay: ReplayBuffer, env_steps: int, is_new: bool = True) -> None:
    """Add steps of one endless episode per environment, from its first or after those that are there."""
    observation = np.random.default_rng(0).integers(0, 256, (NUM_ENVS, *SPEC.observation_shape), dtype=np.uint8)
    zeros, ones = np.zeros(NUM_ENVS, np.int64), np.ones(NUM_ENVS, np.float32)
    never = np.zeros(NUM_ENVS, dtype=bool)
    for vector_step in range(env_steps // NUM_ENVS):
        is_first = np.full(NUM_ENVS, is_new and vector_step == 0)
        replay.add(Step(observation, zeros, ones, never, never, is_first, observation, {}))


def peak_while_saving(replay: ReplayBuffer, directory: Path) -> int:
    """Save the replay and return the highest resident memory seen meanwhile."""
    peak, is_saving = resident_bytes(), True

    def watch() -> None:
        nonlocal peak
        while is_saving:
            peak = max(peak, resident_bytes())
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        replay.save(directory, "measured")
    finally:
        is_saving = False
        watcher.join()
    return peak


def measure(arguments: list[str]) -> None:
    """Measure, print and write JSON.

    Raises:
        ConfigurationError: an argument cannot be used.
    """
    parser = ScriptParser(__doc__)
    parser.add_argument("--env-steps", type=whole_number(1_000), default=1_000_000)
    parser.add_out()
    options = parser.parse_args(arguments)

    ReplayBuffer(SPEC, NUM_ENVS, capacity_env_steps=1000, n_step=1, discount=0.99, seed=1)  # loads what compiles
    before = resident_bytes()
    replay = ReplayBuffer(SPEC, NUM_ENVS, capacity_env_steps=options.env_steps, n_step=1, discount=0.99, seed=1)
    fill(replay, options.env_steps)
    filled = resident_bytes()
    with tempfile.TemporaryDirectory(dir=".") as directory:
        peak = peak_while_saving(replay, Path(directory))
        fill(replay, PERIOD_ENV_STEPS, is_new=False)
        started = time.monotonic()
        replay.save(Path(directory), "later")
        seconds = time.monotonic() - started
    found = {
        "env_steps": options.env_steps,
        "transitions": len(replay),
        "frames_gb": options.env_steps * SPEC.observation_size // SPEC.frame_stack / 1e9,
        "resident_memory_added_gb": (filled - before) / 1e9,
        "resident_memory_added_by_saving_gb": (peak - filled) / 1e9,
        "env_steps_since_the_save_before": PERIOD_ENV_STEPS,
        "seconds_of_a_save": seconds,
        "least_period_seconds_for_two_percent": seconds / 0.02,
    }
    print(write_measurement(options.out, "measure_replay.py", arguments, found), end="")


def main(arguments: list[str]) -> int:
    """Measure and return the exit code."""
    return exit_code_of(lambda: measure(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
