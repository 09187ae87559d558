"""The loss of quantiles, beside loops over its definition."""

import pytest
import torch

from triptych.functional.quantiles import midpoints, quantile_huber


def slow_loss(quantiles, fractions, targets, limit):
    """Return equations 9 and 10 of Dabney et al. 2018 (QR-DQN) for one row, number by number."""
    total = 0.0
    for quantile, fraction in zip(quantiles, fractions, strict=True):
        for target in targets:
            error = target - quantile
            if limit == 0:
                size = abs(error)
            elif abs(error) <= limit:
                size = 0.5 * error**2 / limit
            else:
                size = (abs(error) - 0.5 * limit) * limit / limit
            total += abs(fraction - (error < 0)) * size / len(targets)
    return total


def test_midpoints_are_those_of_equal_parts():
    assert midpoints(4).tolist() == [0.125, 0.375, 0.625, 0.875]


@pytest.mark.parametrize("limit", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("is_shared", [True, False])
def test_the_loss_is_the_sum_over_quantiles_of_the_mean_over_targets(limit, is_shared):
    generator = torch.Generator().manual_seed(0)
    quantiles, targets = torch.randn((3, 4), generator=generator) * 2, torch.randn((3, 5), generator=generator) * 2
    fractions = midpoints(4) if is_shared else torch.rand((3, 4), generator=generator)
    losses = quantile_huber(quantiles, fractions, targets, limit)
    rows = fractions.expand(3, 4)
    expected = [
        slow_loss(quantiles[row].tolist(), rows[row].tolist(), targets[row].tolist(), limit) for row in range(3)
    ]
    assert losses.tolist() == pytest.approx(expected, rel=1e-5)


def test_descending_it_finds_the_quantiles_of_a_distribution():
    returns = torch.tensor([[0.0, 1.0, 2.0, 3.0, 10.0, 10.0, 10.0, 10.0]])
    quantiles = torch.zeros((1, 4), requires_grad=True)
    optimizer = torch.optim.SGD([quantiles], lr=0.05)
    for _ in range(2000):
        optimizer.zero_grad()
        quantile_huber(quantiles, midpoints(4), returns, limit=0.0).sum().backward()
        optimizer.step()
    # The fractions 1/8, 3/8, 5/8, 7/8 lie between eighths: any number from the one to the next will do.
    low, high = torch.tensor([0.0, 2.0, 10.0, 10.0]), torch.tensor([1.0, 3.0, 10.0, 10.0])
    assert bool(((quantiles[0] >= low - 0.1) & (quantiles[0] <= high + 0.1)).all())
