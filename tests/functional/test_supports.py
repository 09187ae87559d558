import math

import pytest
import torch
from jaxtyping import TypeCheckError

from triptych.functional.supports import (
    categorical_projection,
    compress,
    expand,
    expectation,
    make_support,
    two_hot,
)

SCALARS = torch.tensor([-30_000.0, -299.5, -1.0, -0.01, 0.0, 0.3, 1.0, 24.0, 1e6])


def test_compress_by_hand():
    found = compress(torch.tensor([0.0, 3.0, -3.0, 99.0]))
    torch.testing.assert_close(found, torch.tensor([0.0, 1.003, -1.003, 9.099]))
    torch.testing.assert_close(compress(torch.tensor([8.0]), epsilon=0.5), torch.tensor([6.0]))


def test_expand_by_hand():
    torch.testing.assert_close(expand(torch.tensor([1.003, -9.099, 0.0])), torch.tensor([3.0, -99.0, 0.0]))


@pytest.mark.parametrize("epsilon", [0.001, 0.01, 0.5])
def test_expand_undoes_compress(epsilon):
    torch.testing.assert_close(expand(compress(SCALARS, epsilon), epsilon), SCALARS, rtol=1e-5, atol=1e-6)
    wide = SCALARS.double()
    torch.testing.assert_close(expand(compress(wide, epsilon), epsilon), wide, rtol=1e-12, atol=1e-12)


def test_compress_keeps_the_order_and_is_odd():
    x = torch.linspace(-500, 500, 2001)
    assert (compress(x).diff() > 0).all()
    assert compress(-x).equal(-compress(x))


def test_two_hot_by_hand():
    support = make_support(-2, 2, 5)
    assert support.tolist() == [-2, -1, 0, 1, 2]
    probs = two_hot(torch.tensor([[0.25, -2.0], [2.0, 1.0]]), support)
    assert probs.tolist() == [
        [[0, 0, 0.75, 0.25, 0], [1, 0, 0, 0, 0]],
        [[0, 0, 0, 0, 1], [0, 0, 0, 1, 0]],
    ]


def test_two_hot_clips_at_the_ends():
    support = make_support(-1, 3, 3)
    assert two_hot(torch.tensor([-7.0, 9.0, math.inf, -math.inf]), support).tolist() == [
        [1, 0, 0],
        [0, 0, 1],
        [0, 0, 1],
        [1, 0, 0],
    ]


@pytest.mark.parametrize(("low", "high", "num_bins"), [(-300, 300, 601), (-1, 1, 2), (0.1, 0.7, 7), (-15, 15, 51)])
def test_the_expectation_of_two_hot_is_the_scalar(low, high, num_bins):
    support = make_support(low, high, num_bins)
    x = torch.cat([support, low + (high - low) * torch.rand(500, generator=torch.Generator().manual_seed(0))])
    probs = two_hot(x, support)
    assert (probs >= 0).all()
    assert ((probs > 0).sum(dim=-1) <= 2).all()
    torch.testing.assert_close(probs.sum(dim=-1), torch.ones(len(x)))
    torch.testing.assert_close(expectation(probs, support), x, rtol=1e-5, atol=1e-5 * (high - low))


def test_a_scalar_survives_the_whole_way():
    support = make_support(-300, 300, 601)
    x = SCALARS[1:]
    found = expand(expectation(two_hot(compress(x), support), support))
    inside = compress(x).abs() <= 300
    torch.testing.assert_close(found[inside], x[inside], rtol=1e-4, atol=1e-4)
    assert found[~inside].tolist() == pytest.approx([float(expand(torch.tensor(300.0)))], rel=1e-4)


@pytest.mark.parametrize(("low", "high", "num_bins"), [(1, 1, 5), (2, 1, 5), (0, 1, 1)])
def test_an_impossible_support_raises(low, high, num_bins):
    with pytest.raises(ValueError, match="needs two bins and low below high"):
        make_support(low, high, num_bins)


def test_a_wrong_shape_or_type_raises():
    support = make_support(0, 1, 3)
    for call in (
        lambda: two_hot(torch.zeros(3, dtype=torch.int64), support),
        lambda: two_hot(torch.zeros(3), support[None]),
        lambda: expectation(torch.zeros(2, 4), support),
    ):
        with pytest.raises(TypeCheckError):
            call()


def reference_projection(reward, discount, probs, support):
    """Bellemare et al. 2017, algorithm 1, for one row and in its words."""
    low, high, step = support[0], support[-1], support[1] - support[0]
    projected = [0.0] * len(support)
    for point, prob in zip(support, probs, strict=True):
        position = (min(max(reward + discount * point, low), high) - low) / step
        lower, upper = math.floor(position), math.ceil(position)
        if lower == upper:
            projected[lower] += prob
        else:
            projected[lower] += prob * (upper - position)
            projected[upper] += prob * (position - lower)
    return projected


def test_the_projection_is_that_of_the_paper():
    generator = torch.Generator().manual_seed(0)
    support = make_support(-2, 3, 11)
    probs = torch.rand(64, 11, generator=generator).softmax(dim=-1)
    reward, discount = torch.randn(64, generator=generator) * 2, torch.rand(64, generator=generator)
    reward[:3], discount[:3] = torch.tensor([0.0, 1.0, -9.0]), torch.tensor([1.0, 0.0, 0.5])  # on points, and far out
    found = categorical_projection(reward, discount, probs, support)
    for row in range(64):
        expected = reference_projection(float(reward[row]), float(discount[row]), probs[row].tolist(), support.tolist())
        assert found[row].tolist() == pytest.approx(expected, abs=1e-6)


def test_a_projection_keeps_the_mean_within_the_support_and_all_probability():
    support = make_support(-10, 10, 51)
    probs = torch.rand(5, 51, generator=torch.Generator().manual_seed(1)).softmax(dim=-1)
    reward, discount = torch.linspace(-1, 1, 5), torch.full((5,), 0.9)
    found = categorical_projection(reward, discount, probs, support)
    torch.testing.assert_close(found.sum(dim=-1), torch.ones(5))
    torch.testing.assert_close(expectation(found, support), reward + 0.9 * expectation(probs, support))


def test_after_termination_the_projection_is_the_reward_alone():
    support = make_support(-1, 1, 5)
    found = categorical_projection(torch.tensor([0.25]), torch.zeros(1), torch.rand(1, 5).softmax(dim=-1), support)
    assert found[0].tolist() == pytest.approx([0, 0, 0.5, 0.5, 0])
