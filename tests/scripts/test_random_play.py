"""scripts/random_play.py: the floor that a learner has to leave."""

import json

import pytest

from scripts import random_play
from tests.front_door import call


def play(*arguments):
    return call(random_play.main, "scripts/random_play.py", *arguments)


def test_random_play_is_as_bad_as_it_must_be(tmp_path):
    result = play("catch", "cartpole", "pendulum", "--episodes", "100", "--out", str(tmp_path / "found.json"))
    assert result.returncode == 0, result.stderr
    returns = json.loads((tmp_path / "found.json").read_text())["returns"]
    assert returns["catch"]["return_mean"] == pytest.approx(-0.75, abs=0.2)  # the paddle is one of ten columns wide
    assert returns["cartpole"]["return_mean"] == pytest.approx(22, abs=4)  # as Gymnasium's users know it
    assert -1600 < returns["pendulum"]["return_mean"] < -900


@pytest.mark.parametrize("name", ["cach", "env=cach"])
def test_a_misspelt_env_gets_a_sentence(name):
    result = play(name)
    assert result.returncode == 2
    assert result.stderr.startswith("error: env=cach is not an option; did you mean catch")


def test_where_nothing_can_be_written_nothing_is_played(tmp_path):
    (tmp_path / "file").touch()
    for out in (tmp_path, tmp_path / "file" / "found.json"):
        result = play("catch", "--episodes", "1", "--out", str(out))
        assert result.returncode == 2
        assert "--out" in result.stderr
        assert "it takes a file in a folder" in result.stderr
        assert not result.stdout
