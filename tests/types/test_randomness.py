"""Sources of chance do not share their numbers."""

from typing import get_args

import numpy as np
import pytest

from triptych.types import Chance, chance_seed


def test_all_sources_of_neighbouring_runs_differ():
    seeds = {chance_seed(seed, chance) for seed in range(100) for chance in get_args(Chance)}
    assert len(seeds) == 100 * len(get_args(Chance))


def test_the_processes_of_a_run_have_chances_of_their_own():
    seeds = {chance_seed(9, chance, rank) for rank in range(50) for chance in get_args(Chance)}
    assert len(seeds) == 50 * len(get_args(Chance))
    assert all(chance_seed(9, chance, 0) == chance_seed(9, chance) for chance in get_args(Chance))


@pytest.mark.parametrize(("position", "chance"), enumerate(get_args(Chance)))
def test_they_are_the_children_of_one_seed_sequence(position, chance):
    child = np.random.SeedSequence(9).spawn(len(get_args(Chance)))[position]
    assert chance_seed(9, chance) == child.generate_state(1)[0]
