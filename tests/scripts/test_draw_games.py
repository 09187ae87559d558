"""scripts/draw_games.py on what is committed, and on what cannot be drawn."""

import json

import pytest
from PIL import Image

from scripts import draw_games
from tests.front_door import ROOT, call
from tests.report.run_folders import write_run

RESULTS = ROOT / "docs" / "results"


def draw(*arguments):
    return call(draw_games.main, "scripts/draw_games.py", *arguments)


def test_what_is_committed_is_drawn(tmp_path):
    runs = [RESULTS / f"ppo-{env}-none-seed1" for env in ("kuhn_poker", "leduc_poker")]
    elo = RESULTS / "elo_connect_four.json"
    result = draw(*runs, "--cfr-plus", RESULTS / "cfr_plus.json", "--elo", elo, "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    names = {"kuhn_poker-nash_conv.png", "leduc_poker-nash_conv.png", "connect_four-elo.png"}
    assert {path.name for path in tmp_path.iterdir()} == names
    for name in names:
        assert str(tmp_path / name) in result.stdout
        with Image.open(tmp_path / name) as picture:
            assert picture.size[0] > 600


def refused(*arguments):
    result = draw(*arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_what_cannot_be_drawn_is_told_in_a_sentence(tmp_path):
    write_run(tmp_path / "runs" / "one")
    assert "There is nothing to draw; give folders of runs, or --elo" in refused()
    assert "--cfr-plus is drawn beside runs" in refused("--elo", "a.json", "--cfr-plus", "b.json")
    assert "nowhere is not a folder" in refused(tmp_path / "nowhere")
    assert "has eval/nash_conv in its metrics.csv; train with env=kuhn_poker" in refused(tmp_path / "runs")
    (tmp_path / "elo.json").write_text(json.dumps({"env": "go"}))
    assert "elo.json is not what scripts/tournament.py --each-other writes" in refused("--elo", tmp_path / "elo.json")
    assert "--out" in refused(tmp_path / "runs", "--out", tmp_path / "elo.json")
    assert "absent.json is not what scripts/cfr_plus.py writes" in refused(
        tmp_path / "runs", "--cfr-plus", tmp_path / "absent.json"
    )


def test_two_files_of_one_environment_would_have_one_picture():
    elo = RESULTS / "elo_connect_four.json"
    assert "two files of one environment" in refused("--elo", elo, elo)


@pytest.mark.parametrize("name", ["kuhn_poker", "leduc_poker"])
def test_the_committed_reference_is_far_below_uniform_play(name):
    found = json.loads((RESULTS / "cfr_plus.json").read_text())["games"][name]
    assert found["nash_conv"][-1] < found["uniform_nash_conv"] / 1000
