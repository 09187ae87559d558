"""What does not fit is refused, with the largest that does."""

import re

import pytest

from tests.fakes import ScriptedGame, random_script
from triptych.data.room import Needs, check_room
from triptych.replay.buffer import ReplayBuffer
from triptych.replay.room import replay_nbytes
from triptych.types import ConfigurationError

PLENTY = {"memory": 10**15, "disk": 10**15, "device": 10**15}


@pytest.mark.parametrize("place", ["memory", "disk", "device"])
def test_every_place_is_looked_at(place):
    needs = Needs("algo.some_count", 12, lambda count: {"memory": 3, "disk": 3, "device": 3} | {place: 5 * count})
    check_room(needs, PLENTY | {place: 60})
    words = rf"^algo\.some_count=12 takes 0\.00 GB of {place}, which has 0\.00 GB .* is algo\.some_count=11\.$"
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
