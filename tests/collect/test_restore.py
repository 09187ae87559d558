"""Running episodes are brought back to where they stood, or the difference is seen."""

import numpy as np
import pytest

from tests.fakes import collect, is_equal, random_act
from triptych.collect.collector import Collector
from triptych.collect.restore import Diverged, replay_running
from triptych.envs.atari import Atari
from triptych.envs.gymnasium import Gymnasium
from triptych.types import Episode


def cartpole(num_envs):
    return Gymnasium("CartPole-v1", num_envs)


def pendulum(num_envs):
    return Gymnasium("Pendulum-v1", num_envs)


def sticky_breakout(num_envs):
    return Atari("breakout", num_envs, repeat_action_prob=0.25, max_frames_per_episode=400)


@pytest.mark.parametrize("make_game", [cartpole, pendulum, sticky_breakout])
@pytest.mark.parametrize("is_in_flight", [False, True])
def test_a_restored_collector_goes_on_as_if_nothing_had_been(make_game, is_in_flight):
    first, second = (Collector(make_game(3), random_act(make_game(1).spec), seed=4) for _ in range(2))
    collect(first, 57)
    if is_in_flight:
        first.send()
    state = first.state_dict()
    assert second.load_state_dict(state) is None
    assert is_equal(second.state_dict(), state)
    second.act.generator.bit_generator.state = first.act.generator.bit_generator.state
    for one, other in zip(collect(first, 250), collect(second, 250), strict=True):
        for name, before, after in zip(one._fields, one, other, strict=True):
            if name != "extras":
                assert np.array_equal(before, after), name
    assert is_equal(second.state_dict(), first.state_dict())


def test_episodes_just_begun_and_long_ones_arrive_together():
    collector = Collector(cartpole(4), random_act(cartpole(1).spec), seed=0)
    while True:  # until an episode has just begun beside a long one
        collect(collector, 1)
        lengths = [len(entry["actions"]) for entry in collector.state_dict()["running"]]
        if min(lengths) == 0 and max(lengths) > 20:
            break
    again = Collector(cartpole(4), random_act(cartpole(1).spec), seed=0)
    assert again.load_state_dict(collector.state_dict()) is None
    assert is_equal(again.state_dict(), collector.state_dict())


def test_what_is_played_again_differently_is_seen():
    collector = Collector(cartpole(2), random_act(cartpole(1).spec), seed=0)
    collect(collector, 5)
    state = collector.state_dict()
    assert Collector(cartpole(2), None, seed=1).load_state_dict(state) == "it came to another state"
    episode = Episode(0, 0, 3, episode_return=2.0)
    for action in (1, 1, 1):
        episode.actions.append(action)
    with pytest.raises(Diverged, match="rewards"):
        replay_running(cartpole(1), [episode])
    episode.episode_return = 60.0
    for _ in range(57):  # no pole stands so long
        episode.actions.append(1)
    with pytest.raises(Diverged, match="ended"):
        replay_running(cartpole(1), [episode])


def test_an_environment_that_fails_is_told():
    collector = Collector(cartpole(2), random_act(cartpole(1).spec), seed=0)
    collect(collector, 5)
    state = collector.state_dict()
    for entry in state["running"]:
        entry["actions"] = entry["actions"] + 7  # no such action
    assert "Error" in Collector(cartpole(2), None, seed=0).load_state_dict(state)
