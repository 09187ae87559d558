"""What does not fit is refused, with the largest that does."""

import re

import pytest

from tests.fakes import ScriptedGame, random_script
from tests.front_door import train
from triptych.data.room import Needs, check_room
from triptych.replay.buffer import ReplayBuffer
from triptych.replay.room import replay_nbytes
from triptych.types import ConfigurationError

PLENTY = {"memory": 10**15, "disk": 10**15, "device": 10**15}


@pytest.mark.parametrize("place", ["memory", "disk", "device"])
def test_every_place_is_looked_at(place):
    needs = Needs("algo.some_count", 12, lambda count: {"memory": 3, "disk": 3, "device": 3} | {place: 5 * count})
    check_room(needs, PLENTY | {place: 60})
    words = rf"^algo\.some_count=12 takes 0\.00 MB of {place}, which has 0\.00 MB .* is algo\.some_count=11\.$"
    with pytest.raises(ConfigurationError, match=words):
        check_room(needs, PLENTY | {place: 59})


@pytest.mark.parametrize("prioritized", [True, False])
@pytest.mark.parametrize(("capacity", "num_envs"), [(60, 2), (61, 2), (100, 3), (1000, 7)])
def test_a_replay_that_does_not_fit_names_the_largest_that_does(capacity, num_envs, prioritized):
    spec = ScriptedGame(random_script, frame_stack=3).spec

    def nbytes(capacity):
        keywords = {"capacity_env_steps": capacity, "storage": "memory", "prioritized": prioritized}
        return replay_nbytes(ReplayBuffer, spec, num_envs, **keywords)

    needs = Needs("algo.replay.capacity_env_steps", capacity, nbytes)
    needed = nbytes(capacity)["memory"]
    check_room(needs, PLENTY | {"memory": needed})
    for available in {needed // 2, *range(needed - 40, needed)}:
        with pytest.raises(ConfigurationError, match=rf"capacity_env_steps={capacity} .* memory") as error:
            check_room(needs, PLENTY | {"memory": available})
        largest = int(re.findall(r"capacity_env_steps=(\d+)", str(error.value))[-1])
        assert nbytes(largest)["memory"] <= available < nbytes(largest + 1)["memory"]


def two_settings(first, second):
    def nbytes(of_first, of_second):
        return {"memory": 5 * of_first + 7 * of_second, "disk": 0, "device": 0}

    other = Needs("algo.second", second, lambda count: nbytes(first, count))
    return Needs("algo.first", first, lambda count: nbytes(count, second), (other,))


@pytest.mark.parametrize(
    ("first", "second", "end"),
    [
        (100, 10, r"^algo\.first=100 takes .* the largest that fits is algo\.first=6\.$"),
        (2, 100, r"^algo\.second=100 takes .* the largest that fits is algo\.second=12\.$"),
        (30, 25, r"^algo\.second=25 takes .* even algo\.second=1 does not fit, a smaller algo\.first may\.$"),
    ],
)
def test_of_two_settings_the_one_that_takes_more_is_named(first, second, end):
    with pytest.raises(ConfigurationError, match=end):
        check_room(two_settings(first, second), PLENTY | {"memory": 100})


def test_what_a_turn_draws_at_once_must_fit(tmp_path):
    """64 environments and an update for a thousandth of an env step: 64,000 minibatches in a turn."""
    much = ["algo=dqn", "env=pong", "algo.num_envs=64", "algo.env_steps_per_update=0.001", "algo.batch_size=100000"]
    result = train(*much, f"run_dir={tmp_path / 'run'}")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: algo.batch_size=100000 takes 361")
    assert "the largest that fits is algo.batch_size=" in line
    assert not (tmp_path / "run").exists()


def test_where_nothing_fits_no_size_is_advised():
    needs = Needs("algo.some_count", 5, lambda count: {"memory": 1000 + count, "disk": 0, "device": 0})
    with pytest.raises(ConfigurationError, match=r"even algo\.some_count=1 does not fit\.$"):
        check_room(needs, PLENTY | {"memory": 100})
