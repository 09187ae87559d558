"""The solver of connect four beside a search of everything, and beside what is known."""

import numpy as np
import pytest

from triptych.envs.connect_four import ConnectFourSolver
from triptych.envs.matches import Solver

pyspiel = pytest.importorskip("pyspiel")


@pytest.fixture(scope="module")
def solver():
    return ConnectFourSolver()


def random_position(generator, length):
    while True:
        state, columns = pyspiel.load_game("connect_four").new_initial_state(), []
        while len(columns) < length and not state.is_terminal():
            columns.append(int(generator.choice(state.legal_actions())))
            state.apply_action(columns[-1])
        if not state.is_terminal():
            return state, columns


def test_it_agrees_with_a_search_of_everything(solver):
    generator, slow = np.random.default_rng(0), Solver(pyspiel.load_game("connect_four"))
    values = []
    for _ in range(60):
        state, columns = random_position(generator, int(generator.integers(30, 41)))
        sign = 1 if state.current_player() == 0 else -1
        values.append(solver.value(columns))
        assert values[-1] == sign * slow.value(state)
        assert solver.best_columns(state, columns) == slow.best_actions(state)
    assert set(values) == {-1, 0, 1}


@pytest.mark.parametrize(
    ("columns", "value"),
    [
        ([3, 3, 3, 3, 2, 0, 4, 0], 1),  # three in the lowest row, open on both sides
        ([0, 3, 0, 3, 6, 3, 6, 2, 6], 1),  # three upwards
        ([3, 3, 4, 4, 2, 2, 0, 0], 1),  # 1 and 5 complete a row
    ],
)
def test_positions_by_hand(solver, columns, value):
    assert solver.value(columns) == value


def test_mirrored_positions_are_worth_the_same(solver):
    generator = np.random.default_rng(1)
    for _ in range(20):
        _, columns = random_position(generator, 20)
        assert solver.value(columns) == solver.value([6 - column for column in columns])


def test_too_early_positions_are_refused(solver):
    with pytest.raises(ValueError, match="fewer than 8"):
        solver.value([3, 3])
