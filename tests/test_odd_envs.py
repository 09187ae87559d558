"""Odd but legal environments train, or are refused in one sentence."""

from __future__ import annotations

import pytest

from scripts import watch
from tests.front_door import call, rows, summary, train
from tests.watch.test_page import data_of
from triptych.callbacks.actions_file import read_actions

PPO = ["algo=ppo", "algo.num_envs=8", "algo.rollout_length=32", "algo.num_minibatches=4", "total_frames=512"]
DQN = [
    "algo=dqn", "algo.num_envs=8", "algo.learning_starts_env_steps=500", "algo.replay.capacity_env_steps=10000",
    "algo.epsilon_decay_env_steps=2000", "algo.learning_rate=1e-3", "algo.target_update_period_updates=100",
    "total_frames=4000", "eval.episodes=5", "eval.period_frames=2000",
]  # fmt: skip


def play(name, folder, *arguments):
    quiet = ["logger=csv", "trainer.num_threads=1", "callbacks.video=false", "eval.final_episodes=3", "eval.episodes=2"]
    return train("env=gym", f"env.id=tests.odd_envs:{name}-v0", *quiet, f"run_dir={folder}", *arguments)


@pytest.mark.parametrize(
    "name",
    ["Whole", "Small", "SmallNested", "SmallStart", "Scalar", "ArrayReward", "Dicts", "Tuples", "Infos",
     "InfoArrays", "Options", "NoSeed"],
)  # fmt: skip
def test_a_policy_trains(name, tmp_path):
    """Those that are learned below are not played here, too."""
    result = play(name, tmp_path / "run", *PPO)
    assert result.returncode == 0, result.stderr + result.stdout
    found = summary(tmp_path / "run")
    assert (found["status"], found["frames"]) == ("finished", 512)
    assert found["updates"] > 0


@pytest.mark.parametrize("algo", ["reinforce", "a2c", "recurrent_ppo"])
def test_other_policies_play_choices_and_numbers_too(algo, tmp_path):
    result = play("Knobs", tmp_path / "run", f"algo={algo}", "algo.rollout_length=32", "total_frames=2048")
    assert result.returncode == 0, result.stderr + result.stdout
    assert summary(tmp_path / "run")["updates"] > 0


def test_a_game_of_choices_and_numbers_is_filmed_kept_and_shown(tmp_path):
    folder = tmp_path / "run"
    result = play("Nested", folder, *PPO, "callbacks.video=true", "callbacks.metrics.keep_actions=all")
    assert result.returncode == 0, result.stderr + result.stdout
    assert (folder / "videos" / "evaluation.mp4").stat().st_size > 1000
    result = call(watch.main, "scripts/watch.py", folder, "--episode", "0/0", "--trust")
    assert result.returncode == 0, result.stderr
    data = data_of((folder / "watch" / "episode-0-0.html").read_text())
    kept = read_actions(folder / "actions.bin", 0, 0).array
    assert kept.shape == (10, 8)
    assert data["gaussian"]["taken"] == pytest.approx(kept[:, 5:], rel=1e-3)
    assert [[option - first for option, first in zip(row, (0, 3, 5, 7, 9), strict=True)] for row in data["taken"]] == (
        kept[:, :5].tolist()
    )
    assert sum(data["rewards"]) == pytest.approx(float(rows(folder, "episodes.csv")[0]["return"]), rel=1e-3)


@pytest.mark.parametrize(("name", "at_random"), [("Multi", 5), ("Binary", 5), ("Start", 5), ("Huge", 3.1)])
def test_what_a_policy_learns_of_odd_actions_is_played(name, at_random, tmp_path):
    result = play(
        name, tmp_path / "run", *PPO, "total_frames=3072", "algo.learning_rate=3e-3", "eval.final_episodes=10"
    )
    assert result.returncode == 0, result.stderr + result.stdout
    assert summary(tmp_path / "run")["eval_return_mean"] > at_random + 2.5


@pytest.mark.parametrize("name", ["FrozenLake-v1", "Blackjack-v1"])
@pytest.mark.parametrize("algo", [PPO, ["algo=dqn", "debug=tiny"]], ids=["ppo", "dqn"])
def test_gymnasiums_own_games_of_numbers_train_without_a_wrapper(name, algo, tmp_path):
    quiet = ["logger=csv", "trainer.num_threads=1", "eval.final_episodes=2", f"run_dir={tmp_path / 'run'}"]
    result = train("env=gym", f"env.id={name}", *algo, *quiet, "total_frames=512")
    assert result.returncode == 0, result.stderr + result.stdout
    assert summary(tmp_path / "run")["updates"] > 0
    assert "sees  the vector of a" in result.stdout
    assert "advice" not in result.stdout


@pytest.mark.parametrize("name", ["Scalar", "Dicts", "Start"])
def test_a_value_method_trains(name, tmp_path):
    result = play(name, tmp_path / "run", *DQN, "total_frames=800")
    assert result.returncode == 0, result.stderr + result.stdout
    assert summary(tmp_path / "run")["updates"] > 0


def test_a_simulator_that_changes_the_folder_does_not_take_the_run_with_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert play("Elsewhere", "run", *PPO).returncode == 0
    assert summary(tmp_path / "run")["frames"] == 512
    assert "is finished" in play("Elsewhere", "run", *PPO).stdout


def test_infos_that_nobody_reads_do_no_harm_in_processes_either(tmp_path):
    result = play("Infos", tmp_path / "run", *PPO, "env.use_processes=true", "env.num_envs=2")
    assert result.returncode == 0, result.stderr + result.stdout


@pytest.mark.parametrize("name", ["Stones", "Stones255", "StonesFloat", "StonesWide"])
def test_a_board_is_seen_whatever_numbers_its_stones_are(name, tmp_path):
    result = play(name, tmp_path / "run", *DQN)
    assert result.returncode == 0, result.stderr + result.stdout
    assert summary(tmp_path / "run")["eval_return_mean"] >= 7.5
    assert "a picture of 6 x 7" in result.stdout


def test_a_game_without_an_end_is_cut_in_evaluation_and_said_once(tmp_path):
    result = play("Never", tmp_path / "run", *PPO, "eval.max_episode_steps=50", "eval.period_frames=256")
    assert result.returncode == 0, result.stderr + result.stdout
    games = rows(tmp_path / "run", "evaluations.csv")
    assert len(games) == 4
    assert {(game["length"], game["is_truncated"]) for game in games} == {("50", "1")}
    assert result.stdout.count("eval.max_episode_steps=50") == 1


def test_a_policy_that_has_learnt_not_to_end_its_game_is_evaluated_all_the_same(tmp_path):
    arguments = ["total_frames=3072", "algo.learning_rate=3e-3", "eval.max_episode_steps=60", "eval.period_frames=1024"]
    result = play("NeverAfter", tmp_path / "run", *PPO, *arguments, "eval.final_episodes=8")
    assert result.returncode == 0, result.stderr + result.stdout
    assert max(summary(tmp_path / "run")["eval_returns"]) == 60
    games = rows(tmp_path / "run", "evaluations.csv")
    assert all(game["is_truncated"] == str(int(game["length"] == "60")) for game in games)
    assert result.stdout.count("eval.max_episode_steps=60") == 1


def test_a_value_method_says_what_to_do_about_several_choices_at_once(tmp_path):
    result = play("Multi", tmp_path / "run", *DQN)
    assert result.returncode == 2
    assert "2 choices at once" in result.stderr
    assert "algo=ppo" in result.stderr


def test_a_reward_that_is_no_number_is_told(tmp_path):
    result = play("WrongReward", tmp_path / "run", *PPO)
    assert result.returncode == 1
    assert "reward that is no number" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr
    result = play("NoReward", tmp_path / "other", *PPO)
    assert result.returncode == 2
    assert "env.id=tests.odd_envs:NoReward-v0 does not keep to Gymnasium's interface: step() returns" in result.stderr
    assert not (tmp_path / "other").exists()
    result = play("NoInfos", tmp_path / "third", *PPO)
    assert result.returncode == 2
    assert "does not keep to Gymnasium's interface: the infos of step() are of type NoneType" in result.stderr
    assert not (tmp_path / "third").exists()


@pytest.mark.parametrize(("name", "status"), [("Leaves", "Failed to start"), ("LeavesLate", "Failed")])
def test_an_environment_that_ends_the_process_fails_its_run_alone(name, status, tmp_path):
    result = play(name, tmp_path / "run", *PPO)
    assert result.returncode == 1
    assert f"{status}: RuntimeError: the environment, or other code of the run, ended the process by sys.exit(3)" in (
        result.stdout
    )
    assert summary(tmp_path / "run")["status"] == "failed"


def test_a_sweep_tells_which_environment_ends_the_process(tmp_path):
    sweep = ["-m", "env=gym", "env.id=tests.odd_envs:Leaves-v0,CartPole-v1", *PPO, "logger=csv"]
    result = train(*sweep, cwd=tmp_path)
    assert result.returncode == 2
    assert "its environment cannot be played (SystemExit: 3)" in result.stderr
    assert "Leaves-v0" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_drawn_trains_without_a_video(tmp_path):
    result = play("NoPicture", tmp_path / "run", *PPO, "callbacks.video=true")
    assert result.returncode == 0, result.stderr
    assert "No video could be made" in result.stdout


def test_a_render_mode_of_the_users_does_not_cost_the_video(tmp_path):
    result = play("Half", tmp_path / "run", *PPO, "callbacks.video=true", "env.make_kwargs={render_mode:rgb_array}")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "run" / "videos" / "evaluation.mp4").stat().st_size


def test_numbers_of_different_size_get_the_advice_to_normalise(tmp_path):
    result = play("Sizes", tmp_path / "run", *PPO)
    assert "algo.normalize_observations=true" in result.stdout
    calm = play("Sizes", tmp_path / "calm", *PPO, "algo.normalize_observations=true")
    assert "advice" not in calm.stdout
