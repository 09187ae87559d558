import numpy as np
import torch

from triptych.functional.tables import break_ties, value_iteration

NUM_STATES, NUM_ACTIONS = 6, 3


def random_model(seed):
    generator = torch.Generator().manual_seed(seed)
    transition = torch.rand(NUM_STATES, NUM_ACTIONS, NUM_STATES, generator=generator, dtype=torch.float64)
    transition /= transition.sum(dim=-1, keepdim=True)
    reward = torch.randn(NUM_STATES, NUM_ACTIONS, generator=generator, dtype=torch.float64)
    is_terminal = torch.zeros(NUM_STATES, dtype=torch.bool)
    is_terminal[-1] = True
    return transition, reward, is_terminal


def slow_optimum(transition, reward, is_terminal, discount):
    """Try every policy, solve its linear equations, and take the best value of each state and action."""
    best = np.full((NUM_STATES, NUM_ACTIONS), -np.inf)
    for policy in np.ndindex(*[NUM_ACTIONS] * (NUM_STATES - 1)):
        matrix, gain = np.eye(NUM_STATES), np.zeros(NUM_STATES)
        for state, action in enumerate(policy):
            matrix[state] -= discount * transition[state, action].numpy()
            gain[state] = reward[state, action]
        values = np.linalg.solve(matrix, gain)
        q_values = reward.numpy() + discount * transition.numpy() @ values
        best = np.maximum(best, q_values)
    best[is_terminal.numpy()] = 0.0
    return best


def test_value_iteration_finds_what_the_best_of_all_policies_is_worth():
    for seed, discount in [(0, 0.9), (1, 0.5), (2, 0.0)]:
        model = random_model(seed)
        np.testing.assert_allclose(value_iteration(*model, discount).numpy(), slow_optimum(*model, discount), atol=1e-6)


def test_value_iteration_by_hand():
    # 0 -> 1 costs 1, 1 -> 2 gives 5, and 2 is the end; the other action stays where it is for nothing.
    transition = torch.zeros(3, 2, 3, dtype=torch.float64)
    transition[0, 0, 1] = transition[1, 0, 2] = transition[0, 1, 0] = transition[1, 1, 1] = transition[2, :, 0] = 1
    reward = torch.tensor([[-1.0, 0.0], [5.0, 0.0], [9.0, 9.0]], dtype=torch.float64)
    found = value_iteration(transition, reward, torch.tensor([False, False, True]), 0.5)
    assert found.tolist() == [[1.5, 0.75], [5.0, 2.5], [0.0, 0.0]]


def test_value_iteration_ends_where_there_is_no_optimum():
    transition, reward = torch.ones(1, 1, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    assert value_iteration(transition, reward, torch.tensor([False]), 1.0, max_sweeps=30).item() == 30


def test_ties_are_broken_evenly_and_only_ties():
    generator = torch.Generator().manual_seed(0)
    q_values = torch.tensor([[0.0, 2.0, 2.0, -1.0]]).repeat(4000, 1)
    counts = torch.bincount(break_ties(q_values, generator).argmax(dim=-1), minlength=4)
    assert counts[0] == counts[3] == 0
    assert abs(int(counts[1]) - 2000) < 5 * 4000**0.5 / 2
