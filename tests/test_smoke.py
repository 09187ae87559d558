"""Every algorithm file's presets run end to end, found by globbing, and learn what they learned before."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from tests.front_door import ROOT, rows, summary, train

ALGOS = sorted(path.stem for path in (ROOT / "conf" / "algo").glob("*.yaml"))
GOLDEN = ROOT / "tests" / "golden_runs.json"
COLUMNS_OF_TIME = {"wall_time_s", "train/frames_per_second"}
PLANNER = ["algo.num_simulations=4", "algo.batch_size=8", "total_frames=600",  # else they take long
           "algo.replay.capacity_env_steps=9000"]  # fmt: skip
SMALL = {"muzero": PLANNER, "efficientzero": PLANNER, "alphazero": PLANNER, "nfsp": ["total_frames=4000"],
         "spr": ["algo.batch_size=8", "algo.env_steps_per_update=8", "total_frames=1200"]}  # fmt: skip
CONTROL = ["algo.policy_hidden_sizes=[16,16]", "algo.critic_hidden_sizes=[16,16]", "algo.batch_size=32",
           "callbacks.metrics.period_frames=400", "total_frames=900"]  # fmt: skip
CONTINUOUS = ["ddpg", "td3", "sac", "crossq"]
SMALL |= dict.fromkeys(CONTINUOUS, CONTROL)
ENVS = {"alphazero": "tic_tac_toe", "nfsp": "kuhn_poker"}
ENVS |= dict.fromkeys(["q_learning", "dyna"], "frozen_lake")  # they cannot play Catch
ENVS |= dict.fromkeys(CONTINUOUS, "pendulum")


def run(folder, *arguments):
    result = train("logger=csv", "eval.episodes=1", "trainer.num_threads=1", f"run_dir={folder}", *arguments)
    assert result.returncode == 0, result.stderr + result.stdout
    return summary(folder)


def run_small(algo, folder):
    return run(folder, f"algo={algo}", f"env={ENVS.get(algo, 'catch')}", "debug=tiny", "callbacks.metrics.least_rows=0",
               *SMALL.get(algo, ["total_frames=1200"]))  # fmt: skip


def learned(folder):
    """Return what a run played, and the numbers of its metrics."""
    episodes = [[int(row["seed"]), int(row["length"]), float(row["return"])] for row in rows(folder, "episodes.csv")]
    metrics = [
        {name: float(value) for name, value in row.items() if value and name not in COLUMNS_OF_TIME}
        for row in rows(folder)
    ]
    return {"episodes": episodes, "metrics": metrics}


def write_golden_runs(algos):
    """Write these of `GOLDEN` anew, after a change that alters learning: python -m tests.test_smoke dqn c51."""
    golden = json.loads(GOLDEN.read_text())
    for algo in algos:
        with tempfile.TemporaryDirectory() as scratch:
            run_small(algo, Path(scratch) / "run")
            golden[algo] = learned(Path(scratch) / "run")
    GOLDEN.write_text(json.dumps({algo: golden[algo] for algo in ALGOS}) + "\n")


@pytest.mark.parametrize("algo", ALGOS)
def test_every_algorithm_runs_and_learns_what_it_did_before(algo, tmp_path):
    """Another processor rounds elsewhere, so numbers may differ a little; `scripts/same_learning.py` is exact.

    Some hundred updates make more of it where products are summed in another order, as without AVX-512.
    """
    found = run_small(algo, tmp_path / "run")
    assert found["status"] == "finished"
    assert found["updates"] > 0
    assert (tmp_path / "run" / "videos" / "evaluation.mp4").stat().st_size
    golden, now = json.loads(GOLDEN.read_text()).get(algo), learned(tmp_path / "run")
    assert golden is not None, f"there is no golden run of {algo} yet: python -m tests.test_smoke {algo} writes it"
    is_alike = torch.backends.cpu.get_cpu_capability() == "AVX512"  # to where the golden runs were played
    num_episodes, rel, least = (30, 0.02, 2e-3) if is_alike else (20, 0.25, 1e-2)
    for episode, expected in zip(now["episodes"][:num_episodes], golden["episodes"], strict=False):
        assert episode == pytest.approx(expected, rel=1e-4)
    assert len(now["episodes"]) == len(golden["episodes"])
    for row, expected in zip(now["metrics"], golden["metrics"], strict=True):
        numbers = {name: value for name, value in expected.items() if name.startswith("train/")}
        assert {name: row.get(name) for name in numbers} == pytest.approx(numbers, rel=rel, abs=least)
        assert row["updates"] == expected["updates"]


@pytest.mark.parametrize("protocol", ["nature", "machado", "atari100k"])
def test_every_protocol_runs_on_atari(protocol, tmp_path):
    found = run(
        tmp_path / "run",
        "env=breakout",
        f"protocol={protocol}",
        "total_frames=2000",
        "algo.learning_starts_env_steps=400",
        "algo.replay.capacity_env_steps=10000",
        "algo.replay.storage=disk",
        "protocol.max_frames_per_episode=400",
    )
    assert found["status"] == "finished"
    assert found["protocol"] == protocol
    assert found["updates"] > 0
    assert found["human_normalized_score"] is not None


@pytest.mark.parametrize("experiment", [["experiment=pong_fast"], ["experiment=fast", "env=breakout"]])
def test_the_quick_mixes_run(experiment, tmp_path):
    found = run(
        tmp_path / "run",
        *experiment,
        "total_frames=1000",
        "algo.learning_starts_env_steps=100",
        "eval.final_episodes=1",
        "protocol.max_frames_per_episode=400",
    )
    assert found["updates"] > 0


@pytest.mark.parametrize("algo", ["dqn", "ppo", "muzero"])
def test_pictures_in_colour_are_stacked_and_learned_from(algo, tmp_path):
    env = ["env=gym", "env.id=tests.colour_env:Colour-v0", "env.frame_stack=4"]
    replay = [] if algo == "ppo" else ["algo.replay.capacity_env_steps=10000"]  # the usual one takes 21 GB
    found = run(tmp_path / "run", f"algo={algo}", *env, *replay, "debug=tiny", *SMALL.get(algo, ["total_frames=600"]))
    assert found["status"] == "finished"
    assert found["updates"] > 0


if __name__ == "__main__":
    write_golden_runs(sys.argv[1:] or ALGOS)
