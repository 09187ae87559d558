"""The user's own package under examples/, found and checked like ours, without a change to ours."""

from __future__ import annotations

import pytest

from tests.front_door import ROOT, summary, train

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
