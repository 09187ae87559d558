from dataclasses import replace

import numpy as np
import pytest
import torch

import tests.goal_env  # noqa: F401  (registers them)
from tests.fakes import GaussianAct, RandomAct, collect
from triptych.collect.collector import Collector
from triptych.envs.gymnasium import Gymnasium
from triptych.replay.buffer import ReplayBuffer
from triptych.replay.hindsight import HindsightBuffer
from triptych.types import ConfigurationError

DISCOUNT, ROWS, ENVS = 0.9, 40, 2
ACHIEVED, DESIRED = slice(0, 2), slice(2, 4)  # of Walk's observations; the time follows


def make_replay(game, *, ratio=0.8, n_step=1, rows=ROWS, seed=0, **kwargs):
    keywords = {"capacity_env_steps": rows * game.num_envs, "n_step": n_step, "discount": DISCOUNT, "seed": seed}
    if ratio is None:
        return ReplayBuffer(game.spec, game.num_envs, **keywords, **kwargs)
    return HindsightBuffer(game.spec, game.num_envs, hindsight_ratio=ratio, **keywords, **kwargs)


def walk(num_envs=ENVS, **make_kwargs):
    game = Gymnasium("Walk-v0", num_envs, make_kwargs=make_kwargs)
    return game, Collector(game, GaussianAct(game.spec), seed=0)


def is_same(one, other):
    return all(field.equal(same) for field, same in zip(one, other, strict=True))


class ListHindsight:
    """The definition, with all steps ever played in lists."""

    def __init__(self, rows, n_step, ends_at_goal):
        self.rows, self.n_step, self.ends_at_goal = rows, n_step, ends_at_goal
        self.steps, self.places, self.cursor = [[] for _ in range(ENVS)], [{} for _ in range(ENVS)], [0] * ENVS

    def add(self, step):
        for env_index, steps in enumerate(self.steps):
            self.cursor[env_index] += step.is_first[env_index]
            self.places[env_index][(self.cursor[env_index] - 1) % self.rows] = len(steps)
            self.cursor[env_index] += 1
            steps.append({name: value[env_index] for name, value in step._asdict().items() if name != "extras"})

    def at(self, index):
        """Return the steps of an episode, as far as it is known, from the one in a row on."""
        env_index, row = divmod(int(index), self.rows)
        rest = self.steps[env_index][self.places[env_index][row] :]
        ends = [number for number, step in enumerate(rest) if number and step["is_first"]]
        return rest[: ends[0]] if ends else rest

    def outcome(self, episode, goal):
        """Return reward, discount and last observation of the window that begins an episode, with this goal."""
        total, discount = 0.0, 1.0
        for number, step in enumerate(episode[: self.n_step], start=1):
            is_reached = np.linalg.norm(step["next_observation"][ACHIEVED] - goal) <= 0.5
            total += discount * (0.0 if is_reached else -1.0)
            discount *= 0.0 if is_reached and self.ends_at_goal else DISCOUNT
            last = episode[min(self.n_step, len(episode)) - 1]["next_observation"]
            if discount == 0 or number == self.n_step:
                break
        return total, discount, last


@pytest.mark.parametrize("ends_at_goal", [False, True])
@pytest.mark.parametrize("n_step", [1, 3])
def test_every_draw_is_one_by_the_definition(n_step, ends_at_goal):
    game, collector = walk(ends_at_goal=ends_at_goal)
    replay, reference = make_replay(game, n_step=n_step), ListHindsight(ROWS, n_step, ends_at_goal)
    for num_vector_steps in (7, 10, 20, 70):  # before, while and after the ring wraps
        for step in collect(collector, num_vector_steps):
            replay.add(step)
            reference.add(step)
        transition, _, indices = replay.sample(1500, 0)
        seen = set()
        for index, observation, action, reward, discount, next_observation in zip(
            indices, *(field.numpy() for field in transition), strict=True
        ):
            episode = reference.at(index)
            played, goal = episode[0]["observation"], observation[DESIRED]
            later = [step["next_observation"][ACHIEVED].tobytes() for step in episode]
            if goal.tobytes() != played[DESIRED].tobytes():
                assert goal.tobytes() in later  # neither of another episode, nor from before
                seen.add((int(index), later.index(goal.tobytes())))
            total, factor, last = reference.outcome(episode, goal)
            assert (reward, discount) == (pytest.approx(total, abs=1e-5), pytest.approx(factor, abs=1e-6))
            np.testing.assert_array_equal(next_observation[DESIRED], goal)
            for found, expected in ((observation, played), (next_observation, last)):
                np.testing.assert_array_equal(np.delete(found, DESIRED), np.delete(expected, DESIRED))
            np.testing.assert_array_equal(action, episode[0]["action"])
        assert len({index for index, _ in seen}) > 0.9 * len(replay)
        assert len({age for _, age in seen}) >= 5
    assert min(reference.cursor) > 2 * ROWS


def test_each_later_step_is_as_likely_and_so_often_there_is_another_goal():
    game, collector = walk(1)
    replay, steps = make_replay(game, ratio=0.8), collect(collector, 12)
    for step in steps:
        replay.add(step)
    length = next(number for number, step in enumerate(steps) if step.is_last[0]) + 1
    assert 5 <= length <= 12
    transition, _, indices = replay.sample(40_000, 0)
    goals = transition.observation[:, DESIRED].numpy()
    is_other = (goals != steps[0].observation[0, DESIRED]).any(axis=1)
    for start in (0, 3):
        of_start = goals[indices == start]
        reached = np.stack([step.next_observation[0, ACHIEVED] for step in steps[start:length]])
        counts = (of_start[:, None] == reached).all(axis=-1).sum(axis=0)
        assert counts.sum() / len(of_start) == pytest.approx(0.8, abs=0.03)
        assert counts / counts.sum() == pytest.approx(1 / len(reached), abs=0.03)
        assert is_other[indices == start].sum() == counts.sum()


@pytest.mark.parametrize("prioritized", [False, True])
@pytest.mark.parametrize("n_step", [1, 3])
def test_without_other_goals_it_is_plain_replay_to_the_last_bit(n_step, prioritized):
    game, collector = walk()
    plain, replay = (make_replay(game, ratio=ratio, n_step=n_step, prioritized=prioritized) for ratio in (None, 0.0))
    for step in collect(collector, 100):
        plain.add(step)
        replay.add(step)
        num = 32 if len(plain) else 0
        one, other = plain.sample(num, 0), replay.sample(num, 0)
        assert one.indices.tolist() == other.indices.tolist()
        assert is_same((*one.sample, one.weight), (*other.sample, other.weight))


@pytest.mark.parametrize("prioritized", [False, True])
def test_what_is_drawn_does_not_follow_from_how_many_have_another_goal(prioritized):
    game, collector = walk()
    few, many = (make_replay(game, ratio=ratio, prioritized=prioritized) for ratio in (0.1, 1.0))
    for step in collect(collector, 30):
        few.add(step)
        many.add(step)
    for _ in range(3):
        assert few.sample(20, 0).indices.tolist() == many.sample(20, 0).indices.tolist()


@pytest.mark.parametrize("ends_at_goal", [False, True])
def test_with_the_goal_that_was_played_a_window_is_what_it_was(ends_at_goal):
    game, collector = walk(ends_at_goal=ends_at_goal)
    replay = make_replay(game, n_step=3)
    for step in collect(collector, 60):
        replay.add(step)
    index, _ = replay.sampler.draw(300, 0)
    goal = replay.store.gather(torch.from_numpy(index))[:, DESIRED].numpy()
    reward, discount = replay._window(index, goal)
    np.testing.assert_array_equal(reward, replay.arrays["reward"][index])
    np.testing.assert_array_equal(discount, replay.arrays["discount"][index])


def test_a_draw_can_be_undone_and_a_loaded_replay_draws_the_same(tmp_path):
    game, collector = walk()
    replay, loaded = make_replay(game, n_step=2), make_replay(game, n_step=2, seed=5)
    for step in collect(collector, 55):
        replay.add(step)
    replay.sample(10, 0)
    replay.save(tmp_path, "a")
    loaded.load(tmp_path, "a")
    first = replay.sample(100, 0).sample
    replay.undo_draw()
    for again in (replay.sample(100, 0).sample, loaded.sample(100, 0).sample):
        assert is_same(first, again)
    for step in collect(collector, 30):
        replay.add(step)
        loaded.add(step)
    one, other = replay.sample(100, 0).sample, loaded.sample(100, 0).sample
    assert is_same(one, other)


@pytest.mark.parametrize("storage", ["disk", "device"])
def test_all_storages_draw_the_same_and_what_is_stored_stays_as_it_was_played(storage, tmp_path):
    game, collector = walk()
    one, other = make_replay(game, storage=storage, directory=tmp_path), make_replay(game)
    for step in collect(collector, 30):
        one.add(step)
        other.add(step)
    before = one.store._frames.clone(), {name: array.copy() for name, array in one.arrays.items()}
    for _ in range(3):
        assert is_same(one.sample(64, 0).sample, other.sample(64, 0).sample)
    assert one.store._frames.equal(before[0])
    assert all(np.array_equal(array, one.arrays[name]) for name, array in before[1].items())


def test_choices_among_bits_have_goals_too():
    game = Gymnasium("BitFlip-v0", 1, make_kwargs={"num_bits": 4})
    replay = make_replay(game, ratio=1.0)
    for step in collect(Collector(game, RandomAct(num_actions=4), seed=0), 30):
        replay.add(step)
    observation, _, reward, discount, next_observation = replay.sample(500, 0).sample
    is_reached = (next_observation[:, :4] == observation[:, 4:8]).all(dim=1)
    assert 0.2 < is_reached.float().mean() < 0.9
    assert reward[is_reached].eq(0).all()
    assert reward[~is_reached].eq(-1).all()
    assert discount[is_reached].eq(0).all()
    assert discount[~is_reached].eq(np.float32(DISCOUNT)).all()


def test_clipped_rewards_stay_clipped():
    game, collector = walk()
    collector.clip_rewards = True
    goals = game.spec.goals
    fivefold = goals._replace(reward=lambda achieved, desired: 5 * goals.reward(achieved, desired))
    game.spec = replace(game.spec, goals=fivefold)
    replay = make_replay(game, ratio=1.0, clip_rewards=True)
    for step in collect(collector, 20):
        replay.add(step)
    assert set(replay.sample(200, 0).sample.reward.unique().tolist()) == {-1.0, 0.0}


@pytest.mark.parametrize("what", ["reward", "end"])
def test_rewards_and_ends_that_do_not_follow_from_the_goals_are_told(what):
    game, collector = walk()
    replay = make_replay(game)
    (step,) = collect(collector, 1)
    changed = {"reward": {"reward": step.reward + 1}, "end": {"is_terminal": ~step.is_terminal}}[what]
    with pytest.raises(ConfigurationError, match=rf"hindsight_ratio=0.8 does not fit env=Walk-v0: a {what} was"):
        replay.add(step._replace(**changed))
