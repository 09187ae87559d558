"""scripts/watch.py on tiny runs."""

import os
import shutil
import socket
from pathlib import Path
from unittest import mock

import pytest
from omegaconf import OmegaConf
from PIL import Image

from scripts import evaluate, watch
from tests.front_door import call, rows, train
from tests.watch.test_page import data_of
from triptych.callbacks.actions_file import read_actions
from triptych.run.asked import Asked
from triptych.run.watching import follow

TINY = ["total_frames=400", "trainer.num_threads=1", "callbacks.video=false"]


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
        (["--step", "0", "--out", "tree.xyz"], "--out tree.xyz is not allowed"),
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


def test_a_game_for_two_is_watched_on_its_board(tmp_path):
    pytest.importorskip("pyspiel")
    small = ["algo.num_simulations=4", "algo.num_blocks=1", "algo.num_channels=8", "env.eval_opponent=random"]
    result = train("algo=alphazero", "env=tic_tac_toe", "debug=tiny", *TINY, *small, f"run_dir={tmp_path / 'run'}")
    assert result.returncode == 0, result.stderr
    result = call(watch.main, "scripts/watch.py", tmp_path / "run")
    assert result.returncode == 0, result.stderr
    assert "tic_tac_toe, game 0: alphazero plays both sides with" in result.stdout
    assert "of who moved first in" in result.stdout
    data = data_of((tmp_path / "run" / "watch" / "episode-0.html").read_text())
    assert (data["board"]["rows"], data["board"]["columns"]) == (3, 3)
    assert data["bars"][0]["name"] == "share of visits"
    assert data["actions"][4] == "(1,1)"


def test_evaluation_tells_what_the_search_is_worth(planner):
    result = call(evaluate.main, "scripts/evaluate.py", planner, "--episodes", 4)
    assert result.returncode == 0, result.stderr
    assert "return mean without search" in result.stdout
    assert '"return_mean_without_search"' in (planner / "evaluation.json").read_text()


@pytest.fixture(scope="session")
def learner(tmp_path_factory):
    folder = tmp_path_factory.mktemp("watch") / "run"
    result = train("algo=dqn", "env=catch", "debug=tiny", "total_frames=1000", f"run_dir={folder}")
    assert result.returncode == 0, result.stderr
    return folder


def watched(folder, *arguments):
    result = call(watch.main, "scripts/watch.py", folder, *arguments)
    assert result.returncode == 0, result.stderr
    (page,) = (folder / "watch").glob("*.html")
    return data_of(page.read_text())


def copy(folder, tmp_path):
    return Path(shutil.copytree(folder, tmp_path / "run", ignore=shutil.ignore_patterns("watch")))


def test_a_game_of_a_planner_is_a_page_and_a_video(planner, tmp_path):
    folder = copy(planner, tmp_path)
    data = watched(folder)
    assert [bar["name"] for bar in data["bars"]] == ["share of visits", "prior", "policy of the search"]
    assert [curve["name"] for curve in data["curves"]] == ["V(s)", "V(s) of the search"]
    assert data["actions"] == ["left", "stay", "right"]
    assert len(data["frames"]) == 10
    assert abs(sum(data["rewards"])) == 1
    assert (folder / "watch" / "episode-0.mp4").stat().st_size > 1000
    assert not (folder / "watch" / "episode-0.gif").exists()


@pytest.mark.parametrize(
    ("arguments", "bars"),
    [
        (["algo=c51", "env=catch"], ["Q-value"]),
        (["algo=pqn", "env=catch"], ["Q-value"]),
        (["algo=a2c", "env=catch"], ["probability"]),
        (["algo=reinforce", "env=cartpole"], ["probability"]),
        (["algo=ppo", "env=pendulum"], []),
    ],
    ids=" ".join,
)
def test_every_kind_of_algorithm_says_what_it_thinks(arguments, bars, tmp_path):
    folder = tmp_path / "run"
    result = train(*arguments, "debug=tiny", "test=false", f"run_dir={folder}", *TINY)
    assert result.returncode == 0, result.stderr + result.stdout
    data = watched(folder, "--gif", "--max-steps", 30)
    assert [bar["name"] for bar in data["bars"]] == bars
    assert len(data["rewards"]) == len(data["taken"]) == len(data["frames"]) - 1
    assert len(data["curves"][0]["numbers"]) == len(data["rewards"])
    assert (data["distribution"] is not None) == ("algo=c51" in arguments)
    assert bool(data["heat"]) == bool(data["sheets"]) == ("env=catch" in arguments)
    assert (data["gaussian"] is not None) == ("env=pendulum" in arguments)
    assert (folder / "watch" / "episode-0.gif").stat().st_size > 1000


def test_a_training_episode_is_shown_as_it_was_played(learner, tmp_path):
    folder = copy(learner, tmp_path)
    played = rows(folder, "episodes.csv")
    row = next(one for one in played if one["env_index"] == "2" and one["episode_index"] == "1")
    data = watched(folder, "--episode", "2/1")
    assert sum(data["rewards"]) == float(row["return"])
    assert [[action] for action in read_actions(folder / "actions.bin", 2, 1)] == data["taken"]
    assert data["title"] == "Catch-v0, training episode 2/1"
    assert "while learning" in data["facts"][0]
    assert (folder / "watch" / "episode-2-1.mp4").exists()


def test_before_the_first_evaluation_the_last_checkpoint_plays(learner, tmp_path):
    folder = copy(learner, tmp_path)
    (folder / "checkpoints" / "best.ckpt").unlink()
    assert "last.ckpt" in watched(folder)["facts"][0]


def test_games_of_the_evaluation_stream_differ_and_are_the_same_again(learner, tmp_path):
    def frames(number):
        folder = copy(learner, tmp_path / str(len(list(tmp_path.iterdir()))))
        return watched(folder, "--episode", number)["frames"]

    assert frames(0) == frames(0)
    assert any(frames(0) != frames(number) for number in (1, 2, 3))


def without_checkpoints(folder):
    shutil.rmtree(folder / "checkpoints")


def without_actions(folder):
    (folder / "actions.bin").unlink()


def without_config(folder):
    (folder / "config.yaml").unlink()


def of_another_game(folder):
    cfg = OmegaConf.load(folder / "config.yaml")
    cfg.env.id = "CartPole-v1"
    OmegaConf.save(cfg, folder / "config.yaml")


def as_it_is(folder):
    pass


@pytest.mark.parametrize(
    ("change", "arguments", "sentence"),
    [
        (without_checkpoints, [], "There is no checkpoint"),
        (without_checkpoints, ["--live"], "There is no checkpoint"),
        (without_config, [], "has no config.yaml; give the folder of a run"),
        (of_another_game, [], "is of a run on another game (env.id Catch-v0 → CartPole-v1)"),
        (without_actions, ["--episode", "0/0"], "--episode 0/0 was played, but its actions are not in"),
        (
            as_it_is,
            ["--episode", "0/9999"],
            "--episode 0/9999 was not played to its end in this run; environment 0 has",
        ),
        (
            as_it_is,
            ["--episode", "99/0"],
            "--episode 99/0 was not played to its end in this run; its environments are 0 to",
        ),
        (as_it_is, ["--episode", "first"], "--episode first is not allowed"),
        (as_it_is, ["--episode", "-1"], "--episode -1 is not allowed"),
        (as_it_is, ["--gif", "9:3"], "--gif 9:3 is not allowed"),
        (as_it_is, ["--gif", "90:95"], "--gif 90:95 is beyond the end: this game has 9 steps"),
        (as_it_is, ["--max-steps", "0"], "--max-steps 0 is not allowed"),
        (as_it_is, ["--step", "0"], "--step draws the tree of a planner, and DQN plans nothing"),
        (as_it_is, ["--step", "0", "--live"], "--step draws one picture"),
        (as_it_is, ["--live", "--gif"], "--live writes the page alone"),
        (as_it_is, ["--num-simulations", "4"], "add --step 0"),
    ],
)
def test_what_cannot_be_watched_is_told_in_a_sentence(learner, tmp_path, change, arguments, sentence):
    folder = copy(learner, tmp_path)
    change(folder)
    result = call(watch.main, "scripts/watch.py", folder, *arguments)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_folder_that_is_none_is_told_in_a_sentence(tmp_path):
    result = call(watch.main, "scripts/watch.py", tmp_path / "nothing")
    assert result.returncode == 2
    assert "nothing is not a folder" in result.stderr


def test_a_run_that_is_training_is_followed_until_it_ends(learner, tmp_path):
    folder, lines = copy(learner, tmp_path), []
    lock, page = folder / ".lock", folder / "watch" / "episode-0.html"
    lock.write_text(f"{os.getpid()} {socket.gethostname()}")
    checkpoint = folder / "checkpoints" / "last.ckpt"
    checkpoint.rename(folder / "waiting")

    def run_goes_on():
        """Act as a run does between two looks of the one who follows it."""
        match len(pauses):
            case 1:
                assert lines == ["Waiting for the first checkpoint."]
                (folder / "waiting").rename(checkpoint)
            case 2:
                assert data_of(page.read_text())["liveSeconds"] == 1.0
                os.utime(checkpoint, ns=(1, 1))
            case 3:
                assert len(lines) == 3
                lock.write_text("")

    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        run_goes_on()

    before = {path: path.read_bytes() for path in folder.glob("*.*") if path.is_file()}
    with mock.patch("triptych.run.watching.time.sleep", pause):
        follow(Asked(folder, checkpoint="last"), tmp_path, lines.append, pause_s=1.0)
    assert pauses == [1.0, 1.0, 1.0]
    assert lines[-1] == "The run has ended."
    assert data_of(page.read_text())["liveSeconds"] is None
    assert {path: path.read_bytes() for path in folder.glob("*.*") if path.is_file()} == before | {lock: b""}
