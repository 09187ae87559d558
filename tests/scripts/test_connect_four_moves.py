"""The share of perfect moves."""

import json

import numpy as np
import pytest

pytest.importorskip("pyspiel")
from scripts import connect_four_moves
from triptych.types import ConfigurationError


def test_positions_are_different_and_have_a_mistake():
    positions = connect_four_moves.make_positions(2)
    assert len({tuple(one["columns"]) for one in positions}) == 2
    for one in positions:
        assert 12 <= len(one["columns"]) <= 32
        assert 1 <= len(one["perfect"]) < 7
    assert connect_four_moves.make_positions(2) == positions


def test_a_share_is_of_the_perfect_moves():
    from triptych.envs.openspiel import OpenSpiel

    class Player:
        class experiment:
            class data:
                @staticmethod
                def make_game(num_envs):
                    return OpenSpiel("connect_four", num_envs)

        def choose(self, observations):
            assert len(observations) == 3
            return np.array([0, 3, 6])

    positions = [
        {"columns": [3] * 4, "perfect": [0, 1]},
        {"columns": [2, 2], "perfect": [1]},
        {"columns": [], "perfect": [6]},
    ]
    assert connect_four_moves.measure(Player(), positions) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nonsense", "does not hold what --make writes"),
        ('["a"]', "does not hold what --make writes"),
        ('{"a": 1}', "does not hold what --make writes"),
        ("[]", "holds no positions"),
        ("3", "does not hold what --make writes"),
        ('[{"columns": [3], "perfect": [2]}, {"columns": [9], "perfect": [1]}]', "position 1 has a move in column 9"),
        ('[{"columns": [0, 1, 0, 1, 0, 1, 0], "perfect": [1]}]', "position 0 has no perfect move that is allowed"),
        ('[{"columns": [0], "perfect": []}]', "position 0 has no perfect move that is allowed"),
    ],
)
def test_positions_that_cannot_be_used_are_told(text, told, tmp_path):
    path = tmp_path / "positions.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=told):
        connect_four_moves.read_positions(path)


def test_committed_positions_are_the_ones_that_the_script_makes():
    committed = json.loads(connect_four_moves.POSITIONS.read_text())
    assert len(committed) == 1000
    assert connect_four_moves.make_positions(3) == committed[:3]


def test_without_a_run_it_says_what_it_needs(capsys, tmp_path):
    assert connect_four_moves.main([]) == 2
    assert "Give the folder of a run on env=connect_four" in capsys.readouterr().err
    assert connect_four_moves.main([str(tmp_path), "--positions", str(tmp_path / "none.json")]) == 2
    assert "--make 1000 writes it" in capsys.readouterr().err
