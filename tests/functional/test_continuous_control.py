import math

import pytest
import torch

from triptych.functional.continuous_control import (
    clipped_double_q_target,
    noisy_action,
    sometimes_random,
    squashed_gaussian,
    temperature_losses,
)


def draws(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_smaller_value_counts_in_a_target():
    q_t = torch.tensor([[1.0, 5.0, 9.0], [2.0, -1.0, 9.0]])
    target = clipped_double_q_target(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, 1.0, 0.0]), q_t)
    assert target.tolist() == [1.5, 1.0, 3.0]


def test_noise_is_clipped_and_leaves_no_bound():
    action, noise = torch.tensor([[0.0, 0.9, -0.9, 0.0]]), torch.tensor([[0.7, 0.3, -0.3, -0.2]])
    torch.testing.assert_close(noisy_action(action, noise, 0.5), torch.tensor([[0.5, 1.0, -1.0, -0.2]]))
    torch.testing.assert_close(noisy_action(action, noise), torch.tensor([[0.7, 1.0, -1.0, -0.2]]))


def test_an_action_is_random_as_a_whole_and_as_often_as_asked():
    action = torch.full((20_000, 3), 0.25)
    found = sometimes_random(action, 0.3, torch.Generator().manual_seed(0))
    is_random = found != action
    assert (is_random.any(dim=1) == is_random.all(dim=1)).all()
    assert float(is_random[:, 0].float().mean()) == pytest.approx(0.3, abs=0.01)
    drawn = found[is_random].reshape(-1, 3)
    assert float(drawn.abs().max()) <= 1
    assert drawn.mean(dim=0).tolist() == pytest.approx([0.0, 0.0, 0.0], abs=0.03)
    assert drawn.var(dim=0).tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3], abs=0.02)


def test_the_log_probability_is_that_of_pytorchs_transformed_distribution():
    mean, log_std, noise = 0.5 * draws(3, 20, 4)  # beyond, the distribution's own inverse of tanh loses digits
    action, log_prob = squashed_gaussian(mean, log_std, noise)
    normal = torch.distributions.Normal(mean, log_std.exp())
    squashed = torch.distributions.TransformedDistribution(normal, torch.distributions.TanhTransform())
    torch.testing.assert_close(log_prob, squashed.log_prob(action).sum(dim=-1))


def test_probabilities_of_all_actions_add_up_to_one():
    mean, log_std = (
        torch.full((40_001, 1), 0.3, dtype=torch.float64),
        torch.full((40_001, 1), -0.7, dtype=torch.float64),
    )
    actions = torch.linspace(-1 + 1e-9, 1 - 1e-9, 40_001, dtype=torch.float64)[:, None]
    found, log_prob = squashed_gaussian(mean, log_std, (actions.atanh() - mean) / log_std.exp())
    torch.testing.assert_close(found, actions)
    assert float(torch.trapezoid(log_prob.exp(), actions[:, 0])) == pytest.approx(1.0, abs=1e-4)


def test_far_from_the_middle_the_log_probability_is_finite_and_has_a_gradient():
    mean = torch.tensor([[30.0, -30.0]], requires_grad=True)
    action, log_prob = squashed_gaussian(mean, torch.zeros(1, 2), torch.zeros(1, 2))
    assert action.tolist() == [[1.0, -1.0]]
    by_hand = 2 * (-0.5 * math.log(2 * math.pi) - 2 * (math.log(2) - 30))
    assert float(log_prob.detach()) == pytest.approx(by_hand)
    log_prob.sum().backward()
    assert mean.grad.tolist() == [[2.0, -2.0]]


@pytest.mark.parametrize(("log_prob", "sign"), [(1.5, -1.0), (0.5, 1.0)])
def test_the_temperature_rises_where_entropy_is_too_small_and_falls_where_it_is_too_large(log_prob, sign):
    log_temperature = torch.tensor(0.3, requires_grad=True)
    temperature_losses(log_temperature, torch.full((5,), log_prob), target_entropy=-1.0).mean().backward()
    assert float(log_temperature.grad) == pytest.approx(sign * 0.5)
