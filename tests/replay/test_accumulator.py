import numpy as np
import pytest

from tests.fakes import reference_window
from triptych.replay.accumulator import NStepAccumulator, OwnTurnAccumulator


def random_stream(seed, num_steps=60, num_envs=4):
    rng = np.random.default_rng(seed)
    reward = rng.normal(size=(num_steps, num_envs)).astype(np.float32)
    is_terminal = rng.random((num_steps, num_envs)) < 0.15
    is_truncated = rng.random((num_steps, num_envs)) < 0.15
    return reward, is_terminal, is_terminal | is_truncated


def closed_windows(accumulator, reward, is_terminal, is_last):
    """Map (env, step at which it opened) to every window that closed."""
    closed = {}
    for step in range(len(reward)):
        windows = accumulator.add(reward[step], is_terminal[step], is_last[step])
        for env_index, num_steps, total, factor in zip(*windows, strict=True):
            closed.setdefault((int(env_index), step + 1 - int(num_steps)), []).append(
                (int(num_steps), float(total), float(factor))
            )
    return closed


def one_env(values):
    return np.array(values, dtype=np.float32)[:, None]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_step", [1, 2, 3, 5, 20])
def test_windows_equal_the_definition(n_step, seed):
    reward, is_terminal, is_last = random_stream(seed)
    closed = closed_windows(NStepAccumulator(4, n_step, 0.9), reward, is_terminal, is_last)
    expected = {}
    for env_index in range(4):
        columns = [array[:, env_index].tolist() for array in (reward, is_terminal, is_last)]
        for start in range(len(reward)):
            window = reference_window(*columns, start, n_step, 0.9)
            if window is not None:
                expected[env_index, start] = window
    assert closed.keys() == expected.keys()
    for key, windows in closed.items():
        assert windows == [pytest.approx(tuple(expected[key]), abs=1e-5)]


@pytest.mark.parametrize("n_step", [1, 3, 7])
def test_every_step_opens_exactly_one_window(n_step):
    reward, is_terminal, is_last = random_stream(seed=1)
    is_last[-1] = True
    closed = closed_windows(NStepAccumulator(4, n_step, 0.99), reward, is_terminal, is_last)
    assert sorted(closed) == [(env_index, step) for env_index in range(4) for step in range(60)]
    assert all(len(windows) == 1 for windows in closed.values())


@pytest.mark.parametrize("n_step", [2, 3, 7])
def test_no_window_crosses_an_end(n_step):
    reward, is_terminal, is_last = random_stream(seed=2)
    closed = closed_windows(NStepAccumulator(4, n_step, 0.99), reward, is_terminal, is_last)
    for (env_index, start), [(num_steps, _, _)] in closed.items():
        assert 1 <= num_steps <= n_step
        assert not is_last[start : start + num_steps - 1, env_index].any()


def test_one_step_windows_are_the_steps_themselves():
    reward, is_terminal, is_last = random_stream(seed=3)
    accumulator = NStepAccumulator(4, 1, 0.5)
    for step in range(60):
        windows = accumulator.add(reward[step], is_terminal[step], is_last[step])
        assert windows.env_index.tolist() == [0, 1, 2, 3]
        assert windows.num_steps.tolist() == [1, 1, 1, 1]
        np.testing.assert_array_equal(windows.reward, reward[step])
        np.testing.assert_array_equal(windows.discount, np.where(is_terminal[step], 0.0, 0.5))


def test_three_steps_by_hand():
    closed = closed_windows(
        NStepAccumulator(1, 3, 0.5), one_env([1, 2, 4, 8]), one_env([0, 0, 0, 0]) > 0, one_env([0, 0, 0, 0]) > 0
    )
    assert closed == {(0, 0): [(3, 1 + 1 + 1, 0.125)], (0, 1): [(3, 2 + 2 + 2, 0.125)]}


def test_termination_closes_all_windows_at_discount_zero():
    closed = closed_windows(NStepAccumulator(1, 3, 0.5), one_env([1, 2]), one_env([0, 1]) > 0, one_env([0, 1]) > 0)
    assert closed == {(0, 0): [(2, 2.0, 0.0)], (0, 1): [(1, 2.0, 0.0)]}


def test_truncation_closes_all_windows_and_keeps_the_discount():
    closed = closed_windows(NStepAccumulator(1, 3, 0.5), one_env([1, 2]), one_env([0, 0]) > 0, one_env([0, 1]) > 0)
    assert closed == {(0, 0): [(2, 2.0, 0.25)], (0, 1): [(1, 2.0, 0.5)]}


def test_reset_forgets_open_windows():
    accumulator = NStepAccumulator(1, 3, 0.5)
    never = np.zeros(1, dtype=bool)
    accumulator.add(np.array([100.0], np.float32), never, never)
    accumulator.reset()
    sizes = [len(accumulator.add(np.array([1.0], np.float32), never, never).reward) for _ in range(2)]
    assert sizes == [0, 0]
    windows = accumulator.add(np.array([1.0], np.float32), never, never)
    assert windows.reward.tolist() == [1.75]


def random_games(seed, num_steps=80, num_envs=4):
    reward, is_terminal, is_last = random_stream(seed, num_steps, num_envs)
    rng = np.random.default_rng(seed + 100)
    return reward, is_terminal, is_last, (rng.random((num_steps, num_envs)) < 0.7) & ~is_last


def own_window(reward, is_terminal, is_last, passes, movers, start, discount):
    """Compute the window of whoever moves at step ``start`` of one game; ``None`` while it is open, or for nobody."""
    total = 0.0
    for step in range(start, len(reward)):
        total += reward[step] if movers[step] == movers[start] else -reward[step]
        if is_terminal[step]:
            return step + 1 - start, total, 0.0
        next_mover = 1 - movers[step] if passes[step] else movers[step]
        if next_mover == movers[start]:
            return step + 1 - start, total, discount
        if is_last[step]:
            return None
    return None


def movers_of(is_last, passes):
    mover, movers = 0, []
    for last, turn_passes in zip(is_last, passes, strict=True):
        movers.append(mover)
        mover = 0 if last else 1 - mover if turn_passes else mover
    return movers


@pytest.mark.parametrize("seed", range(5))
def test_windows_of_own_turns_equal_the_definition(seed):
    reward, is_terminal, is_last, passes = random_games(seed)
    accumulator, closed, expected = OwnTurnAccumulator(4, 0.9, longest=255), {}, {}
    for step in range(len(reward)):
        windows = accumulator.add(reward[step], is_terminal[step], is_last[step], passes[step])
        for env_index, num_steps, total, factor in zip(*windows, strict=True):
            assert (env_index, step + 1 - num_steps) not in closed
            closed[int(env_index), step + 1 - int(num_steps)] = (int(num_steps), float(total), float(factor))
    for env_index in range(4):
        columns = [array[:, env_index].tolist() for array in (reward, is_terminal, is_last, passes)]
        for start in range(len(reward)):
            window = own_window(*columns, movers_of(*columns[2:]), start, 0.9)
            if window is not None:
                expected[env_index, start] = pytest.approx(window, abs=1e-5)
    assert any(num_steps > 2 for num_steps, _, _ in closed.values())
    assert closed == expected


def test_a_window_of_own_turns_by_hand():
    accumulator, no, yes = OwnTurnAccumulator(1, 0.5, longest=2), np.array([False]), np.array([True])
    assert len(accumulator.add(np.array([1.0]), no, no, yes).reward) == 0  # the first player wins 1
    (window,) = zip(*accumulator.add(np.array([4.0]), no, no, yes), strict=True)  # the second 4, and it is 0's turn
    assert window == (0, 2, -3.0, 0.5)
    (window,) = zip(*accumulator.add(np.array([2.0]), no, no, no), strict=True)  # the first wins 2 and moves again
    assert window == (0, 1, 2.0, 0.5)
    closed = accumulator.add(np.array([8.0]), yes, yes, no)  # the second player's has grown to 3 steps: too long
    assert [array.tolist() for array in closed] == [[0], [1], [8.0], [0.0]]


def test_open_windows_of_own_turns_are_saved():
    reward, is_terminal, is_last, passes = random_games(seed=7)
    one, other = OwnTurnAccumulator(4, 0.9, longest=9), OwnTurnAccumulator(4, 0.9, longest=9)
    for step in range(40):
        one.add(reward[step], is_terminal[step], is_last[step], passes[step])
    other.load_state_dict(one.state_dict())
    for step in range(40, 80):
        pair = [both.add(reward[step], is_terminal[step], is_last[step], passes[step]) for both in (one, other)]
        assert all(np.array_equal(a, b) for a, b in zip(*pair, strict=True))
