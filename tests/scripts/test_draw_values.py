"""scripts/draw_values.py on tiny runs."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from scripts import draw_values
from tests.front_door import call, train

TINY = ["logger=csv", "trainer.num_threads=1", "callbacks.video=false", "eval.episodes=2", "eval.final_episodes=2"]


def run(folder: Path, *arguments: str) -> Path:
    result = train(*TINY, *arguments, f"run_dir={folder}")
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


@pytest.fixture(scope="module")
def maze(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("values") / "run", "algo=dyna", "env=maze", "total_frames=300")


def draw(*arguments):
    return call(draw_values.main, "scripts/draw_values.py", *arguments)


def test_the_picture_lies_in_the_runs_folder(maze):
    result = draw(maze)
    assert result.returncode == 0, result.stderr
    assert str(maze / "values.png") in result.stdout
    with Image.open(maze / "values.png") as picture:
        assert picture.size[0] > 1000


def test_where_states_are_no_cells_the_curve_is_drawn_alone(tmp_path, maze):
    folder = run(tmp_path / "run", "algo=q_learning", "env=taxi", "total_frames=320", "eval.max_episode_steps=20")
    assert draw(folder, "--out", tmp_path / "curve.png").returncode == 0
    draw(maze, "--out", tmp_path / "both.png")
    sizes = {name: Image.open(tmp_path / f"{name}.png").size for name in ("curve", "both")}
    assert sizes["curve"][0] < sizes["both"][0] * 0.6


def refused(*arguments):
    result = draw(*arguments)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    return result.stderr


def test_what_cannot_be_drawn_is_told_in_a_sentence(maze, tmp_path):
    other = run(tmp_path / "run", "algo=reinforce", "env=catch", "debug=tiny", "total_frames=600")
    assert "REINFORCE has no table of values; give the folder of a run with algo=q_learning" in refused(other)
    assert "--out values.xyz is not allowed" in refused(maze, "--out", "values.xyz")
    assert "There is no checkpoint worst" in refused(maze, "--checkpoint", "worst")
    damaged = Path(shutil.copytree(maze, tmp_path / "damaged"))
    text = (damaged / "metrics.csv").read_text().splitlines()
    column = text[0].split(",").index("train/max_abs_error")
    row = ["1"] * len(text[0].split(","))
    row[column] = "much"
    (damaged / "metrics.csv").write_text("\n".join([text[0], ",".join(row)]) + "\n")
    assert "metrics.csv is not what a run writes" in refused(damaged)
