"""What users of other projects type: it is understood, or refused with what to type instead."""

from __future__ import annotations

import sys
import tomllib

import pytest
import torch

from scripts import habits as habits_page
from tests.front_door import ROOT, call, summary, train
from triptych.command import main as front_door
from triptych.command.habits import HABITS, instead, markdown
from triptych.command.main import console
from triptych.command.names import canonical

CONF = ROOT / "conf"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("algo=DQN", "algo=dqn"),
        ("algo=DoubleDQN,PPO", "algo=double_dqn,ppo"),
        ("env=Pong", "env=pong"),
        ("env=ALE/Pong-v5", "env=pong"),
        ("env=PongNoFrameskip-v4", "env=pong"),
        ("env=ALE/MsPacman-v5", "env=ms_pacman"),
        ("env=SpaceInvadersDeterministic-v4", "env=space_invaders"),
        ("env=CartPole-v1", "env=cartpole"),
        ("env=LunarLander-v3", "env=lunar_lander"),
        ("env=HalfCheetah-v5,Hopper-v5", "env=half_cheetah,hopper"),
        ("total_frames=1e6", "total_frames=1000000"),
        ("algo.replay.capacity_env_steps=2.5e4", "algo.replay.capacity_env_steps=25000"),
        ("algo.learning_rate=1e-3", "algo.learning_rate=1e-3"),
        ("seed=1,2e1", "seed=1,20"),
        ("env=pnog", "env=pnog"),
        ("env=catch.yaml", "env=catch"),
        ("env=./catch,/pong", "env=catch,pong"),
        ("algo=ppo/../DQN.yaml", "algo=dqn"),
        ("+env=Catch", "env=catch"),
        ("+experiment=pong_fast", "experiment=pong_fast"),
        ("+seed=2", "+seed=2"),
        ("algo.network={torso:nips}", "++algo.network={torso:nips}"),
        ("run_dir=1e6/x", "run_dir=1e6/x"),
        ("run_dir=my runs/a=1", "run_dir='my runs/a=1'"),
        ("run_dir='quoted'", "run_dir='quoted'"),
        ("run_dir=null", "run_dir=null"),
        ("run_dir=2026", "run_dir='2026'"),
        ("run_dir=./1e3", "run_dir='1e3'"),
        ("ckpt_path=true", "ckpt_path='true'"),
        ("++experiment=fast", "experiment=fast"),
        ("total_frames=choice(1e6,2e6)", "total_frames=choice(1000000,2000000)"),
        ("task_name='lr,1e3,first'", "task_name='lr,1e3,first'"),
        ("task_name=run-1e3", "task_name=run-1e3"),
        ("algo.network.hidden_sizes=[1e2,64]", "++algo.network.hidden_sizes=[100,64]"),
        ("env.make_kwargs.gravity=1e3", "++env.make_kwargs.gravity=1e3"),
        ("env.make_kwargs.gravity=-5", "++env.make_kwargs.gravity=-5"),
        ("+env.make_kwargs.gravity=-5", "+env.make_kwargs.gravity=-5"),
        ("run_dir=runs/${seed}", "run_dir=runs/${seed}"),
        ("algo=null", "algo=null"),
        ("--config-dir=x", "--config-dir=x"),
        ("~algo.td_loss", "~algo.td_loss"),
    ],
)
def test_names_are_found_in_any_case_and_by_their_public_ids(typed, meant):
    assert canonical([typed], CONF) == [meant]


@pytest.mark.parametrize("name", ["with blanks", "a=1", "Zürich", "it's", "run (2)"])
def test_a_folder_may_have_any_name(name, tmp_path):
    arguments = ["env=catch", "debug=fdr", "callbacks=none", f"run_dir={tmp_path / name}"]
    assert train(*arguments).returncode == 0
    assert (tmp_path / name / "summary.json").exists()
    assert "is finished" in train(*arguments).stdout


def test_an_id_without_an_option_is_played_all_the_same():
    assert canonical(["env=Acrobot-v1"], CONF) == ["env=gym", "env.id=Acrobot-v1"]
    assert canonical(["env=my_envs:Mine-v0"], CONF) == ["env=gym", "env.id=my_envs:Mine-v0"]


def test_a_whole_run_by_habit(tmp_path):
    arguments = ["algo=PPO", "env=CartPole-v1", "debug=fdr", "logger=none", "callbacks=none", "total_frames=1e3"]
    result = train(*arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert len(list(tmp_path.glob("outputs/.debug/ppo/cartpole/none/*/summary.json"))) == 1


@pytest.mark.parametrize("key", HABITS)
def test_a_key_of_another_project_is_refused_with_the_one_of_this(key, tmp_path):
    result = train("env=catch", f"{key}=3", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr == f"error: {instead(key)}\n"
    assert HABITS[key] in result.stderr


def test_the_documented_table_is_the_one_that_is_used():
    assert (ROOT / "docs" / "coming_from.md").read_text().endswith("\n\n" + markdown())


@pytest.mark.parametrize(
    "choice", ["trainer=cpu", "debug=fdr", "debug=profiler", "callbacks=early_stopping", "logger=none"]
)
def test_habitual_choices_run(choice, tmp_path):
    result = train("env=catch", "debug=fdr", "logger=csv", "total_frames=400", choice, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Finished" in result.stdout


@pytest.mark.parametrize(
    "choice",
    [
        "trainer=mps",
        "trainer=gpu",
        "trainer.max_time=5",
        "trainer.max_time=00:00:00:00",
        "trainer.max_time=9999999:00:00:00",
        "trainer.devices=0",
    ],
)
def test_what_this_machine_or_project_has_not_is_refused_in_a_sentence(choice, tmp_path):
    if choice == "trainer=gpu" and torch.cuda.is_available():
        pytest.skip("there is one")
    result = train("env=catch", choice, cwd=tmp_path)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert "trainer." in result.stderr


def test_a_run_ends_after_its_time_and_goes_on_when_it_is_given_more(tmp_path):
    arguments = ["env=catch", "total_frames=100000000", "logger=csv", "eval.episodes=1", "run_dir=run"]

    def run(*more):
        result = train(*arguments, "callbacks.video=false", "stop_when_solved=false", *more, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        return result.stdout

    assert "Finished: the time is used up" in run("trainer.max_time=00:00:00:02")
    first = summary(tmp_path / "run")
    assert first["stop_reason"] == "max_time"
    assert "is finished" in (said := run("trainer.max_time=00:00:00:02"))
    assert "A larger trainer.max_time goes on" in said
    assert "Finished: the minutes are used up" in run("trainer.max_time=00:00:30:00", "total_minutes=0.06")
    second = summary(tmp_path / "run")
    assert second["frames"] > first["frames"]
    assert second["stop_reason"] == "total_minutes"


def test_help_says_what_to_type():
    result = train("--help")
    assert result.returncode == 0
    for word in ("python train.py algo=dqn env=pong", "muzero", "atari100k", "emulator frames", "--cfg job"):
        assert word in result.stdout
    assert "powered by Hydra" not in result.stdout


def test_the_console_command_is_the_front_door_in_any_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["env=catch", "debug=fdr", "total_frames=400", "callbacks=none"]
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/triptych", *arguments])
    assert console() == 0
    (path,) = tmp_path.glob("outputs/.debug/dqn/catch/none/*/summary.json")
    assert summary(path.parent)["command"] == "triptych env=catch debug=fdr total_frames=400 callbacks=none"
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"triptych": f"{console.__module__}:{console.__name__}"}


def test_without_its_checkout_it_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(front_door, "CONF", tmp_path / "conf")
    assert front_door.main(["env=catch"]) == 2
    assert f"{tmp_path / 'conf'} holds no configuration" in capsys.readouterr().err


def test_a_key_of_another_project_that_is_added_by_a_plus_is_refused_alike():
    result = train("env=catch", "+trainer.fast_dev_run=true")
    assert (result.returncode, result.stderr) == (2, f"error: {instead('trainer.fast_dev_run')}\n")


def test_the_page_of_habitual_command_lines_is_what_the_code_does(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert call(habits_page.main, "scripts/habits.py", "--check").returncode == 0, "run scripts/habits.py"
