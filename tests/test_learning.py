"""Whether it learns: whole runs with the settings that users get, judged by their final evaluation."""

from __future__ import annotations

import csv
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


@pytest.mark.learning
def test_a_planner_learns_catch_and_its_search_is_ahead_of_its_prior(tmp_path):
    arguments = ["algo=muzero", "env=catch", "total_frames=20000", "eval.final_episodes=100"]
    assert final_return(tmp_path / "run", *arguments) >= 0.15  # of a policy that ends at 1 with 30,000 frames
    with (tmp_path / "run" / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["eval/return_mean"]]
    gains = [float(row["eval/return_mean"]) - float(row["eval/return_mean_without_search"]) for row in rows]
    assert sum(gains) / len(gains) >= 0.1
