"""The actions of an episode: few bytes, and what was put in comes out."""

import numpy as np
import pytest

from triptych.types import Episode
from triptych.types.playing import Actions

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("actions", "bytes_per_action"),
    [
        (RANDOM.integers(18, size=1000), 1),
        (RANDOM.integers(256, size=1000), 1),
        (RANDOM.integers(257, size=1000), 8),
        (RANDOM.integers(5, size=(1000, 3)), 3),
        (RANDOM.integers(2, size=(1000, 3)).astype(np.int8), 3),
        (RANDOM.normal(size=(1000, 2)).astype(np.float32), 8),
    ],
)
def test_an_action_takes_its_bytes_and_half_as_many_again_at_most(actions, bytes_per_action):
    kept = Actions(list(actions[:16]))
    for count, action in enumerate(actions[16:], start=17):
        kept.append(action)
        assert kept.nbytes <= 1.5 * bytes_per_action * count
    assert kept.nbytes >= bytes_per_action * 1000
    np.testing.assert_array_equal(kept[:], actions)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 24, 25, 500])
def test_all_are_there_at_every_length(count):
    kept = Actions()
    for action in range(count):
        assert len(kept) == action
        kept.append(action % 7)
    assert list(kept) == [action % 7 for action in range(count)]
    assert len(kept) == count


@pytest.mark.parametrize("late", [-1, 256, 70_000])
def test_a_number_that_does_not_fit_into_a_byte_changes_none_before_it(late):
    kept = Actions([0, 255, 3])
    assert kept.nbytes == 16
    kept.append(late)
    kept.append(4)
    assert list(kept) == [0, 255, 3, late, 4]


@pytest.mark.parametrize(
    ("action", "dtype"),
    [(3, np.int64), (np.int64(300), np.int64), (np.array([1, 2]), np.int64), (np.array([0.5], np.float32), np.float32)],
)
def test_what_comes_out_are_numbers_that_can_be_reckoned_with(action, dtype):
    (found,) = Actions([action])
    assert found.dtype == dtype
    np.testing.assert_array_equal(found - 400, np.asarray(action) - 400)  # a byte would go round
    assert Actions([action] * 3)[1:].dtype == dtype


def test_slices_and_places_are_those_of_a_list():
    numbers = RANDOM.integers(9, size=40).tolist()
    kept = Actions(numbers)
    for part in (slice(None), slice(3), slice(-5, None), slice(2, 30, 4), slice(50, 60)):
        assert kept[part].tolist() == numbers[part]
    assert (kept[0], kept[-1], kept[20]) == (numbers[0], numbers[-1], numbers[20])
    with pytest.raises(IndexError):
        kept[40]  # what was made room for holds no action
    assert list(reversed(kept)) == numbers[::-1]


def test_equal_are_those_of_the_same_actions_however_they_are_kept():
    assert Actions([1, 2, 3]) == Actions([1, 2, 3]) == [1, 2, 3]
    assert Actions() == Actions() == []
    assert Actions([1, 2, 3]) != Actions([1, 2])
    assert Actions([1, 2, 3]) != Actions([1, 2, 4])
    wide = Actions([1, 300])
    assert wide == [1, 300]
    assert Actions([np.array([1, 2])]) != Actions([np.array([1, 3])])
    assert Actions([1]) != 1
    assert Episode(0, 0, 5, actions=Actions([1])) == Episode(0, 0, 5, actions=Actions([1]))
    assert Episode(0, 0, 5, actions=Actions([1])) != Episode(0, 0, 5, actions=Actions([2]))


def test_episodes_do_not_share_their_actions():
    one, other = Episode(0, 0, 5), Episode(0, 1, 6)
    one.actions.append(1)
    assert len(other.actions) == 0
