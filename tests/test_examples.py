"""The user's own package under examples/, found and checked like ours, without a change to ours."""

from __future__ import annotations

import importlib

import pytest
import torch

from scripts import evaluate
from tests.front_door import ROOT, call, summary, train

LAB = ROOT / "examples" / "my_lab"


@pytest.fixture(autouse=True)
def it_can_be_imported(monkeypatch):
    monkeypatch.syspath_prepend(LAB)


def run(*arguments, **kwargs):
    choices = ["algo=boltzmann_dqn", "env=corridor", "logger=csv"]
    return train("--config-dir", str(LAB / "conf"), *choices, *arguments, **kwargs)


def test_it_learns_its_corridor(tmp_path):
    result = run(f"run_dir={tmp_path / 'run'}")
    assert result.returncode == 0, result.stderr
    assert summary(tmp_path / "run")["eval_return_mean"] > 0.9
    assert f"scripts/evaluate.py {tmp_path / 'run'} --trust" in result.stdout


def test_its_keys_are_checked_like_ours(tmp_path):
    for override, words in {
        "+algo.temperatur=1": "did you mean algo.temperature",
        "algo.temperature=0": "algo.temperature=0 is not allowed",
        "algo.temperature=null": "algo.temperature=null is not allowed",
    }.items():
        result = run(override, cwd=tmp_path)
        assert result.returncode == 2
        assert words in result.stderr


def test_its_preset_takes_the_tuned_numbers_of_its_base(tmp_path):
    result = train("--config-dir", str(LAB / "conf"), "algo=boltzmann_dqn", "env=catch", "--cfg", "job", cwd=tmp_path)
    assert result.returncode == 0
    assert "target_update_period_updates: 100" in result.stdout


def test_a_folder_that_is_none_is_told():
    result = train("--config-dir", "nowhere", "env=catch")
    assert result.returncode == 2
    assert "nowhere" in result.stderr


@pytest.mark.parametrize(("algo", "env"), [("dqn", "catch"), ("ppo", "cartpole"), ("pqn", "cartpole")])
def test_its_torso_serves_our_algorithms(tmp_path, algo, env):
    tiny = [
        "debug=tiny",
        "total_frames=1000",
        "eval.episodes=1",
        "callbacks.video=false",
        f"run_dir={tmp_path / 'run'}",
    ]
    own = ["algo.network._target_=my_lab.networks.ResidualTorso", "algo.network.width=16"]
    result = train(f"algo={algo}", f"env={env}", *tiny, *own)
    assert result.returncode == 0, result.stderr + result.stdout
    state = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert any("blocks" in name and len(value) == 16 for name, value in state.items())
    folder = call(evaluate.main, "evaluate.py", tmp_path / "run", "--episodes", "1")
    assert folder.returncode == 2
    assert "algo.network._target_" in folder.stderr
    assert call(evaluate.main, "evaluate.py", tmp_path / "run", "--episodes", "1", "--trust").returncode == 0


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("algo.network.widht=16", "did you mean algo.network.width"),
        ("algo.network.width=0", "algo.network.width=0 is not allowed"),
    ],
)
def test_the_keys_of_its_torso_are_checked(tmp_path, override, words):
    result = run("algo.network._target_=my_lab.networks.ResidualTorso", override, cwd=tmp_path)
    assert result.returncode == 2
    assert words in result.stderr


def test_a_policy_is_asked_from_python(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(ROOT)
    ask = importlib.import_module("examples.ask_a_policy")
    folder = tmp_path / "run"
    assert train("algo=ppo", "env=catch", "logger=csv", "total_frames=500", f"run_dir={folder}").returncode == 0
    ask.main(folder)
    lines = capsys.readouterr().out.splitlines()
    steps = [line.split() for line in lines if "action" in line]
    assert [int(words[0]) for words in steps] == list(range(9))  # a ball falls for nine steps
    assert all(words[3] == "value" and abs(float(words[4])) < 10 for words in steps)
    assert lines[-1] in ("return 1 after 9 steps", "return -1 after 9 steps")
