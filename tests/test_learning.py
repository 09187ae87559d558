"""Whether it learns: whole runs with the settings that users get, judged by their final evaluation."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def final_return(folder, *arguments):
    command = [sys.executable, str(ROOT / "train.py"), "logger=csv", "callbacks.video=false", f"run_dir={folder}"]
    result = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr + result.stdout
    return json.loads((folder / "summary.json").read_text())["eval_return_mean"]


@pytest.mark.learning
@pytest.mark.parametrize("algo", ["dqn", "reinforce", "a2c", "ppo", "pqn"])
def test_it_learns_catch_from_pixels(algo, tmp_path):
    assert final_return(tmp_path / "run", f"algo={algo}", "env=catch", "eval.final_episodes=50") >= 0.9


@pytest.mark.learning
@pytest.mark.parametrize("algo", ["dqn", "ppo", "muzero"])
def test_it_learns_cartpole_from_vectors(algo, tmp_path):
    assert final_return(tmp_path / "run", f"algo={algo}", "env=cartpole", "eval.final_episodes=20") >= 400
