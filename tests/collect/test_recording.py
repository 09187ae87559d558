"""Games that are played, and played again, with everything that is seen."""

import numpy as np
import pytest

from tests.fakes import Script, ScriptedGame, label, scripts_in_order
from triptych.collect.recording import play, record
from triptych.types import Actions, Episode, NoPicture


def game(*rewards, end="terminated"):
    return ScriptedGame(scripts_in_order([Script(list(rewards), end)]), shows_seed=True, may_be_cut=True)


def episode(*actions, total=0.0):
    return Episode(0, 0, 9, len(actions), total, actions=Actions(actions))


def test_each_observation_is_the_one_upon_which_the_action_was_chosen():
    seen = []

    def act(observation):
        seen.append(observation[0].copy())
        return np.array([len(seen) % 3])

    scripted = game(0.0, 2.0, -1.0)
    played = play(scripted, act, 9, 0, 100)
    found = record(scripted, played, 100)
    assert found.episode.actions == [1, 2, 0]
    assert np.array_equal(found.observations, seen)
    assert [label(one).time for one in found.observations] == [0, 1, 2]
    assert found.rewards.tolist() == [0.0, 2.0, -1.0]
    assert found.is_over


def test_a_long_game_is_shown_as_far_as_is_asked_for():
    scripted = game(0.0, 2.0, -1.0, 5.0)
    played = play(scripted, lambda observation: np.array([1]), 9, 0, 2)
    assert len(played.actions) == 2
    found = record(scripted, episode(1, 1, 1, 1, total=6.0), 3)
    assert len(found.observations) == len(found.rewards) == 3
    assert not found.is_over


@pytest.mark.parametrize(
    ("rewards", "told", "sentence"),
    [
        ((0.0, 1.0), episode(0, 0, total=7.0), "return 1 instead of 7"),
        ((0.0, 1.0), episode(0, 0, 0, total=1.0), "it ended after 2 of 3 steps"),
    ],
)
def test_another_game_than_the_one_that_was_played_is_refused(rewards, told, sentence):
    with pytest.raises(NoPicture, match=sentence):
        record(game(*rewards), told, 100)
