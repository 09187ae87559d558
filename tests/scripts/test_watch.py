"""scripts/watch.py on the real command line, on a tiny run."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


def run_script(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)


@pytest.fixture(scope="session")
def planner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("watch") / "run"
    process = run_script("train.py", "algo=muzero", "env=catch", "debug=tiny", "total_frames=400", f"run_dir={folder}")
    assert process.returncode == 0, process.stderr
    return folder


def test_the_tree_of_a_step_is_drawn(planner, tmp_path):
    process = run_script("scripts/watch.py", planner, "--step", 3, "--out", tmp_path / "tree.png")
    assert process.returncode == 0, process.stderr
    with Image.open(tmp_path / "tree.png") as picture:
        assert picture.size[0] > 1000


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--step", "99"], "--step 99 is beyond the end: this game has 9 steps"),
        (["--step", "-1"], "--step -1 is not allowed"),
        (["--out", "tree.xyz"], "--out tree.xyz is not allowed"),
        (["--checkpoint", "worst"], "There is no checkpoint worst"),
    ],
)
def test_what_cannot_be_drawn_is_told_in_a_sentence(planner, arguments, sentence):
    process = run_script("scripts/watch.py", planner, *arguments)
    assert process.returncode == 2
    assert sentence in process.stderr
    assert "Traceback" not in process.stderr


def test_a_game_that_has_no_pictures_is_told_in_a_sentence(planner, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    folder = Path(shutil.copytree(planner, tmp_path / "run"))
    cfg = OmegaConf.load(folder / "config.yaml")
    cfg.env.wrappers = ["tests.broken_env.Undrawable"]
    OmegaConf.save(cfg, folder / "config.yaml")
    process = run_script("scripts/watch.py", folder)
    assert process.returncode == 1
    assert process.stderr == "error: Catch-v0 cannot be drawn here: ConnectionError: there is no display\n"


def test_evaluation_tells_what_the_search_is_worth(planner):
    process = run_script("scripts/evaluate.py", planner, "--episodes", 4)
    assert process.returncode == 0, process.stderr
    assert "return mean without search" in process.stdout
    assert '"return_mean_without_search"' in (planner / "evaluation.json").read_text()
