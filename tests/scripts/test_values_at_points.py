"""scripts/values_at_points.py on tiny runs."""

import json

import numpy as np
import pytest

from scripts import values_at_points
from scripts.values_at_points import before_rewards
from tests.front_door import call, train

TINY = ["env=catch", "debug=tiny", "callbacks.video=false", "total_frames=600"]


def measure(*arguments):
    return call(values_at_points.main, "scripts/values_at_points.py", *arguments)


def test_a_step_counts_for_the_next_reward_alone():
    rewards = np.zeros(30)
    rewards[[3, 12, 29]] = [1.0, -1.0, -2.0]
    found = before_rewards(rewards, np.arange(30.0))
    assert found["won"] == {40: [], 20: [], 10: [], 5: [], 1: [2.0]}
    assert found["lost"] == {40: [], 20: [], 10: [19.0], 5: [7.0, 24.0], 1: [11.0, 28.0]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    run = tmp_path_factory.mktemp("values") / "run"
    result = train("algo=dqn", *TINY, f"run_dir={run}")
    assert result.returncode == 0, result.stdout + result.stderr
    return run


def test_each_ball_of_catch_is_a_point(folder, tmp_path):
    result = measure(folder, "--games", "3", "--out", tmp_path / "values.json")
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path / "values.json").read_text())
    assert found["won"]["rewards"] + found["lost"]["rewards"] == len(found["returns"]) == 3
    assert (found["env"], found["algo"]) == ("Catch-v0", "DQN")
    assert set(found["lost"]["mean_value_by_steps_before"]) <= {"1", "5"}  # a ball falls for nine steps


def test_what_has_no_values_is_told(tmp_path):
    run = tmp_path / "run"
    assert train("algo=reinforce", "algo.baseline=false", *TINY, f"run_dir={run}").returncode == 0
    result = measure(run)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "error: REINFORCE has no values; give a run of another algorithm.\n"


@pytest.mark.parametrize("arguments", [["--games", "0"], []])
def test_what_cannot_be_measured_is_told(arguments, tmp_path):
    result = measure(tmp_path / "none", *arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
