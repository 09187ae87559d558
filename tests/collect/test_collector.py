from itertools import pairwise

import numpy as np
import pytest

from tests.fakes import BrokenGame, RandomAct, Script, ScriptedGame, collect, label, random_script, scripts_in_order
from triptych.collect.collector import Collector, episode_seed
from triptych.types import NotFinite

ENDS = {"terminated": True, "truncated": False, "both": True}


def play(scripts, num_vector_steps, **kwargs):
    collector = Collector(ScriptedGame(scripts_in_order(scripts)), RandomAct(), seed=0, **kwargs)
    return collect(collector, num_vector_steps)


def values(steps, field):
    return [getattr(step, field)[0].item() for step in steps]


@pytest.mark.parametrize(("end", "is_terminal"), ENDS.items())
def test_the_end_of_an_episode_by_hand(end, is_terminal):
    steps = play([Script([1.0, 2.0, 3.0], end)], 5)
    assert values(steps, "reward") == [1, 2, 3, 1, 2]
    assert values(steps, "is_terminal") == [False, False, is_terminal, False, False]
    assert values(steps, "is_last") == [False, False, True, False, False]
    assert values(steps, "is_first") == [True, False, False, True, False]
    assert [label(step.observation[0])[1:] for step in steps] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    assert [label(step.next_observation[0])[1:] for step in steps] == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2)]


def test_a_lost_life_closes_the_window_but_the_game_goes_on():
    script = Script([1.0, 2.0, 3.0, 4.0], "truncated", lives=(3, 2, 2, 1), first_lives=3)
    steps = play([script], 5, life_loss_is_terminal=True)
    assert values(steps, "is_terminal") == [False, True, False, True, False]
    assert values(steps, "is_last") == [False, True, False, True, False]
    assert values(steps, "is_first") == [True, False, False, False, True]
    assert [label(step.observation[0])[1:] for step in steps] == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0)]


def test_a_lost_life_means_nothing_where_the_protocol_says_so():
    script = Script([1.0, 2.0, 3.0, 4.0], lives=(3, 2, 2, 1), first_lives=3)
    steps = play([script], 4, life_loss_is_terminal=False)
    assert values(steps, "is_terminal") == [False, False, False, True]
    assert values(steps, "is_last") == [False, False, False, True]


def test_neither_a_life_gained_nor_the_lives_of_the_next_episode_close_a_window():
    scripts = [
        Script([0.0, 0.0], "truncated", (4, 5), first_lives=3),
        Script([0.0, 0.0], lives=(1, 1), first_lives=1),
    ]
    steps = play(scripts, 3, life_loss_is_terminal=True)
    assert values(steps, "is_terminal") == [False, False, False]
    assert values(steps, "is_last") == [False, True, False]


def test_a_life_lost_while_another_environment_begins_anew_closes_the_window():
    short = Script([0.0, 0.0], lives=(3, 3), first_lives=3)
    long = Script([0.0] * 4, lives=(3, 3, 2, 2), first_lives=3)
    game = ScriptedGame(lambda env_index, episode_index, seed: (short, long)[env_index], num_envs=2)
    steps = collect(Collector(game, RandomAct(), 0, life_loss_is_terminal=True), 4)
    assert [step.is_terminal.tolist() for step in steps] == [[False, False], [True, False], [False, True], [True, True]]
    assert all(step.is_terminal.dtype == bool for step in steps)
    assert [step.is_first.tolist() for step in steps] == [[True, True], [False, False], [True, False], [False, False]]


def test_rewards_are_clipped_for_learning_and_whole_in_the_statistics():
    game = ScriptedGame(scripts_in_order([Script([5.0, -0.5, 0.0, -7.0])]))
    collector = Collector(game, RandomAct(), seed=0, clip_rewards=True)
    received = [collector.receive() for _ in range(4)]
    assert [step.reward.tolist() for step, _ in received] == [[1], [-1], [0], [-1]]
    assert all(step.reward.dtype == np.float32 for step, _ in received)
    assert received[-1][1][0].episode_return == -2.5


def test_finished_episodes_say_everything_about_themselves():
    game = ScriptedGame(scripts_in_order([Script([1.0, 2.0, 4.0], "truncated"), Script([8.0])]), num_envs=2)
    collector = Collector(game, RandomAct(), seed=5)
    ended = [episode for _ in range(4) for episode in collector.receive()[1]]
    assert [(e.env_index, e.episode_index, e.length, e.episode_return, e.is_truncated) for e in ended] == [
        (0, 0, 3, 7.0, True),
        (1, 0, 3, 7.0, True),
        (0, 1, 1, 8.0, False),
        (1, 1, 1, 8.0, False),
    ]
    assert [e.frames for e in ended] == [3 * 2 * 2, 3 * 2 * 2, 4 * 2 * 2, 4 * 2 * 2]
    assert [e.actions for e in ended] == [
        [sent[0] for sent in game.sent[:3]],
        [sent[1] for sent in game.sent[:3]],
        [game.sent[3][0]],
        [game.sent[3][1]],
    ]


@pytest.mark.parametrize("seed", range(4))
def test_steps_follow_one_another(seed):
    act = RandomAct()
    collector = Collector(ScriptedGame(random_script, 4, frame_stack=3), act, seed)
    steps = collect(collector, 120)
    for step, following in pairwise(steps):
        for env_index in range(4):
            now, following_now = label(step.observation[env_index]), label(following.observation[env_index])
            then = label(step.next_observation[env_index])
            assert then == now._replace(time=now.time + 1)
            if following.is_first[env_index]:
                assert step.is_last[env_index]
                assert following_now == (env_index, now.episode_index + 1, 0)
            else:
                np.testing.assert_array_equal(following.observation[env_index], step.next_observation[env_index])
    assert collector.env_steps == 4 * 120


def test_every_observation_but_the_last_of_an_episode_is_acted_upon_once():
    act = RandomAct()
    game = ScriptedGame(random_script, 3)
    steps = collect(Collector(game, act, seed=0), 50)
    for seen, sent, step in zip(act.observations, game.sent, steps, strict=True):
        np.testing.assert_array_equal(step.observation, seen)
        np.testing.assert_array_equal(step.action, sent)


def test_steps_stay_as_they_were_when_the_next_ones_come():
    collector = Collector(ScriptedGame(random_script, 3), RandomAct(), seed=0)
    kept = [collector.receive()[0] for _ in range(40)]
    fresh = collect(Collector(ScriptedGame(random_script, 3), RandomAct(), seed=0), 40)
    for one, other in zip(kept, fresh, strict=True):
        for name in (
            "observation",
            "action",
            "reward",
            "is_terminal",
            "is_last",
            "is_first",
            "next_observation",
        ):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_send_acts_at_once_and_receive_waits_for_it():
    game, act = ScriptedGame(random_script, 2), RandomAct()
    collector = Collector(game, act, seed=0)
    collector.send()
    assert len(game.sent) == 1
    step, _ = collector.receive()
    assert len(game.sent) == 1
    np.testing.assert_array_equal(step.action, game.sent[0])
    collector.receive()
    assert len(game.sent) == 2


def test_extras_arrive_with_the_step_of_their_action():
    calls = iter(range(100))
    act = lambda observation: (np.zeros(1, np.int64), {"call": np.array([next(calls)])})  # noqa: E731
    collector = Collector(ScriptedGame(random_script), act, seed=0)
    assert [step.extras["call"].item() for step in collect(collector, 20)] == list(range(20))


def test_every_episode_starts_from_its_own_seed():
    game = ScriptedGame(random_script, 3)
    collect(Collector(game, RandomAct(), seed=7), 100)
    for env_index, seeds in enumerate(game.seeds):
        assert seeds == [episode_seed(7, env_index, episode_index) for episode_index in range(len(seeds))]
        assert len(seeds) > 5
    everything = [seed for seeds in game.seeds for seed in seeds]
    assert len(set(everything)) == len(everything)
    assert all(0 <= seed < 2**31 for seed in everything)


def test_seeds_differ_between_runs_environments_and_episodes():
    names = [(run, env, episode) for run in range(10) for env in range(20) for episode in range(20)]
    seeds = {episode_seed(*name) for name in names}
    assert len(seeds) >= len(names) - 1
    assert episode_seed(1, 2, 3) == episode_seed(1, 2, 3)


def test_where_episodes_cannot_be_played_again_new_ones_start_and_none_is_repeated():
    first_game, second_game = (ScriptedGame(random_script, 2, may_be_cut=True) for _ in range(2))
    second_game.episode_index = [1000, 1000]  # which its observations show
    first = Collector(first_game, RandomAct(), seed=3)
    collect(first, 17)
    second = Collector(second_game, RandomAct(), seed=3)
    assert second.load_state_dict(first.state_dict()) == "it came to another state"
    second_game.seeds = [[], []]
    steps = collect(second, 10)
    assert steps[0].is_first.all()
    assert second.env_steps == 2 * 27
    for before, after, env_index in zip(first_game.seeds, second_game.seeds, range(2), strict=True):
        every = [episode_seed(3, env_index, episode) for episode in range(len(before) + len(after))]
        assert before + after == every


@pytest.mark.parametrize("num_resets", [1, 2])
def test_a_first_observation_that_is_not_finite_stops_the_play(num_resets):
    class Broken(ScriptedGame):
        num_resets = 0

        def reset(self, seeds, mask):
            observation, lives = super().reset(seeds, mask)
            self.num_resets += 1
            if self.num_resets == num_resets:
                observation[1] = np.nan
            return observation, lives

    game = Broken(lambda *_: Script([0.0] * 3), 2, is_image=False)
    with pytest.raises(NotFinite, match=r"observation is not finite, 0 steps after the start from seed \d+") as error:
        collect(Collector(game, RandomAct(), seed=0), 9)
    assert error.value.offender["seed"] == game.seeds[1][-1]


@pytest.mark.parametrize("what", ["observation", "reward"])
def test_a_number_that_is_not_finite_stops_the_play(what):
    game = BrokenGame(what, at=3)
    collector = Collector(game, RandomAct(), seed=0)
    collect(collector, 2)
    with pytest.raises(
        NotFinite, match=rf"scripted: its {what} is not finite, 3 steps after the start from seed \d+"
    ) as error:
        collector.receive()
    assert error.value.offender["seed"] == game.seeds[1][0]
    assert error.value.offender["actions"].tolist() == [int(sent[1]) for sent in game.sent]
