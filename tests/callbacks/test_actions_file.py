"""The actions of training episodes: what is kept of them, and what becomes of a damaged file."""

import numpy as np
import pytest

from triptych.callbacks.actions_file import append_actions, cut_actions, read_actions
from triptych.types import Actions, Episode

EPISODES = {
    (0, 0): np.array([0, 5, 255, 3]),
    (1, 0): np.array([[0, 1], [300, 2]]),
    (0, 1): np.array([[0.5], [-2.25], [1e9]], np.float32),
    (1, 1): np.array([7]),
}


def ended(key, frames):
    return Episode(*key, seed=1, frames=frames, actions=Actions(list(EPISODES[key])))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "actions.bin"
    append_actions(path, [ended((0, 0), 100), ended((1, 0), 120)])
    append_actions(path, [ended((0, 1), 200), ended((1, 1), 200)])
    return path


def kept(path):
    return {key for key in EPISODES if read_actions(path, *key) is not None}


def test_actions_come_back_as_they_were_played(path):
    for key, actions in EPISODES.items():
        found = read_actions(path, *key)
        assert found == Actions(list(actions))
        assert found[:].dtype == (np.float32 if actions.dtype == np.float32 else np.int64)
    assert read_actions(path, 2, 0) is None
    assert read_actions(path.with_name("none"), 0, 0) is None


def test_actions_that_repeat_take_less_than_a_byte_each(tmp_path):
    played = Episode(0, 0, 1, actions=Actions([3] * 900 + [2] * 900))
    append_actions(tmp_path / "actions.bin", [played])
    assert (tmp_path / "actions.bin").stat().st_size < 100


def test_a_run_that_goes_on_drops_what_came_after_its_checkpoint(path):
    cut_actions(path, 120)
    assert kept(path) == {(0, 0), (1, 0)}
    append_actions(path, [ended((1, 1), 180)])
    assert kept(path) == {(0, 0), (1, 0), (1, 1)}
    cut_actions(path, 0)
    assert path.stat().st_size == 0
    cut_actions(path.with_name("none"), 0)
    assert not path.with_name("none").exists()


def test_a_record_cut_short_by_a_kill_is_dropped_and_the_next_one_readable(path):
    whole = path.read_bytes()
    for lost in range(1, 40):
        path.write_bytes(whole[:-lost])
        assert (0, 1) in kept(path) or lost > 20
        cut_actions(path, 10**6)
        append_actions(path, [ended((1, 1), 300)])
        assert {(0, 0), (1, 0), (1, 1)} <= kept(path)


def test_packed_actions_that_were_changed_are_not_returned(path):
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert kept(path) == {(0, 0), (1, 0), (0, 1)}
    for place in range(len(whole)):  # in heads, too: nothing fails
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        kept(path)
