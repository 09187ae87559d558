import pytest

from triptych.planning.sequential_halving import considered_visits, considered_visits_table


def play(num_considered, num_simulations):
    """Give each simulation to the first action with the visits asked for; return the actions' visits."""
    visits = [0] * num_considered
    for asked in considered_visits(num_considered, num_simulations):
        visits[visits.index(asked)] += 1
    return visits


def test_the_schedule_by_hand():
    # 4 actions, 16 simulations: two phases of 8; two visits for each of four, then four for each of two.
    assert considered_visits(4, 16) == [0] * 4 + [1] * 4 + [2] * 2 + [3] * 2 + [4] * 2 + [5] * 2
    assert considered_visits(1, 4) == [0, 1, 2, 3]
    assert considered_visits(2, 5) == [0, 0, 1, 1, 2]
    assert considered_visits(5, 3) == [0, 0, 0]


@pytest.mark.parametrize("num_considered", [1, 2, 3, 4, 5, 7, 8, 16, 18])
@pytest.mark.parametrize("num_simulations", [0, 1, 2, 15, 16, 50, 200])
def test_every_simulation_finds_an_action(num_considered, num_simulations):
    visits = play(num_considered, num_simulations)
    assert sum(visits) == num_simulations
    assert visits == sorted(visits, reverse=True)
    if num_simulations >= num_considered:
        assert min(visits) >= 1


@pytest.mark.parametrize("num_considered", [4, 8, 16])
def test_each_phase_spends_an_equal_share(num_considered):
    num_phases = num_considered.bit_length() - 1
    share = 3 * num_considered
    visits = play(num_considered, num_phases * share)
    before = 0
    for survivors in (num_considered >> phase for phase in range(num_phases)):
        after = before + share // survivors
        assert sum(min(v, after) - min(v, before) for v in visits) == share
        assert sum(v >= after for v in visits) == survivors
        before = after


def test_the_table_has_a_row_for_each_number_of_actions():
    table = considered_visits_table(6, 20)
    assert table.shape == (7, 20)
    for m in range(1, 7):
        assert table[m].tolist() == considered_visits(m, 20)
