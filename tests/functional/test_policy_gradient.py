import math

import pytest
import torch
from torch.distributions import Categorical, Independent, Normal

from triptych.functional.policy_gradient import (
    approximate_kl,
    clipped_surrogate_losses,
    clipped_value_losses,
    policy_gradient_losses,
    sample,
    standardize,
)


def test_the_gradient_raises_what_was_better_and_lowers_what_was_worse():
    logits = torch.zeros(2, 3, requires_grad=True)
    log_prob = Categorical(logits=logits).log_prob(torch.tensor([0, 1]))
    policy_gradient_losses(log_prob, torch.tensor([2.0, -1.0])).sum().backward()
    # Minus A times (one-hot - probability), by hand.
    expected = torch.tensor([[-4 / 3, 2 / 3, 2 / 3], [-1 / 3, 2 / 3, -1 / 3]])
    torch.testing.assert_close(logits.grad, expected)


def test_no_gradient_through_the_advantage():
    advantage = torch.ones(4, requires_grad=True)
    log_prob = torch.zeros(4, requires_grad=True)
    policy_gradient_losses(log_prob, advantage).sum().backward()
    assert advantage.grad is None


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "has_gradient"),
    [
        (1.0, 2.0, -2.0, True),
        (1.5, 2.0, -2.4, False),  # far enough in the right direction
        (0.5, 2.0, -1.0, True),  # gone the wrong way: back
        (0.5, -2.0, 1.6, False),
        (1.5, -2.0, 3.0, True),
    ],
)
def test_the_surrogate_in_each_corner(ratio, advantage, loss, has_gradient):
    log_ratio = torch.tensor([math.log(ratio)], requires_grad=True)
    found = clipped_surrogate_losses(log_ratio, torch.tensor([advantage]), 0.2)
    found.sum().backward()
    assert float(found.detach()) == pytest.approx(loss)
    assert bool(log_ratio.grad != 0) == has_gradient


def test_at_the_old_policy_the_surrogate_has_the_policy_gradient():
    log_prob, advantage = torch.randn(2, 20, generator=torch.Generator().manual_seed(0))
    first, second = log_prob.clone().requires_grad_(), log_prob.clone().requires_grad_()
    policy_gradient_losses(first, advantage).mean().backward()
    clipped_surrogate_losses(second - log_prob, advantage, 0.1).mean().backward()
    torch.testing.assert_close(first.grad, second.grad)


def test_a_clipped_value_takes_the_larger_error():
    old, target = torch.tensor([0.0, 0.0, 0.0]), torch.tensor([1.0, 1.0, -1.0])
    value = torch.tensor([0.1, 0.8, 0.8])
    found = clipped_value_losses(value, old, target, 0.2)
    assert found.tolist() == pytest.approx([0.405, 0.32, 1.62])


def test_kl_is_estimated_without_bias_and_never_negative():
    old, new = Categorical(logits=torch.tensor([0.1, 0.5, -0.3])), Categorical(logits=torch.tensor([0.4, 0.2, -0.1]))
    actions = torch.arange(3).repeat_interleave(torch.tensor([0, 0, 0]) + 1)
    log_ratio = new.log_prob(actions) - old.log_prob(actions)
    expectation = sum(float(p) * float(approximate_kl(r[None])) for p, r in zip(old.probs, log_ratio, strict=True))
    assert expectation == pytest.approx(float(torch.distributions.kl_divergence(old, new)), abs=1e-6)
    assert all(float(approximate_kl(r[None])) >= 0 for r in log_ratio)


def test_standardized_advantages_keep_their_order():
    advantage = torch.tensor([5.0, 1.0, 3.0])
    found = standardize(advantage, advantage)
    assert float(found.mean()) == pytest.approx(0, abs=1e-6)
    assert float(found.std(correction=0)) == pytest.approx(1, abs=1e-6)
    assert found.argsort().tolist() == [1, 2, 0]


def test_parts_of_a_batch_are_standardized_as_the_batch_is():
    batch = torch.tensor([5.0, 1.0, 3.0, -2.0])
    parts = [standardize(part, batch) for part in batch.split(2)]
    assert torch.equal(torch.cat(parts), standardize(batch, batch))


def test_standardizing_equal_advantages_gives_zeros():
    assert standardize(torch.full((4,), 3.0), torch.full((4,), 3.0)).tolist() == [0.0] * 4
    assert standardize(torch.ones(1), torch.ones(1)).tolist() == [0.0]


def test_categorical_draws_follow_the_probabilities():
    policy = Categorical(logits=torch.tensor([0.0, 1.0, 2.0]).expand(40_000, 3))
    found = torch.bincount(sample(policy, torch.Generator().manual_seed(0)), minlength=3) / 40_000
    torch.testing.assert_close(found, policy.probs[0], atol=0.01, rtol=0)


def test_gaussian_draws_follow_mean_and_deviation():
    mean, std = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])
    policy = Independent(Normal(mean.expand(40_000, 2), std.expand(40_000, 2)), 1)
    found = sample(policy, torch.Generator().manual_seed(0))
    torch.testing.assert_close(found.mean(0), mean, atol=0.05, rtol=0)
    torch.testing.assert_close(found.std(0), std, atol=0.05, rtol=0)


@pytest.mark.parametrize("policy", [Categorical(logits=torch.zeros(9, 3)), Normal(torch.zeros(9, 2), torch.ones(9, 2))])
def test_equal_generators_draw_the_same(policy):
    first, second = (sample(policy, torch.Generator().manual_seed(3)) for _ in range(2))
    assert first.tolist() == second.tolist()


def test_entropy_of_a_gaussian_in_the_units_of_the_action():
    policy = Independent(Normal(torch.zeros(1, 2), torch.tensor([[1.0, 4.0]])), 1)
    expected = sum(0.5 * math.log(2 * math.pi * math.e * std**2) for std in (1.0, 4.0))
    assert float(policy.entropy()) == pytest.approx(expected)
