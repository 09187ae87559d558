"""The study of evaluations, on a tiny run."""

import json
from pathlib import Path

from scripts import evaluation_study as script
from tests.front_door import call, train


def test_every_network_plays_and_the_run_stays_as_it_was(tmp_path: Path) -> None:
    folder, out = tmp_path / "run", tmp_path / "study.json"
    settings = ["algo=pqn", "env=catch", "logger=csv", "total_frames=12000", "eval.episodes=2"]
    assert train(*settings, f"run_dir={folder}").returncode == 0
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    result = call(
        script.main, "scripts/evaluation_study.py", folder, "--out", out, "--games", 12, "--snapshots", 3,
        "--epsilons", 0.0, 1.0, "--network-epsilons", 0.0,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    found = json.loads(out.read_text())
    assert set(found["one_network"]) == {"0", "1"}
    assert found["one_network"]["0"]["mean"] > found["one_network"]["1"]["mean"]  # it has learnt, chance has not
    assert len(found["networks"]["0"]["each"]) == 4
    assert set(found["averages"]["0"]) == {"0.99", "0.999"}
    for network in found["networks"]["0"]["each"].values():
        assert sum(network["returns"].values()) == 12


def test_a_run_without_epsilon_is_refused(tmp_path: Path) -> None:
    settings = ["algo=reinforce", "env=catch", "logger=csv", "total_frames=2000", "eval.episodes=2"]
    assert train(*settings, f"run_dir={tmp_path / 'run'}").returncode == 0
    result = call(script.main, "scripts/evaluation_study.py", tmp_path / "run", "--out", tmp_path / "study.json")
    assert result.returncode == 2
    assert "epsilon" in result.stderr
