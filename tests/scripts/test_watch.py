"""scripts/watch.py on a tiny run."""

import shutil
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from PIL import Image

from scripts import evaluate, watch
from tests.front_door import call, train


@pytest.fixture(scope="session")
def planner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("watch") / "run"
    result = train("algo=muzero", "env=catch", "debug=tiny", "total_frames=400", f"run_dir={folder}")
    assert result.returncode == 0, result.stderr
    return folder


def test_the_tree_of_a_step_is_drawn(planner, tmp_path):
    result = call(watch.main, "scripts/watch.py", planner, "--step", 3, "--out", tmp_path / "tree.png")
    assert result.returncode == 0, result.stderr
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
    result = call(watch.main, "scripts/watch.py", planner, *arguments)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_a_game_that_has_no_pictures_is_told_in_a_sentence(planner, tmp_path):
    folder = Path(shutil.copytree(planner, tmp_path / "run"))
    cfg = OmegaConf.load(folder / "config.yaml")
    cfg.env.wrappers = ["tests.broken_env.Undrawable"]
    OmegaConf.save(cfg, folder / "config.yaml")
    result = call(watch.main, "scripts/watch.py", folder, "--trust")
    assert result.returncode == 1
    assert result.stderr == "error: Catch-v0 cannot be drawn here: ConnectionError: there is no display\n"


def test_evaluation_tells_what_the_search_is_worth(planner):
    result = call(evaluate.main, "scripts/evaluate.py", planner, "--episodes", 4)
    assert result.returncode == 0, result.stderr
    assert "return mean without search" in result.stdout
    assert '"return_mean_without_search"' in (planner / "evaluation.json").read_text()
