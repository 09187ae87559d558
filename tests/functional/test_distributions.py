"""Several choices at once, and numbers beside them, against each of them by itself."""

import itertools
import math

import pytest
import torch
from torch.distributions import Categorical, Independent, Normal, kl_divergence

from triptych.functional.distributions import Factored, Hybrid, described
from triptych.functional.masks import mask_out
from triptych.functional.policy_gradient import sample

SIZES = (2, 3, 4)
EVERY_ACTION = list(itertools.product(*(range(size) for size in SIZES)))


def factored(num_rows=5, sizes=SIZES, action_shape=(3,)):
    logits = torch.randn(num_rows, sum(sizes), generator=torch.Generator().manual_seed(0)) * 2
    return Factored(logits, sizes, action_shape), [part.softmax(-1) for part in logits.split(list(sizes), -1)]


def test_the_probability_of_an_action_is_the_product_over_its_choices():
    policy, parts = factored()
    for action in EVERY_ACTION:
        found = policy.log_prob(torch.tensor(action).expand(5, 3)).exp()
        expected = math.prod(part[:, option] for part, option in zip(parts, action, strict=True))
        torch.testing.assert_close(found, expected)


def test_rows_have_actions_and_probabilities_of_their_own():
    policy, parts = factored()
    action = torch.tensor(EVERY_ACTION[3:8])
    expected = [math.prod(float(part[row, action[row, i]]) for i, part in enumerate(parts)) for row in range(5)]
    torch.testing.assert_close(policy.log_prob(action).exp(), torch.tensor(expected))


def test_entropy_is_that_of_all_actions_together():
    policy, _ = factored()
    log_probs = torch.stack([policy.log_prob(torch.tensor(action).expand(5, 3)) for action in EVERY_ACTION])
    torch.testing.assert_close(log_probs.exp().sum(0), torch.ones(5))
    torch.testing.assert_close(policy.entropy(), -(log_probs.exp() * log_probs).sum(0))


def test_the_mode_is_the_likeliest_of_all_actions():
    policy, _ = factored()
    log_probs = torch.stack([policy.log_prob(torch.tensor(action).expand(5, 3)) for action in EVERY_ACTION])
    assert policy.mode.tolist() == [list(EVERY_ACTION[best]) for best in log_probs.argmax(0).tolist()]
    assert len({tuple(row) for row in policy.mode.tolist()}) > 1


def test_draws_come_as_often_as_they_are_likely():
    logits = torch.tensor([[0.0, math.log(3), 0.0, math.log(2), math.log(5)]])  # 1/4 3/4, 1/8 2/8 5/8
    num_draws = 20_000
    draws = sample(Factored(logits.expand(num_draws, 5), (2, 3), (2,)), torch.Generator().manual_seed(1))
    assert draws.shape == (num_draws, 2)
    assert draws.dtype == torch.int64
    for first, second in itertools.product(range(2), range(3)):
        expected = (1, 3)[first] / 4 * (1, 2, 5)[second] / 8
        share = (draws == torch.tensor([first, second])).all(-1).double().mean().item()
        assert share == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / num_draws))


def test_actions_of_two_axes_keep_their_shape_and_order():
    sizes = (2, 3, 4, 5)
    policy, parts = factored(sizes=sizes, action_shape=(2, 2))
    assert policy.mode.tolist() == torch.stack([part.argmax(-1) for part in parts], -1).view(5, 2, 2).tolist()
    draws = sample(policy, torch.Generator().manual_seed(2))
    assert draws.shape == (5, 2, 2)
    assert (draws.flatten(1) < torch.tensor(sizes)).all()
    expected = sum(part.log().gather(1, draws.flatten(1)[:, [i]])[:, 0] for i, part in enumerate(parts))
    torch.testing.assert_close(policy.log_prob(draws), expected)
    assert (policy.batch_shape, policy.event_shape) == ((5,), (2, 2))


def hybrid(num_rows=5):
    """Return a policy of choices of 2, 3 and 4 options and of 2 numbers, and its parts as plain numbers."""
    choices, parts = factored(num_rows)
    generator = torch.Generator().manual_seed(1)
    mean, std = torch.randn(num_rows, 2, generator=generator), torch.rand(num_rows, 2, generator=generator) + 0.5
    policy = Hybrid(choices, Independent(Normal(mean, std), 1))
    return policy, [part.tolist() for part in parts], mean.tolist(), std.tolist()


def test_of_choices_and_numbers_the_log_probability_is_the_sum_over_all_of_them():
    policy, parts, mean, std = hybrid()
    options, numbers = [[1, 2, 3], [0, 0, 0], [1, 0, 2], [0, 1, 1], [1, 1, 0]], [[0.5, -1.0]] * 5
    action = torch.tensor([[*map(float, one), *two] for one, two in zip(options, numbers, strict=True)])
    for row, found in enumerate(policy.log_prob(action).tolist()):
        expected = sum(math.log(part[row][option]) for part, option in zip(parts, options[row], strict=True))
        for middle, deviation, number in zip(mean[row], std[row], numbers[row], strict=True):
            density = math.exp(-((number - middle) ** 2) / (2 * deviation**2)) / (deviation * math.sqrt(2 * math.pi))
            expected += math.log(density)
        assert found == pytest.approx(expected, rel=1e-4)
    assert (policy.batch_shape, policy.event_shape) == ((5,), (5,))


def test_of_choices_and_numbers_the_entropy_is_the_sum_over_all_of_them():
    policy, parts, _, std = hybrid()
    for row, found in enumerate(policy.entropy().tolist()):
        expected = -sum(share * math.log(share) for part in parts for share in part[row])
        expected += sum(0.5 * math.log(2 * math.pi * math.e * deviation**2) for deviation in std[row])
        assert found == pytest.approx(expected, rel=1e-4)


def test_choices_and_numbers_are_drawn_one_after_the_other_as_they_would_be_by_themselves():
    policy, *_ = hybrid()
    draws = sample(policy, torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    options, numbers = sample(policy.discrete, generator), sample(policy.numbers, generator)
    assert draws.dtype == torch.float32
    assert torch.equal(draws[:, :3], options.float())
    assert torch.equal(draws[:, 3:], numbers)
    assert policy.mode.tolist() == torch.cat([policy.discrete.mode.float(), policy.numbers.mean], dim=-1).tolist()


def test_draws_of_choices_and_numbers_come_as_often_as_they_are_likely():
    num_draws = 20_000
    choices = Factored(torch.tensor([[0.0, math.log(3)]]).expand(num_draws, 2), (2,), (1,))
    policy = Hybrid(choices, Independent(Normal(torch.full((num_draws, 1), 2.0), torch.full((num_draws, 1), 0.5)), 1))
    draws = sample(policy, torch.Generator().manual_seed(1))
    assert draws[:, 0].mean().item() == pytest.approx(0.75, abs=0.015)
    assert draws[:, 1].mean().item() == pytest.approx(2.0, abs=0.015)
    assert draws[:, 1].std().item() == pytest.approx(0.5, abs=0.015)
    assert abs(torch.corrcoef(draws.T)[0, 1].item()) < 0.03


def test_choices_and_numbers_are_described_by_both():
    policy, parts, mean, std = hybrid()
    found = described(policy)
    assert found.keys() == {"action_probs", "action_mean", "action_std"}
    assert found["action_probs"].tolist() == pytest.approx(
        torch.cat([torch.tensor(part) for part in parts], dim=-1).numpy()
    )
    assert (found["action_mean"].tolist(), found["action_std"].tolist()) == (mean, std)


def test_the_divergence_of_choices_is_that_over_all_actions_together():
    policy, _ = factored()
    other = Factored(torch.randn(5, 9, generator=torch.Generator().manual_seed(9)), SIZES, (3,))
    actions = [torch.tensor(action).expand(5, 3) for action in EVERY_ACTION]
    terms = [policy.log_prob(one).exp() * (policy.log_prob(one) - other.log_prob(one)) for one in actions]
    torch.testing.assert_close(kl_divergence(policy, other), torch.stack(terms).sum(0))


def test_the_divergence_of_numbers_is_added_to_that_of_choices():
    policy, _, mean, std = hybrid()
    other = Hybrid(policy.discrete, Independent(Normal(torch.zeros(5, 2), torch.ones(5, 2)), 1))
    expected = [
        sum((s**2 + m**2 - 1) / 2 - math.log(s) for m, s in zip(*row, strict=True))
        for row in zip(mean, std, strict=True)
    ]
    assert kl_divergence(policy, other).tolist() == pytest.approx(expected, rel=1e-4)


def test_the_divergence_knows_of_no_actions_that_are_not_allowed():
    legal = torch.tensor([[True, False, True], [False, True, False]])
    logits = torch.tensor([[math.log(0.25), 5.0, math.log(0.75)], [3.0, 1.0, 2.0]], requires_grad=True)
    policy = Categorical(logits=mask_out(logits, legal))
    other = Categorical(logits=mask_out(torch.zeros(2, 3), legal))
    found = kl_divergence(policy, other)
    expected = [0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5), 0.0]
    assert found.tolist() == pytest.approx(expected, abs=1e-6)
    found.sum().backward()
    assert logits.grad.isfinite().all()
    assert not logits.grad[~legal].any()
