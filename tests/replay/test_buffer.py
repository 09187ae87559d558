from dataclasses import replace

import numpy as np
import pytest

from tests.fakes import (
    RandomAct,
    Script,
    ScriptedGame,
    collect,
    label,
    random_script,
    reference_window,
    scripts_in_order,
)
from triptych.collect.collector import Collector
from triptych.replay.buffer import ReplayBuffer
from triptych.replay.saves import prune
from triptych.types import ConfigurationError

DISCOUNT = 0.9


class ListReplay:
    """A replay made of plain lists: keeps all steps, looks windows up by their definition."""

    def __init__(self, num_envs, rows_per_env, frame_stack, n_step):
        self.rows_per_env, self.frame_stack, self.n_step = rows_per_env, frame_stack, n_step
        self.steps = [[] for _ in range(num_envs)]
        self.rows = [[] for _ in range(num_envs)]  # at which row of an endless ring each observation ends
        self.cursor = [0] * num_envs

    def add(self, step):
        for env_index, steps in enumerate(self.steps):
            if step.is_first[env_index]:
                self.cursor[env_index] += self.frame_stack
            self.rows[env_index].append(self.cursor[env_index] - 1)
            self.cursor[env_index] += 1
            steps.append([field if isinstance(field, dict) else field[env_index] for field in step])

    def transitions(self):
        """Map the bytes of each observation that can be drawn to its transition."""
        found = {}
        for env_index, steps in enumerate(self.steps):
            observation, action, reward, is_terminal, is_last, _, next_observation, _ = zip(*steps, strict=True)
            for start in range(len(steps)):
                first_row = self.rows[env_index][start] - self.frame_stack + 1
                window = reference_window(reward, is_terminal, is_last, start, self.n_step, DISCOUNT)
                if window is not None and first_row >= self.cursor[env_index] - self.rows_per_env:
                    last = start + window.num_steps - 1
                    found[observation[start].tobytes()] = (
                        action[start].item(), window.reward, window.discount, next_observation[last].tobytes()
                    )  # fmt: skip
        return found


def drawn_transitions(replay):
    """Draw until all have been seen; return them in the form of `ListReplay.transitions`."""
    transition, weight, index = replay.sample(40 * len(replay), env_steps=0)
    assert weight.eq(1).all()
    _, places = np.unique(index, return_index=True)
    observation, action, reward, discount, next_observation = (field.numpy()[places] for field in transition)
    return {
        observation[i].tobytes(): (
            action[i].item(), reward[i].item(), discount[i].item(), next_observation[i].tobytes()
        )
        for i in range(len(places))
    }  # fmt: skip


def assert_same(drawn, expected):
    assert drawn.keys() == expected.keys()
    for key, (action, reward, discount, next_observation) in expected.items():
        assert drawn[key] == (
            action,
            pytest.approx(reward, abs=1e-5),
            pytest.approx(discount),
            next_observation,
        )


def make_replay(game, *, rows=24, n_step=3, **kwargs):
    capacity = rows * game.num_envs
    return ReplayBuffer(
        game.spec,
        game.num_envs,
        capacity_env_steps=capacity,
        n_step=n_step,
        discount=DISCOUNT,
        seed=0,
        **kwargs,
    )


def fill(replay, num_vector_steps, *, game=None, collector=None, reference=None, **kwargs):
    collector = collector or Collector(game, RandomAct(), seed=kwargs.pop("seed", 0), **kwargs)
    for step in collect(collector, num_vector_steps):
        replay.add(step)
        if reference is not None:
            reference.add(step)
    return collector


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("life_loss_is_terminal", [False, True])
@pytest.mark.parametrize("n_step", [1, 2, 3, 5])
@pytest.mark.parametrize("frame_stack", [1, 2, 4])
def test_equals_a_replay_made_of_lists(frame_stack, n_step, life_loss_is_terminal, seed):
    game = ScriptedGame(random_script, 3, frame_stack=frame_stack)
    replay = make_replay(game, n_step=n_step)
    reference = ListReplay(3, replay.rows_per_env, frame_stack, n_step)
    collector = None
    for num_vector_steps in (5, 10, 20, 60):  # before, while and after the ring wraps
        collector = fill(
            replay,
            num_vector_steps,
            game=game,
            collector=collector,
            reference=reference,
            seed=seed,
            life_loss_is_terminal=life_loss_is_terminal,
        )
        expected = reference.transitions()
        assert len(replay) == len(expected)
        assert_same(drawn_transitions(replay), expected)
    assert min(reference.cursor) > 2 * replay.rows_per_env


@pytest.mark.parametrize("frame_stack", [1, 3])
def test_stacks_of_frames_in_colour_equal_a_replay_made_of_lists(frame_stack):
    game = ScriptedGame(random_script, 2, frame_stack=frame_stack, num_channels=3)
    replay, reference = make_replay(game), ListReplay(2, 24, frame_stack, 3)
    fill(replay, 70, game=game, reference=reference)
    assert replay.sample(1, 0).sample.observation.shape == (1, frame_stack * 3, 1, 5)
    assert_same(drawn_transitions(replay), reference.transitions())


@pytest.mark.parametrize("n_step", [1, 4])
def test_vector_observations_equal_a_replay_made_of_lists(n_step):
    game = ScriptedGame(random_script, 2, is_image=False)
    replay, reference = make_replay(game, n_step=n_step), ListReplay(2, 24, 1, n_step)
    fill(replay, 70, game=game, reference=reference)
    assert replay.sample(1, 0).sample.observation.dtype.is_floating_point
    assert_same(drawn_transitions(replay), reference.transitions())


@pytest.mark.parametrize("frame_stack", [1, 4])
def test_no_transition_crosses_a_reset(frame_stack):
    game = ScriptedGame(random_script, 3, frame_stack=frame_stack)
    replay = make_replay(game, n_step=4)
    fill(replay, 100, game=game)
    transition = replay.sample(2000, 0).sample
    for observation, next_observation in zip(transition.observation, transition.next_observation, strict=True):
        before, after = label(observation), label(next_observation)
        assert (after.env_index, after.episode_index) == (before.env_index, before.episode_index)
        assert 1 <= after.time - before.time <= 4


@pytest.mark.parametrize(("end", "discount"), [("terminated", 0.0), ("truncated", DISCOUNT), ("both", 0.0)])
def test_only_truncation_bootstraps_and_both_keep_the_true_last_observation(end, discount):
    game = ScriptedGame(scripts_in_order([Script([1.0, 2.0, 3.0], end)]), frame_stack=2)
    replay = make_replay(game, n_step=1)
    fill(replay, 7, game=game)
    transition = replay.sample(200, 0).sample
    is_end = [label(observation).time == 2 for observation in transition.observation]
    assert transition.discount[is_end].unique().tolist() == pytest.approx([discount])
    assert {label(observation).time for observation in transition.next_observation[is_end]} == {3}


def test_windows_left_open_by_another_collector_are_dropped():
    game = ScriptedGame(scripts_in_order([Script([1.0] * 9)]), frame_stack=2)
    replay = make_replay(game, n_step=3)
    fill(replay, 4, game=game)
    fill(replay, 4, game=ScriptedGame(scripts_in_order([Script([100.0] * 9)]), frame_stack=2))
    transition = replay.sample(300, 0).sample
    assert transition.reward.unique().tolist() == pytest.approx([2.71, 271.0])
    assert len(replay) == 4


@pytest.mark.parametrize("storage", ["memory", "disk", "device"])
def test_all_storages_draw_the_same(storage, tmp_path):
    game = ScriptedGame(random_script, 2, frame_stack=2)
    replay, plain = make_replay(game, storage=storage, directory=tmp_path), make_replay(game)
    for step in collect(Collector(game, RandomAct(), 0), 60):
        replay.add(step)
        plain.add(step)
    for one, other in zip(replay.sample(64, 0).sample, plain.sample(64, 0).sample, strict=True):
        assert one.equal(other)


def test_prioritized_replay_prefers_what_got_a_high_priority():
    game = ScriptedGame(random_script, 2, frame_stack=2)
    replay = make_replay(game, prioritized=True, priority_exponent=1.0)
    fill(replay, 60, game=game)
    every = np.unique(replay.sample(5000, 0).indices)
    favourite = every[0]
    replay.update_priorities(every, np.where(every == favourite, 8.0, 1.0))
    draw = replay.sample(5000, 0)
    is_favourite = draw.indices == favourite
    assert is_favourite.mean() == pytest.approx(8 / (len(every) + 7), abs=0.03)
    assert set(draw.indices.tolist()) == set(every.tolist())
    weight = draw.weight.numpy()
    assert weight.max() == 1
    ratio = weight[is_favourite].mean() / weight[~is_favourite].mean()  # of (N p)^-β, with β at its start
    assert ratio == pytest.approx(8.0 ** -replay.sampler.importance_exponent(0), rel=1e-3)


@pytest.mark.parametrize("prioritized", [False, True])
@pytest.mark.parametrize("num_vector_steps", [0, 2, 30])
def test_a_draw_of_no_rows_has_the_types_of_others_and_changes_no_later_draw(num_vector_steps, prioritized):
    game = ScriptedGame(random_script, 2, frame_stack=2)
    replay, other = (make_replay(game, prioritized=prioritized) for _ in range(2))
    for step in collect(Collector(game, RandomAct(), 0), num_vector_steps):
        replay.add(step)
        other.add(step)
    nothing = replay.sample(0, 0)
    assert nothing.sample.observation.shape == (0, 2, 1, 5)
    assert all(len(field) == 0 for field in (*nothing.sample, nothing.weight, nothing.indices))
    if num_vector_steps == 30:
        one, another = replay.sample(50, 0), other.sample(50, 0)
        assert one.indices.tolist() == another.indices.tolist()
        assert [field.dtype for field in nothing.sample] == [field.dtype for field in one.sample]


def test_a_capacity_too_small_for_one_window_is_refused():
    game = ScriptedGame(random_script, 4, frame_stack=4)
    with pytest.raises(ConfigurationError, match=r"capacity_env_steps=28 .* more than 28"):
        make_replay(game, rows=7, n_step=3)
    make_replay(game, rows=8, n_step=3)


@pytest.mark.parametrize("capacity", [8, 9])
def test_the_smallest_capacity_still_equals_lists(capacity):
    game = ScriptedGame(random_script, 1, frame_stack=4)
    replay, reference = make_replay(game, rows=capacity), ListReplay(1, capacity, 4, 3)
    collector = Collector(game, RandomAct(), 0)
    for step in collect(collector, 100):
        replay.add(step)
        reference.add(step)
        expected = reference.transitions()
        assert len(replay) == len(expected)
        if expected:
            assert_same(drawn_transitions(replay), expected)


class TestSaving:
    @pytest.fixture(params=[False, True], ids=["uniform", "prioritized"])
    def make(self, request):
        self.game = ScriptedGame(random_script, 2, frame_stack=3)
        return lambda: make_replay(self.game, prioritized=request.param, importance_exponent_start=0.0)

    def save_often(self, replay, directory, steps_between, num_saves):
        """Save under the names 0, 1, ... and return what could be drawn at each save."""
        contents, collector = [], None
        for name in range(num_saves):
            collector = fill(replay, steps_between, game=self.game, collector=collector)
            contents.append(drawn_transitions(replay))
            replay.save(directory, str(name))
        return contents

    @pytest.mark.parametrize("steps_between", [4, 11, 50])
    def test_every_save_comes_back_as_it_was(self, make, tmp_path, steps_between):
        contents = self.save_often(make(), tmp_path, steps_between, num_saves=6)
        for name, expected in enumerate(contents):
            loaded = make()
            loaded.load(tmp_path, str(name))
            assert len(loaded) == len(expected)
            assert drawn_transitions(loaded) == expected

    def test_a_loaded_replay_draws_the_same_next(self, make, tmp_path):
        replay, loaded = make(), make()
        fill(replay, 40, game=self.game)
        replay.update_priorities(replay.sample(20, 0).indices, np.linspace(0, 3, 20))
        replay.save(tmp_path, "a")
        loaded.load(tmp_path, "a")
        one, other = replay.sample(100, 0), loaded.sample(100, 0)
        np.testing.assert_array_equal(one.indices, other.indices)
        assert one.weight.equal(other.weight)

    def test_loading_drops_windows_that_were_open(self, make, tmp_path):
        replay = make()
        fill(replay, 20, game=ScriptedGame(scripts_in_order([Script([100.0] * 99)]), 2, frame_stack=3))
        replay.save(tmp_path, "a")
        replay.load(tmp_path, "a")
        fill(replay, 6, game=ScriptedGame(scripts_in_order([Script([1.0] * 99)]), 2, frame_stack=3))
        reward = replay.sample(1000, 0).sample.reward
        assert reward.unique().tolist() == pytest.approx([2.71, 271.0])

    def test_it_goes_on_and_saves_again_after_loading(self, make, tmp_path):
        self.save_often(make(), tmp_path, 13, num_saves=3)
        loaded = make()
        loaded.load(tmp_path, "2")
        kept = drawn_transitions(loaded)
        other_game = ScriptedGame(random_script, 2, frame_stack=3)
        other_game.episode_index = [1000, 1000]
        reference = ListReplay(2, loaded.rows_per_env, 3, 3)
        fill(loaded, 6, game=other_game, reference=reference, seed=9)
        expected = reference.transitions()
        after = drawn_transitions(loaded)
        assert_same({key: value for key, value in after.items() if key in expected}, expected)
        old = {key: value for key, value in after.items() if key not in expected}
        assert old
        assert old.items() <= kept.items()
        loaded.save(tmp_path, "3")
        again = make()
        again.load(tmp_path, "3")
        assert drawn_transitions(again) == after

    def test_a_save_writes_only_what_is_new(self, make, tmp_path):
        replay = make()
        collector = fill(replay, 10, game=self.game)
        replay.save(tmp_path, "a")
        before = replay.store.cursor.sum()
        fill(replay, 2, collector=collector)
        replay.save(tmp_path, "b")
        assert (tmp_path / "frames-b.bin").stat().st_size == 5 * (replay.store.cursor.sum() - before)

    def test_a_save_without_news_writes_no_frames(self, make, tmp_path):
        replay = make()
        fill(replay, 10, game=self.game)
        replay.save(tmp_path, "a")
        replay.save(tmp_path, "b")
        assert not (tmp_path / "frames-b.bin").exists()
        loaded = make()
        loaded.load(tmp_path, "b")
        assert drawn_transitions(loaded) == drawn_transitions(replay)

    def test_pruning_keeps_what_last_and_previous_need(self, make, tmp_path):
        (tmp_path / "ring.bin").touch()
        contents = self.save_often(make(), tmp_path, 7, num_saves=8)
        prune(tmp_path, {"6", "7"})
        for name in (6, 7):
            loaded = make()
            loaded.load(tmp_path, str(name))
            assert drawn_transitions(loaded) == contents[name]
        assert {path.name for path in tmp_path.glob("index-*")} == {"index-6.pt", "index-7.pt"}
        assert not (tmp_path / "frames-0.bin").exists()
        assert (tmp_path / "ring.bin").exists()
        with pytest.raises(OSError):
            make().load(tmp_path, "5")

    def test_pruning_removes_what_a_kill_left_half_written(self, make, tmp_path):
        self.save_often(make(), tmp_path, 7, num_saves=1)
        for name in (".tmp-frames-9.bin", ".tmp-index-9.pt"):
            (tmp_path / name).write_bytes(b"half")
        kept = {"frames-0.bin", "index-0.pt"}
        prune(tmp_path, {"0"})
        assert {path.name for path in tmp_path.iterdir()} == kept

    @pytest.mark.parametrize("fraction", [0.0, 0.5, 0.99])
    @pytest.mark.parametrize("pattern", ["frames-1.bin", "index-1.pt"])
    def test_a_file_cut_short_is_an_os_error(self, make, tmp_path, pattern, fraction):
        self.save_often(make(), tmp_path, 6, num_saves=2)
        path = tmp_path / pattern
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * fraction)])
        with pytest.raises(OSError):
            make().load(tmp_path, "1")

    @pytest.mark.parametrize("name", ["frames-0.bin", "frames-1.bin", "index-1.pt"])
    def test_a_missing_file_is_an_os_error(self, make, tmp_path, name):
        self.save_often(make(), tmp_path, 6, num_saves=2)
        (tmp_path / name).unlink()
        with pytest.raises(OSError):
            make().load(tmp_path, "1")

    def test_a_replay_of_another_shape_is_refused(self, make, tmp_path):
        self.save_often(make(), tmp_path, 6, num_saves=1)
        with pytest.raises(ValueError, match="2 rings of 24 rows, this one 2 of 25"):
            make_replay(self.game, rows=25).load(tmp_path, "0")

    def test_continuous_actions_come_back(self, tmp_path):
        game = ScriptedGame(random_script, 2, is_image=False)
        spec = replace(game.spec, num_actions=None, action_shape=(2,))
        kwargs = {"capacity_env_steps": 40, "n_step": 1, "discount": 0.9, "seed": 0}
        replay, loaded = ReplayBuffer(spec, 2, **kwargs), ReplayBuffer(spec, 2, **kwargs)
        rng = np.random.default_rng(0)
        actions = {}
        for step in collect(Collector(game, RandomAct(), 0), 10):
            action = rng.normal(size=(2, 2)).astype(np.float32)
            replay.add(step._replace(action=action))
            actions |= {label(step.observation[i]): action[i].tolist() for i in range(2)}
        replay.save(tmp_path, "a")
        loaded.load(tmp_path, "a")
        transition = loaded.sample(50, 0).sample
        for observation, action in zip(transition.observation, transition.action, strict=True):
            assert action.tolist() == actions[label(observation)]
