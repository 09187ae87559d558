"""A person, or a program, against a checkpoint; and checkpoints against opponents."""

import json
import warnings

import numpy as np
import pytest

pytest.importorskip("pyspiel")
from scripts import play, tournament
from tests.front_door import train
from triptych.envs.openspiel import OpenSpiel
from triptych.run.duel import Duel, Gtp, play_in_terminal
from triptych.run.gtp_engine import play_engine
from triptych.run.versus import CheckpointPlayer, play_each_other
from triptych.types import ConfigurationError

TINY = ["logger=csv", "trainer.num_threads=1", "callbacks.video=false", "eval.episodes=2", "env.num_envs=4",
        "algo.batch_size=8", "algo.env_steps_per_update=16", "algo.num_simulations=4",
        "algo.learning_starts_env_steps=100", "algo.num_blocks=0", "algo.num_channels=8",
        "checkpoint.period_frames=100", "total_frames=400"]  # fmt: skip


def trained(folder, *arguments):
    result = train("algo=alphazero", *arguments, *TINY, f"run_dir={folder}")
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("duel") / "run"
    return trained(folder, "env=tic_tac_toe", "checkpoint.keep_period_frames=200")


@pytest.fixture(scope="module")
def go(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("go") / "run", "env=go", "env.board_size=5")


@pytest.fixture
def duel(run):
    return Duel(CheckpointPlayer(run))


def talk(duel, seat, *lines):
    said, lines = [], iter(lines)

    def read(prompt):
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    play_in_terminal(duel, seat, read, said.append)
    return "\n".join(said)


class TestTerminal:
    def test_a_move_is_answered(self, duel):
        said = talk(duel, 0, "(1,1)")
        assert "the agent plays" in said
        assert len(duel.moves) == 2
        assert "The game ends here." in said

    def test_the_agent_may_begin(self, duel):
        talk(duel, 1)
        assert len(duel.moves) == 1

    def test_what_is_not_allowed_changes_nothing(self, duel):
        said = talk(duel, 0, "nonsense", "17", "moves")
        assert "'nonsense' is not allowed here" in said
        assert "'17' is not allowed here" in said
        assert "(0,0), (0,1)" in said
        assert duel.moves == []

    def test_a_hint_says_what_the_agent_thinks(self, duel):
        said = talk(duel, 0, "hint")
        assert "for the player to move" in said
        assert "visits: " in said

    def test_a_hint_of_a_value_that_has_a_gradient_warns_of_nothing(self, duel, monkeypatch):
        said = duel.player.explain(duel.observation)
        value = said.value.detach().requires_grad_()
        monkeypatch.setattr(duel.player, "explain", lambda observation: said._replace(value=value))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert "for the player to move" in talk(duel, 0, "hint")

    def test_undo_takes_both_moves_back(self, duel):
        talk(duel, 0, "4", "undo")
        assert duel.moves == []
        assert duel.mover == 0

    def test_who_has_won_is_said(self, duel):
        moves = iter([3, 4, 6])
        duel.answer = lambda: next(moves)
        assert "You have won." in talk(duel, 0, "0", "1", "2")
        assert duel.winner == 0
        duel.start()
        moves = iter([0, 1, 2])
        assert "The agent has won." in talk(duel, 1, "3", "4")


def test_gtp(go):
    gtp = Gtp(Duel(CheckpointPlayer(go)))
    assert gtp.answer("protocol_version\n") == "= 2\n\n"
    assert gtp.answer("7 name\n") == "=7 Triptych\n\n"
    assert gtp.answer("boardsize 5\n") == "=\n\n"
    assert gtp.answer("boardsize 9\n") == "? unacceptable size\n\n"
    assert gtp.answer("komi 7.5\n") == "=\n\n"
    assert gtp.answer("komi 0.5\n").startswith("? the komi is 7.5")
    assert gtp.answer("play black C3\n") == "=\n\n"
    assert gtp.answer("play white C3\n") == "? illegal move\n\n"
    assert gtp.answer("play white\n") == "? syntax error\n\n"
    move = gtp.answer("genmove white\n")
    assert move.startswith("= ")
    assert len(gtp.duel.moves) == 2
    assert gtp.answer("undo\n") == "=\n\n"
    assert len(gtp.duel.moves) == 1
    assert gtp.answer("play black A1\n") == "=\n\n"  # white has passed
    assert len(gtp.duel.moves) == 3
    assert gtp.answer("known_command genmove\n") == "= true\n\n"
    assert gtp.answer("dance\n") == "? unknown command\n\n"
    assert gtp.answer("# nothing\n") == ""
    assert gtp.answer("clear_board\n") == "=\n\n"
    assert gtp.duel.moves == []
    gtp.answer("quit\n")
    assert gtp.is_done


def test_gtp_is_for_go(run, capsys):
    assert play.main([str(run), "--gtp"]) == 2
    assert "--gtp is for Go" in capsys.readouterr().err


def test_a_tournament_against_opponents_and_between_checkpoints(run, tmp_path, capsys):
    out = tmp_path / "found.json"
    opponents = ["random", "perfect", "search:5", "random"]  # the first once
    arguments = ["--against", *opponents, "--each-other", "--games", "10", "--out", str(out)]
    assert tournament.main([str(run), *arguments]) == 0
    found = json.loads(out.read_text())
    assert [row["opponent"] for row in found["against"]] == opponents[:3]
    for row in found["against"]:
        for seat in ("first", "second"):
            assert sum(row[seat].values()) == 5
    assert found["against"][1]["first"]["won"] == 0  # nobody beats perfect play
    names = [row["checkpoint"] for row in found["ratings"]]
    assert names == ["kept-112", "kept-224", "kept-400", "last"]
    assert np.mean([row["elo"] for row in found["ratings"]]) == pytest.approx(0, abs=1e-6)
    assert "Elo with 95 % intervals" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("most", "names"), [(1, ["kept-400"]), (2, ["kept-112", "kept-400"]), (9, ["kept-112", "kept-224", "kept-400"])]
)
def test_some_of_many_checkpoints_are_rated(run, most, names, tmp_path):
    out = tmp_path / "found.json"
    (run / "checkpoints" / "kept-mine.ckpt").touch()  # a file of somebody's own
    assert tournament.main([str(run), "--each-other", "--most", str(most), "--games", "2", "--out", str(out)]) == 0
    assert [row["checkpoint"] for row in json.loads(out.read_text())["ratings"]] == [*names, "last"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--each-other", "--most", "0"], "--most 0 is not allowed: it takes a whole number from 1"),
        (["--against", "random", "--seed", "-1"], "--seed -1 is not allowed"),
        (["--against", "random", "--num-simulations", "10000000"], "it takes a whole number from 0 to 1,000,000"),
        (["--against", "search:10000000"], "it takes a number from 1 to 1,000,000"),
        (["--against", "search:0"], "it takes a number from 1 to 1,000,000"),
        (["--against", "random", "--most", "2"], "--most 2 is not allowed without --each-other"),
        (["--against", "nobody"], "it takes random, perfect, search:<simulations> or gnugo:<level>"),
        (["--against", "search"], "it takes random, perfect"),
        (["--against", "random:3"], "random takes no number"),
        (["--against", "random", "--games", "3"], "it takes an even number"),
        ([], "Say who is to play"),
        (["--against", "gnugo:1"], "is for Go"),
    ],
)
def test_what_a_tournament_cannot_do_is_told(run, arguments, sentence, capsys, monkeypatch):
    class Engine:
        def __init__(self, level, seed):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *args):
            pass

    monkeypatch.setattr(tournament, "GnuGo", Engine)
    assert tournament.main([str(run), *arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_gnugo_that_is_not_installed_is_told(run, monkeypatch, capsys):
    monkeypatch.setattr("shutil.which", lambda name, path=None: None)
    assert tournament.main([str(run), "--against", "gnugo:1"]) == 2
    assert "apt-get install gnugo" in capsys.readouterr().err


def test_only_games_for_two_can_be_dueled(tmp_path):
    folder = tmp_path / "run"
    assert (
        train("algo=dqn", "env=catch", "debug=tiny", "logger=csv", "total_frames=300", f"run_dir={folder}").returncode
        == 0
    )
    with pytest.raises(ConfigurationError, match="no game for two players"):
        Duel(CheckpointPlayer(folder))


class Engine:
    """Passes, and keeps what it was told."""

    def __init__(self):
        self.games = []

    def ask(self, command):
        if command == "clear_board":
            self.games.append([])
        elif command.startswith("play"):
            self.games[-1].append(command)
        return "PASS"


def test_games_against_an_engine_begin_alike_from_both_seats_and_differ(go):
    engine = Engine()
    black, white = play_engine(CheckpointPlayer(go), engine, 6, seed=1)
    assert sum(black) == sum(white) == 3
    openings = [moves[:2] for moves in engine.games]
    assert [move.split()[1] for move in openings[0]] == ["black", "white"]
    assert openings[:3] == openings[3:]
    assert len({tuple(moves) for moves in openings}) == 3


class Counting:
    """Plays the first move that is allowed, and counts."""

    def __init__(self, spec):
        self.spec, self.count = spec, 0

    def choose(self, observation):
        self.count += len(observation)
        return np.array([np.flatnonzero(row)[0] for row in self.spec.legal_actions(observation)])


@pytest.mark.parametrize(("id", "num_random"), [("kuhn_poker", 0), ("tic_tac_toe", 2)])
def test_random_moves_are_for_games_that_chance_does_not_make_differ(id, num_random):
    game = OpenSpiel(id, 20)
    game.close = lambda: None  # what was played is looked at
    players = tuple(Counting(game.spec) for _ in range(2))
    assert len(play_each_other(lambda num_games: game, players, (0, 1), 20)) == 20
    played = sum(len(match.history) for match in game._matches)
    assert sum(player.count for player in players) == played - 20 * num_random
