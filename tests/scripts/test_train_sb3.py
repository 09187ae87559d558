"""What a peer's run is written as; training itself needs the peer's own environment."""

import json
import sys

import pytest

from scripts import train_sb3
from triptych.report.runs import read_run

ARGUMENTS = ["--algo", "ppo", "--env", "ms_pacman", "--seed", "3", "--out", "peers"]


@pytest.mark.parametrize(
    ("game", "expected"), [("pong", "PongNoFrameskip-v4"), ("ms_pacman", "MsPacmanNoFrameskip-v4")]
)
def test_games_have_the_ids_of_the_peer(game, expected):
    assert train_sb3.env_id(game) == expected


def test_what_is_written_is_a_run_that_reports_read(tmp_path):
    options = train_sb3.parse_arguments([*ARGUMENTS, "--minutes", "30"])
    counters = {"frames": 4000, "env_steps": 1000, "updates": 5, "wall_time_s": 1800.0}
    train_sb3.write_json(tmp_path / "summary.json", train_sb3.summarize(options, [300.0, 500.0]) | counters)
    (tmp_path / "metrics.csv").write_text("frames,wall_time_s\n")
    run = read_run(tmp_path)
    assert (run.algo, run.env, run.protocol, run.seed) == ("sb3_ppo", "ms_pacman", "nature", 3)
    assert (run.return_mean, run.frames, run.wall_time_s) == (400.0, 4000, 1800.0)
    assert json.loads((tmp_path / "summary.json").read_text())["eval_return_std"] == 100.0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.csv", "summary.json"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--minutes", "0"], "--minutes 0.0 is not allowed"),
        (["--episodes", "-1"], "--episodes -1 is not allowed"),
        (["--algo", "sac"], "invalid choice: 'sac'"),
        (["--minutes", "inf"], "--minutes inf is not allowed"),
        (["--seed", "-1"], "--seed -1 is not allowed"),
        (["--env", "../pong"], "--env ../pong is not allowed"),
    ],
)
def test_bad_arguments_are_told(more, told, capsys):
    with pytest.raises(SystemExit) as error:
        train_sb3.parse_arguments([*ARGUMENTS, *more])
    assert error.value.code == 2
    assert told in capsys.readouterr().err


def test_a_finished_run_is_left_as_it_is(tmp_path, capsys):
    folder = tmp_path / "sb3_ppo-ms_pacman-nature-seed3"
    folder.mkdir()
    (folder / "summary.json").write_text("{}")
    train_sb3.main([*ARGUMENTS[:-1], str(tmp_path)])
    assert "is finished" in capsys.readouterr().out
    (folder / "config.yaml").write_text('{"total_minutes": 7.5}')
    with pytest.raises(SystemExit):
        train_sb3.main([*ARGUMENTS[:-1], str(tmp_path), "--minutes", "8"])
    assert "holds a run of 7.5 minutes; choose another --out" in capsys.readouterr().err
    assert (folder / "summary.json").read_text() == "{}"


def test_a_folder_that_cannot_be_made_and_a_missing_package_are_told(tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    for place, told in ((tmp_path / "file", "cannot be written"), (tmp_path / "peers", "is not installed here")):
        with pytest.raises(SystemExit) as error:
            train_sb3.main([*ARGUMENTS[:-1], str(place)])
        assert error.value.code == 2
        said = capsys.readouterr().err
        assert told in said
        assert said.count("\n") == 1
    assert not list((tmp_path / "peers").iterdir())
