import math

import pytest
import torch
from jaxtyping import TypeCheckError
from torch.distributions import Categorical
from torch.nn.functional import huber_loss

from triptych.functional.losses import cross_entropy, divergence, half_squared, huber

ERRORS = torch.tensor([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0])


def test_huber_by_hand_and_as_torch_has_it():
    assert huber(ERRORS).tolist() == [2.5, 0.5, 0.125, 0.0, 0.125, 0.5, 2.5]
    torch.testing.assert_close(huber(ERRORS), huber_loss(ERRORS, torch.zeros(7), reduction="none"))


def test_the_gradient_of_huber_is_the_clipped_error():
    errors = torch.linspace(-3, 3, 31).requires_grad_()
    huber(errors).sum().backward()
    torch.testing.assert_close(errors.grad, errors.detach().clamp(-1, 1))


def test_the_gradient_of_squared_is_the_error():
    errors = ERRORS.clone().requires_grad_()
    losses = half_squared(errors)
    losses.sum().backward()
    assert losses.tolist() == [4.5, 0.5, 0.125, 0.0, 0.125, 0.5, 4.5]
    torch.testing.assert_close(errors.grad, ERRORS)


def test_cross_entropy_by_hand():
    logits = torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    probs = torch.tensor([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]])
    expected = torch.tensor([3.0, 2.0 + math.exp(2.0)]).log()
    torch.testing.assert_close(cross_entropy(logits, probs), expected)


def test_cross_entropy_is_least_at_the_distribution_itself():
    logits = torch.randn(5, 4, 6, generator=torch.Generator().manual_seed(0), requires_grad=True)
    own = Categorical(logits=logits.detach())
    losses = cross_entropy(logits, own.probs)
    torch.testing.assert_close(losses, own.entropy())
    losses.sum().backward()
    torch.testing.assert_close(logits.grad, torch.zeros(5, 4, 6))


def test_divergence_by_hand_and_as_torch_has_it():
    logits = torch.randn(5, 4, 6, generator=torch.Generator().manual_seed(0))
    target = Categorical(logits=torch.randn(5, 4, 6, generator=torch.Generator().manual_seed(1)))
    torch.testing.assert_close(
        divergence(logits, target.probs), torch.distributions.kl_divergence(target, Categorical(logits=logits))
    )
    assert divergence(logits, Categorical(logits=logits).probs).max() < 1e-6
    certain = torch.tensor([0.0, 1.0, 0.0])  # no entropy
    torch.testing.assert_close(divergence(torch.zeros(3), certain), torch.tensor(math.log(3.0)))


@pytest.mark.parametrize(
    "call",
    [
        lambda: huber(torch.zeros(3, 1)),
        lambda: half_squared(torch.zeros(3, dtype=torch.int64)),
        lambda: cross_entropy(torch.zeros(2, 3), torch.zeros(2, 4)),
    ],
)
def test_a_wrong_shape_or_type_raises(call):
    with pytest.raises(TypeCheckError):
        call()
