"""The bytes foretold beside those that a full replay and its saves take."""

import numpy as np
import pytest

from tests.fakes import RandomAct, Script, ScriptedGame, collect, random_script
from tests.replay.test_fictitious import played
from tests.replay.test_segments import fill as fill_segments
from tests.replay.test_sequences import fill as fill_sequences
from triptych.collect.collector import Collector
from triptych.replay.buffer import ReplayBuffer
from triptych.replay.room import NUM_SAVES, replay_nbytes
from triptych.replay.saves import prune
from triptych.replay.segments import SegmentBuffer
from triptych.types import EnvSpec

PONG = EnvSpec("pong", "nature", (4, 84, 84), "uint8", num_actions=6, frame_stack=4, frame_skip=4)
KEYWORDS = {ReplayBuffer: {"n_step": 1}, SegmentBuffer: {"n_step": 1, "unroll_steps": 2}}


def needed_by(spec, num_envs, capacity, *, storage="memory", prioritized=False, buffer_class=ReplayBuffer, **saves):
    return replay_nbytes(
        buffer_class,
        spec,
        num_envs,
        capacity_env_steps=capacity,
        storage=storage,
        prioritized=prioritized,
        **saves,
    )


def test_a_million_env_steps_of_atari_take_7_06_gigabytes():
    frames, rest = 84 * 84 * 1_000_000, 18 * 1_000_000
    # Beside the frames, of each step: action (8), reward (4), discount (4), window (1), whether it can be drawn (1).
    assert needed_by(PONG, 16, 1_000_000) == {"memory": frames + rest, "disk": 0, "device": 0}
    assert needed_by(PONG, 16, 1_000_000, storage="disk") == {"memory": rest, "disk": frames, "device": 0}
    assert needed_by(PONG, 16, 1_000_000, storage="device") == {"memory": rest, "disk": 0, "device": frames}
    assert frames / 1e9 == pytest.approx(7.06, abs=0.005)


@pytest.mark.parametrize("buffer_class", [ReplayBuffer, SegmentBuffer])
@pytest.mark.parametrize("storage", ["memory", "disk", "device"])
@pytest.mark.parametrize("prioritized", [True, False])
@pytest.mark.parametrize("is_image", [True, False])
@pytest.mark.parametrize(("capacity", "num_envs"), [(60, 2), (61, 2), (100, 3)])
def test_the_bytes_foretold_are_the_bytes_taken(
    tmp_path, capacity, num_envs, is_image, prioritized, storage, buffer_class
):
    spec = ScriptedGame(random_script, num_envs, frame_stack=3 if is_image else 1, is_image=is_image).spec
    replay = buffer_class(
        spec,
        num_envs,
        capacity_env_steps=capacity,
        discount=0.9,
        seed=0,
        prioritized=prioritized,
        storage=storage,
        directory=tmp_path,
        **KEYWORDS[buffer_class],
    )
    sampler = replay.sampler._tree._sums if prioritized else replay.sampler._is_enabled
    frames = replay.store._frames.nbytes
    assert frames == replay.rows_per_env * num_envs * 5 * (1 if is_image else 4)
    taken = {"memory": 0, "disk": 0, "device": 0} | {storage: frames}
    taken["memory"] += sum(array.nbytes for array in replay.arrays.values()) + sampler.nbytes
    assert taken == needed_by(
        spec, num_envs, capacity, storage=storage, prioritized=prioritized, buffer_class=buffer_class
    )
    if storage == "disk":
        assert taken["disk"] == (tmp_path / "ring.bin").stat().st_size
    assert replay.rows_per_env * num_envs >= capacity


def transitions():
    game = ScriptedGame(random_script, 2, frame_stack=2)
    replay = ReplayBuffer(game.spec, 2, capacity_env_steps=100, n_step=3, discount=0.9, seed=0)
    for step in collect(Collector(game, RandomAct(), seed=0), 40):
        replay.add(step)
    return replay


DRAWN = {
    "transitions": (transitions, {"n_step": 3}),
    "best responses beside them": (lambda: played("kuhn_poker")[1], {"n_step": 1}),
    "segments": (lambda: fill_segments(random_script, 40)[0], {"unroll_steps": 3}),
    "long segments": (lambda: fill_segments(random_script, 40, num_observations=4)[0], {"num_observations": 4}),
    "sequences": (lambda: fill_sequences(40)[0], {"burn_in_steps": 4, "sequence_steps": 6, "n_step": 3}),
}


@pytest.mark.parametrize("kind", DRAWN)
def test_the_observations_foretold_for_a_draw_are_those_drawn(kind):
    make, keywords = DRAWN[kind]
    replay = make()
    seen = replay.store.observation_shape
    counts = [np.prod(field.shape[1:-len(seen)], initial=1) for field in replay.sample(7, 0).sample
              if tuple(field.shape[-len(seen):]) == seen]  # fmt: skip
    assert sum(counts) == replay.num_drawn(**keywords)


@pytest.mark.parametrize("frame_stack", [1, 4])
def test_frames_in_colour_take_three_times_the_bytes(frame_stack):
    grey, colour = (ScriptedGame(random_script, frame_stack=frame_stack, num_channels=number).spec for number in (1, 3))
    found = [needed_by(spec, 1, 100, storage="disk") for spec in (grey, colour)]
    assert [one["disk"] for one in found] == [500, 1500]
    assert found[0]["memory"] == found[1]["memory"]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("period", [1, 3, 8, 12, 19, 24, 25, 60])
def test_the_room_foretold_for_saves_is_what_lies_on_disk_at_most(tmp_path, period, seed):
    game = ScriptedGame(lambda *_: Script(np.arange(9999.0)), 2, frame_stack=1, is_image=False)
    capacity = 48
    replay = ReplayBuffer(game.spec, 2, capacity_env_steps=capacity, n_step=3, discount=0.9, seed=0)
    index = needed_by(game.spec, 2, capacity, storage="disk")["memory"]  # all but the frames
    saves = {"save_period_env_steps": 2 * period, "total_env_steps": 10**9}
    room = needed_by(game.spec, 2, capacity, **saves)["disk"] - NUM_SAVES * index
    collector, rng, most = Collector(game, RandomAct(), seed=0), np.random.default_rng(seed), 0
    for name in range(200):
        is_stopped = rng.random() < 0.2
        for step in collect(collector, int(rng.integers(1, period + 1)) if is_stopped else period):
            replay.add(step)
        replay.save(tmp_path, str(name))  # while the two saves before it are still needed
        if not (tmp_path / "frames-0.bin").exists():  # it holds a frame more, of the first observation
            most = max(most, sum(path.stat().st_size for path in tmp_path.glob("frames-*")))
        assert len(list(tmp_path.glob("index-*"))) <= NUM_SAVES
        prune(tmp_path, {str(name - 1), str(name)})
    assert 0.8 * room < most <= room


def test_the_room_of_saves_grows_with_the_capacity():
    spec = ScriptedGame(random_script, is_image=False).spec
    for period in (1, 7, 50, 1000):
        saves = {"save_period_env_steps": period, "total_env_steps": 10**9}
        rooms = [needed_by(spec, 1, capacity, **saves)["disk"] for capacity in range(1, 200)]
        assert rooms == sorted(rooms)
        assert all(room >= 20 * capacity for capacity, room in enumerate(rooms, start=1))  # 5 numbers of 4 bytes


def test_no_more_is_saved_than_is_ever_played_and_nothing_where_nothing_is_saved():
    spec = ScriptedGame(random_script, is_image=False).spec
    assert needed_by(spec, 1, 100, total_env_steps=10**9)["disk"] == 0
    indices = NUM_SAVES * needed_by(spec, 1, 100, storage="disk")["memory"]
    for total, frames in ((40, 40), (160, 160), (161, 160), (10**9, 160)):
        found = needed_by(spec, 1, 100, save_period_env_steps=20, total_env_steps=total)["disk"]
        assert found == frames * 20 + indices
