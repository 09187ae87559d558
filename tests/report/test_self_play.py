"""What pictures of self-play are drawn from: files that may be anybody's, and what lies on which axes."""

import json
from unittest import mock

import pytest
from PIL import Image

from tests.report.run_folders import write_run
from triptych.report import self_play
from triptych.report.comparison import make_entries
from triptych.report.runs import read_run
from triptych.report.self_play import Reference, draw_elo, draw_nash_conv, read_ratings, read_references

RATING = {"checkpoint": "kept-0", "frames": 100, "elo": -1.0, "low": -2.0, "high": 0.5}


def entries(tmp_path, *values, env="kuhn_poker"):
    for seed, value in enumerate(values):
        folder = write_run(tmp_path / f"{env}-{seed}", algo="ppo", env=env, protocol="none", seed=seed)
        rows = [f"{frames},1,{value / frames}" for frames in (1000, 100_000)]
        (folder / "metrics.csv").write_text("\n".join(["frames,wall_time_s,eval/nash_conv", *rows, ""]))
    return make_entries([read_run(folder) for folder in sorted(tmp_path.iterdir())])


def draw(path, *arguments):
    """Draw, and return the axes of the figure."""
    with mock.patch.object(self_play, "_save", wraps=self_play._save) as save:
        draw_nash_conv(*arguments, path)
    return save.call_args[0][0].axes


def test_runs_and_cfr_plus_share_nash_conv_and_not_their_units(tmp_path):
    found = entries(tmp_path / "runs", 1.0, 3.0)
    runs, reference = draw(tmp_path / "a.png", found, Reference([(1, 0.9), (10, 0.01)], 0.9))
    assert "frames" in runs.get_xlabel()
    assert "iterations" in reference.get_xlabel()
    assert runs.get_ylim() == reference.get_ylim()
    assert {axes.get_yscale() for axes in (runs, reference)} == {"log"}
    mean = next(line for line in runs.lines if line.get_label() == "ppo, mean of 2 seeds, 95% interval")
    assert mean.get_ydata().tolist() == pytest.approx([2e-3, 2e-5])
    assert len(runs.collections) == 1  # the interval
    assert 0.9 in [line.get_ydata()[0] for line in runs.lines]  # uniform play
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size[0] > 1000


def test_without_cfr_plus_the_runs_are_drawn_alone(tmp_path):
    assert len(draw(tmp_path / "a.png", entries(tmp_path / "runs", 1.0), None)) == 1


def test_runs_of_two_games_are_not_drawn_together(tmp_path):
    entries(tmp_path / "runs", 1.0)
    with pytest.raises(ValueError, match="of one environment"):
        draw_nash_conv(entries(tmp_path / "runs", 1.0, env="leduc_poker"), None, tmp_path / "a.png")


def test_ratings_are_read_and_drawn_with_their_intervals(tmp_path):
    path = tmp_path / "elo.json"
    path.write_text(json.dumps({"env": "go", "ratings": [{**RATING, "frames": 200}, RATING]}))
    env, ratings = read_ratings(path)
    with mock.patch.object(self_play, "_save", wraps=self_play._save) as save:
        draw_elo(env, ratings, tmp_path / "a.png")
    line = save.call_args[0][0].axes[0].lines[0]
    assert line.get_xdata().tolist() == [100, 200]
    segments = save.call_args[0][0].axes[0].collections[0].get_segments()
    assert [[y for _, y in segment] for segment in segments] == [[-2.0, 0.5]] * 2


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"games": []}', '{"games": {"a": 1}}',
             '{"games": {"a": {"iterations": [1], "nash_conv": [], "uniform_nash_conv": 1}}}',
             '{"games": {"a": {"iterations": [1], "nash_conv": ["1"], "uniform_nash_conv": 1}}}']
)  # fmt: skip
def test_what_is_no_reference_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=r"a\.json is not what scripts/cfr_plus\.py writes"):
        read_references(tmp_path / "a.json")


@pytest.mark.parametrize(
    "content", [[], {}, {"env": "go"}, {"env": "go", "ratings": []}, {"env": "../go", "ratings": [RATING]},
                {"env": "go", "ratings": [{**RATING, "elo": None}]}, {"env": "go", "ratings": [{"elo": 1}]}]
)  # fmt: skip
def test_what_is_no_rating_is_refused(tmp_path, content):
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"a\.json is not what scripts/tournament\.py --each-other writes"):
        read_ratings(tmp_path / "a.json")
