"""Every algorithm file's presets run end to end, found by globbing: few steps, all the machinery."""

from __future__ import annotations

import pytest

from tests.front_door import ROOT, summary, train

ALGOS = sorted(path.stem for path in (ROOT / "conf" / "algo").glob("*.yaml"))
PLANNERS = ("muzero", "efficientzero")  # a step and an update of theirs take the longest


def run(folder, *arguments):
    result = train("logger=csv", "eval.episodes=1", "trainer.num_threads=1", f"run_dir={folder}", *arguments)
    assert result.returncode == 0, result.stderr + result.stdout
    return summary(folder)


@pytest.mark.parametrize("algo", ALGOS)
def test_every_algorithm_runs(algo, tmp_path):
    total_frames = 400 if algo in PLANNERS else 1200
    found = run(tmp_path / "run", f"algo={algo}", "env=catch", "debug=tiny", f"total_frames={total_frames}")
    assert found["status"] == "finished"
    assert found["updates"] > 0
    assert (tmp_path / "run" / "videos" / "evaluation.mp4").stat().st_size


@pytest.mark.parametrize("algo", ["reinforce", "a2c", "ppo"])
def test_policies_act_in_continuous_spaces(algo, tmp_path):
    found = run(tmp_path / "run", f"algo={algo}", "env=gym", "env.id=Pendulum-v1", "debug=tiny", "total_frames=3000")
    assert found["status"] == "finished"
    assert found["updates"] > 0
    assert all(-2000 < value < 0 for value in found["eval_returns"])


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


def test_the_experiment_for_pong_runs(tmp_path):
    found = run(
        tmp_path / "run",
        "experiment=pong_fast",
        "total_frames=1000",
        "algo.learning_starts_env_steps=100",
        "eval.final_episodes=1",
        "protocol.max_frames_per_episode=400",
    )
    assert found["updates"] > 0
