import math

import pytest

from triptych.envs.atari import games
from triptych.envs.scores import atari_scores
from triptych.types import EnvSpec


def test_there_are_57_games_and_all_can_be_played():
    assert len(atari_scores()) == 57
    assert set(atari_scores()) <= set(games())


def test_humans_and_random_players_differ():
    for random_score, human_score in atari_scores().values():
        assert math.isfinite(random_score)
        assert math.isfinite(human_score)
        assert human_score != random_score


@pytest.mark.parametrize(
    ("game", "scores"),
    [("pong", (-20.7, 14.6)), ("breakout", (1.7, 30.5)), ("montezuma_revenge", (0.0, 4753.3))],
)
def test_published_scores(game, scores):
    assert atari_scores()[game] == scores


def test_random_play_is_zero_and_human_play_is_one():
    random_score, human_score = atari_scores()["pong"]
    spec = EnvSpec("pong", "nature", (4, 84, 84), "uint8", 6, random_score=random_score, human_score=human_score)
    assert spec.human_normalized_score(-20.7) == 0
    assert spec.human_normalized_score(14.6) == pytest.approx(1)
    assert spec.human_normalized_score(21.0) == pytest.approx(41.7 / 35.3)
    assert EnvSpec("catch", "none", (1,), "float32", 3).human_normalized_score(1.0) is None
