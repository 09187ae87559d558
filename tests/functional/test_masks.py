"""Actions that are not allowed: never the best, never likely, never counted."""

import pytest
import torch
from torch.distributions import Categorical

from triptych.functional.masks import legal_max, legal_mean, mask_out
from triptych.functional.q_learning import epsilon_greedy, q_learning_target

VALUES = torch.tensor([[1.0, 5.0, -3.0], [-7.0, -8.0, 2.0]])
LEGAL = torch.tensor([[True, False, True], [True, True, False]])


def test_the_best_is_the_best_of_what_is_allowed():
    assert mask_out(VALUES, LEGAL).argmax(dim=-1).tolist() == [0, 0]


def test_a_policy_gives_it_no_probability_and_its_entropy_is_that_of_the_others():
    policy = Categorical(logits=mask_out(VALUES, LEGAL), validate_args=False)
    assert policy.probs[~LEGAL].tolist() == [0, 0]
    for row, kept in enumerate([[1.0, -3.0], [-7.0, -8.0]]):
        smaller = Categorical(logits=torch.tensor(kept))
        assert policy.entropy()[row].item() == pytest.approx(smaller.entropy().item())


def test_it_has_no_gradient():
    values = VALUES.clone().requires_grad_()
    mask_out(values, LEGAL).logsumexp(dim=-1).sum().backward()
    assert values.grad[~LEGAL].tolist() == [0, 0]
    assert values.grad[LEGAL].sum().item() == pytest.approx(2)


def test_means_and_largest_leave_it_out():
    assert legal_mean(VALUES, LEGAL).item() == pytest.approx((1 - 3 - 7 - 8) / 4)
    assert legal_mean(VALUES, None).item() == pytest.approx(VALUES.mean().item())
    assert legal_max(VALUES.abs(), LEGAL).item() == 8
    assert legal_max(VALUES.abs(), None).item() == 8


def test_exploration_chooses_evenly_among_what_is_allowed():
    generator = torch.Generator().manual_seed(0)
    values, legal = mask_out(VALUES, LEGAL).repeat(2000, 1), LEGAL.repeat(2000, 1)
    actions = epsilon_greedy(values, 1.0, generator, legal)
    assert legal.gather(1, actions[:, None]).all()
    counts = torch.bincount(actions[::2], minlength=3)
    assert counts[1] == 0
    assert abs(counts[0] - counts[2]) < 150  # of 2,000


def test_a_target_where_nothing_is_allowed_any_more_is_the_reward():
    over = mask_out(VALUES, torch.zeros_like(LEGAL))
    target = q_learning_target(torch.tensor([1.0, -1.0]), torch.zeros(2), over, over)
    assert target.tolist() == [1, -1]


def test_what_the_opponent_wins_is_lost():
    target = q_learning_target(torch.zeros(2), torch.full((2,), -1.0), mask_out(VALUES, LEGAL), mask_out(VALUES, LEGAL))
    assert target.tolist() == [-1, 7]
