"""scripts/evaluate.py on a tiny run."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from scripts import evaluate as script
from tests.front_door import ROOT, Result, call, train
from triptych.collect.collector import episode_seed
from triptych.data.starts import EVALUATE_STREAM, TEST_STREAM, VALIDATION_STREAM


def evaluate(*arguments: object) -> Result:
    return call(script.main, "scripts/evaluate.py", *arguments)


def contents(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate") / "run"
    settings = ["algo=dqn", "env=catch", "logger=csv", "total_frames=2000", "eval.episodes=2"]
    result = train(*settings, f"run_dir={folder}")
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture
def run_copy(tiny_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_run, tmp_path / "run"))


def test_evaluates_the_best_checkpoint_on_new_episodes_and_leaves_the_run_alone(run_copy: Path) -> None:
    assert not (run_copy / "checkpoints" / "replay").exists()  # evaluation never reads it
    before = contents(run_copy)
    result = evaluate(run_copy, "--episodes", 5, "--num-envs", 3, "--video")
    assert result.returncode == 0, result.stderr
    after = contents(run_copy)
    new = {"evaluation.json", "videos/evaluate-best.mp4"}
    assert {name: digest for name, digest in after.items() if name not in new} == before
    assert new <= set(after)

    found = json.loads((run_copy / "evaluation.json").read_text())
    assert found["checkpoint"] == "best.ckpt"
    assert found["identity"] == json.loads((run_copy / "summary.json").read_text())["identity"]
    assert found["protocol"] == "none"
    assert 0 < found["frames"] <= 2000
    assert len(found["returns"]) == len(found["lengths"]) == len(found["seeds"]) == 5
    assert found["mean"] == pytest.approx(sum(found["returns"]) / 5)
    assert found["min"] <= found["median"] <= found["max"]
    assert found["std"] >= 0
    assert found["human_normalized_score"] is None
    assert {"torch", "triptych"} <= set(found["versions"])
    assert "git_commit" in found
    assert found["seeds"] == [episode_seed(1, EVALUATE_STREAM, index) for index in range(5)]
    used = {episode_seed(1, stream, index) for stream in (VALIDATION_STREAM, TEST_STREAM) for index in range(100)}
    assert used.isdisjoint(found["seeds"])
    for word in ("episodes", "mean", "std", "min", "median", "max", "protocol", "frames"):
        assert word in result.stdout


def test_takes_the_last_checkpoint_or_one_by_path(run_copy: Path) -> None:
    elsewhere = run_copy.parent / "copied.ckpt"
    shutil.copyfile(run_copy / "checkpoints" / "last.ckpt", elsewhere)
    results = []
    for checkpoint in ("last", elsewhere):
        result = evaluate(run_copy, "--episodes", 4, "--checkpoint", checkpoint)
        assert result.returncode == 0, result.stderr
        results.append(json.loads((run_copy / "evaluation.json").read_text()))
    assert [result["checkpoint"] for result in results] == ["last.ckpt", "copied.ckpt"]
    assert results[0]["frames"] == results[1]["frames"] == 2000
    assert results[0]["returns"] == results[1]["returns"]


def check_bad_input(result: Result, *words: str) -> None:
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    (line,) = result.stderr.strip().splitlines()
    for word in words:
        assert word in line


def test_shows_what_was_played_where_it_cannot_be_written(run_copy: Path) -> None:
    (run_copy / "evaluation.json").mkdir()
    result = evaluate(run_copy, "--episodes", 2)
    assert result.returncode == 1
    assert "mean return" in result.stdout
    assert "evaluation.json" in result.stderr
    assert "Traceback" not in result.stderr


def test_says_in_a_sentence_that_no_picture_can_be_drawn(run_copy: Path) -> None:
    config = run_copy / "config.yaml"
    cfg = OmegaConf.load(config)
    cfg.env.wrappers = ["tests.broken_env.Undrawable"]
    OmegaConf.save(cfg, config)
    result = evaluate(run_copy, "--episodes", 2, "--video", "--trust")
    assert result.returncode == 1
    assert result.stderr == "error: Catch-v0 cannot be drawn here: ConnectionError: there is no display\n"
    assert len(json.loads((run_copy / "evaluation.json").read_text())["returns"]) == 2


def test_names_a_folder_that_is_no_run(tmp_path: Path) -> None:
    check_bad_input(evaluate(tmp_path / "nowhere"), "nowhere", "is not a folder")
    check_bad_input(evaluate(tmp_path), "config.yaml")


def test_the_shell_gets_the_sentence_and_the_exit_code(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "evaluate.py"), str(tmp_path)]
    process = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    check_bad_input(Result(process.returncode, process.stdout, process.stderr), "config.yaml")


def test_names_a_number_of_episodes_that_cannot_be_played(tiny_run: Path) -> None:
    check_bad_input(evaluate(tiny_run, "--episodes", 0), "--episodes 0", "1")


def test_names_a_config_that_cannot_be_read(run_copy: Path) -> None:
    (run_copy / "config.yaml").write_text("algo: [unclosed")
    check_bad_input(evaluate(run_copy), "config.yaml", "cannot be read")


def test_names_a_checkpoint_that_cannot_be_used(run_copy: Path) -> None:
    best = run_copy / "checkpoints" / "best.ckpt"
    whole = torch.load(best, weights_only=True)
    best.write_bytes(best.read_bytes()[:1000])
    check_bad_input(evaluate(run_copy), "best.ckpt", "cannot be read")

    whole["state_dict"] = {"another": torch.zeros(1)}
    torch.save(whole, best)
    check_bad_input(evaluate(run_copy), "does not fit")

    best.unlink()
    check_bad_input(evaluate(run_copy, "--checkpoint", "best"), "no checkpoint", "last.ckpt")
    assert not (run_copy / "evaluation.json").exists()

    result = evaluate(run_copy, "--episodes", 2)
    assert result.returncode == 0, result.stderr
    assert json.loads((run_copy / "evaluation.json").read_text())["checkpoint"] == "last.ckpt"


class Foreign:
    """Would run code if it were unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('code ran')",)


def test_a_checkpoint_of_another_game_is_refused_and_nothing_written(run_copy: Path) -> None:
    path = run_copy / "checkpoints" / "last.ckpt"
    state = torch.load(path, weights_only=True)
    state["run"]["settings"]["env.id"] = "CartPole-v1"
    foreign = run_copy.parent / "foreign.ckpt"
    torch.save(state, foreign)
    check_bad_input(evaluate(run_copy, "--checkpoint", foreign), "foreign.ckpt", "another game", "CartPole-v1")
    assert not (run_copy / "evaluation.json").exists()


@pytest.mark.parametrize("node", ["trainer", "callbacks"])
def test_a_config_without_one_of_its_nodes_is_no_config(run_copy: Path, node: str) -> None:
    config = OmegaConf.load(run_copy / "config.yaml")
    config[node] = None
    OmegaConf.save(config, run_copy / "config.yaml")
    check_bad_input(evaluate(run_copy), "config.yaml is not the config of a run")


def test_a_foreign_checkpoint_runs_no_code(run_copy: Path) -> None:
    torch.save({"state_dict": Foreign()}, run_copy / "checkpoints" / "best.ckpt")
    check_bad_input(evaluate(run_copy), "best.ckpt", "cannot be read")
