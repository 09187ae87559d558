import math

import pytest
import torch
from jaxtyping import TypeCheckError

from triptych.functional.q_learning import (
    LONGEST_DURATION,
    epsilon_greedy,
    q_learning_target,
    select,
    zeta_durations,
)


def random_batch(seed, batch_size=50, num_actions=4):
    generator = torch.Generator().manual_seed(seed)
    reward, discount = torch.randn(2, batch_size, generator=generator)
    value, selector = torch.randn(2, batch_size, num_actions, generator=generator)
    return reward, discount, value, selector


def test_target_by_hand():
    q_t = torch.tensor([[1.0, 5.0], [2.0, -1.0]])
    target = q_learning_target(torch.tensor([1.0, 2.0]), torch.tensor([0.5, 0.0]), q_t, q_t)
    assert target.tolist() == [3.5, 2.0]


def test_another_selector_chooses_the_action_whose_value_counts():
    value, selector = torch.tensor([[1.0, 5.0]]), torch.tensor([[7.0, 0.0]])
    assert q_learning_target(torch.zeros(1), torch.ones(1), value, selector).tolist() == [1.0]


@pytest.mark.parametrize("seed", range(3))
def test_target_equals_a_loop(seed):
    reward, discount, value, selector = random_batch(seed)
    target = q_learning_target(reward, discount, value, selector)
    for i in range(len(reward)):
        best = max(range(4), key=lambda a, i=i: float(selector[i, a]))
        assert float(target[i]) == pytest.approx(float(reward[i] + discount[i] * value[i, best]))


def test_double_targets_are_never_above_plain_ones():
    reward, discount, value, selector = random_batch(0)
    discount = discount.abs()
    assert (
        q_learning_target(reward, discount, value, selector) <= q_learning_target(reward, discount, value, value)
    ).all()


def test_select_takes_the_values_of_the_actions():
    q_tm1 = torch.arange(6.0).view(3, 2)
    assert select(q_tm1, torch.tensor([1, 0, 1])).tolist() == [1, 2, 5]


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_epsilon_greedy_frequencies(epsilon):
    num = 20_000
    q_values = torch.tensor([0.0, 2.0, 1.0, -1.0]).expand(num, 4)
    action = epsilon_greedy(q_values, epsilon, torch.Generator().manual_seed(0))
    probs = torch.full((4,), epsilon / 4)
    probs[1] += 1 - epsilon
    counts = torch.bincount(action, minlength=4)
    assert ((counts - num * probs).abs() <= 5 * (num * probs * (1 - probs)).sqrt()).all()


def test_each_environment_has_its_own_greedy_action():
    q_values = torch.eye(5)[[3, 0, 4]]
    assert epsilon_greedy(q_values, 0.0, torch.Generator()).tolist() == [3, 0, 4]


def test_the_generator_alone_decides():
    q_values = torch.zeros(100, 6)
    first, again, other = (epsilon_greedy(q_values, 0.5, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert first.equal(again)
    assert not first.equal(other)


@pytest.mark.parametrize(
    "call",
    [
        lambda: q_learning_target(torch.zeros(3), torch.zeros(3, 1), torch.zeros(3, 2), torch.zeros(3, 2)),
        lambda: q_learning_target(torch.zeros(3), torch.zeros(2), torch.zeros(3, 2), torch.zeros(3, 2)),
        lambda: q_learning_target(torch.zeros(3), torch.zeros(3), torch.zeros(3, 2), torch.zeros(3, 4)),
        lambda: select(torch.zeros(3, 2), torch.zeros(4, dtype=torch.int64)),
        lambda: select(torch.zeros(3, 2), torch.zeros(3)),
        lambda: epsilon_greedy(torch.zeros(4), 0.1, torch.Generator()),
    ],
)
def test_a_wrong_shape_or_type_raises(call):
    with pytest.raises(TypeCheckError):
        call()


def test_durations_are_of_the_zeta_distribution():
    """With exponent 2 its probabilities are n^-2 / (π² / 6)."""
    drawn = zeta_durations(100_000, 2.0, torch.Generator().manual_seed(0))
    for n in (1, 2, 3, 10):
        expected = n**-2 / (math.pi**2 / 6)
        assert float((drawn == n).float().mean()) == pytest.approx(expected, abs=5 * (expected / 100_000) ** 0.5)
    assert int(drawn.max()) > 1000
    assert zeta_durations(1000, math.inf, torch.Generator().manual_seed(0)).tolist() == [1] * 1000
    assert 1 <= int(zeta_durations(10_000, 1.0, torch.Generator().manual_seed(0)).max()) <= LONGEST_DURATION
