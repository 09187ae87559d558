from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.front_door import rows, train
from triptych.callbacks.overestimation import Overestimation, discounted_returns
from triptych.collect.recording import Recording
from triptych.types import Episode, Explanation


def test_returns_are_discounted_sums_which_a_terminal_step_cuts():
    rewards = np.array([1.0, 0.0, 2.0, -1.0])
    expected = [1 + 0.25 * 2 - 0.125, 0.5 * 2 - 0.25, 2 - 0.5, -1]
    np.testing.assert_allclose(discounted_returns(rewards, 0.5), expected)
    is_terminal = np.array([False, True, False, True])
    np.testing.assert_allclose(discounted_returns(rewards, 0.5, is_terminal), [1, 0, 1.5, -1])


class Oracle:
    """Values an observation by its only number, and forgets where a game begins."""

    device = torch.device("cpu")

    def __init__(self):
        self.games = 0

    def on_test_start(self):
        self.games += 1

    def explain(self, observation):
        return Explanation(q_values=torch.stack([observation[:, 0], observation[:, 0] - 1], dim=-1))


@pytest.mark.parametrize("clips", [False, True])
def test_what_is_expected_is_compared_with_what_came(clips):
    rewards, lost = np.array([0.0, 5.0, 5.0], np.float32), np.array([False, True, False])
    recording = Recording(Episode(0, 0, 1), np.array([[1.0], [2.0], [6.0]], np.float32), rewards, True, lost)
    data = SimpleNamespace(clip_rewards=clips, life_loss_is_terminal=clips)
    module = Oracle()
    found = Overestimation(discount=0.5).compare([recording, recording], module, data)
    assert found.value == 3
    assert found.discounted_return == pytest.approx((0.5 + 1 + 1) / 3 if clips else (3.75 + 7.5 + 5) / 3)
    assert module.games == 2


EXTRA = "+callbacks.extra.values={_target_: triptych.callbacks.overestimation.Overestimation, discount: 0.99}"
SMALL = ["env=catch", "debug=tiny", "logger=csv", "callbacks.video=false", EXTRA]


def test_a_run_files_both_with_each_evaluation(tmp_path):
    result = train("algo=dqn", *SMALL, "total_frames=800", "eval.period_frames=400", f"run_dir={tmp_path / 'run'}")
    assert result.returncode == 0, result.stderr
    evaluations = [row for row in rows(tmp_path / "run") if row["eval/return_mean"]]
    for row in evaluations:  # a game of Catch takes 9 steps and pays at its end
        assert abs(float(row["eval/discounted_return_mean"])) <= 1
        assert abs(float(row["eval/value_mean"])) < 10
    assert evaluations


CASES = {
    "two players": (["algo=dqn", "env=tic_tac_toe"], "opponent"),
    "scaled rewards": (["algo=ppo", "env=catch", "algo.normalize_rewards=true"], "algo.normalize_rewards=true"),
    "no values": (["algo=reinforce", "env=catch", "algo.baseline=false"], "REINFORCE has no values"),
}


@pytest.mark.parametrize("case", CASES)
def test_where_nothing_can_be_compared_it_is_told_at_the_start(case, tmp_path):
    arguments, words = CASES[case]
    result = train(*SMALL, *arguments, f"run_dir={tmp_path / 'run'}")
    assert result.returncode == 2
    assert words in result.stdout
    assert "callbacks.extra: Overestimation cannot be used" in result.stdout
