"""What IQN minimises, beside sums over its definition, and how it acts."""

import math

import pytest
import torch

from tests.algos.test_c51 import SPEC, minibatch
from triptych.algos.iqn import IQN
from triptych.functional.quantiles import quantile_huber
from triptych.types import EVALUATE

SETTINGS = {
    "seed": 0, "learning_rate": 1e-3, "adam_epsilon": 1e-8, "max_grad_norm": 10.0, "num_quantiles": 4,
    "num_target_quantiles": 3, "num_policy_quantiles": 16, "num_cosines": 8, "huber_limit": 1.0,
    "target_update_period_updates": 2, "epsilon_start": 0.0, "epsilon_end": 0.0, "epsilon_decay_env_steps": 0,
    "eval_epsilon": 0.0, "weight_average_decay": 0.5,
}  # fmt: skip


class Uniform(torch.nn.Module):
    """The return of each action is uniform between two numbers of a table ``[states, actions, 2]``."""

    def __init__(self, table):
        super().__init__()
        self.table = torch.nn.Parameter(torch.tensor(table))

    def forward(self, observation, fractions):
        low, high = self.table[observation[:, 0].long()].unbind(-1)  # [B, A]
        return low[:, None] + fractions[..., None] * (high - low)[:, None]


ONLINE = [[[0.0, 0.0], [1.0, 2.0]], [[4.0, 6.0], [0.0, 1.0]]]
TARGET = [[[1.0, 1.0], [0.98, 0.98]], [[1.0, 1.0], [3.0, 9.0]]]


def make(**settings):
    module = IQN(SPEC, **SETTINGS | settings)
    module.online_network, module.target_network = Uniform(ONLINE), Uniform(TARGET)
    return module


def drawn(module):
    """Return the fractions that the next update draws: those of the targets, and those of the values."""
    generator = torch.Generator()
    generator.set_state(module.learning_generator.get_state())
    return torch.rand((1, 3), generator=generator), torch.rand((1, 4), generator=generator)


@pytest.mark.parametrize("discount", [0.5, 0.0])
def test_targets_and_values_are_quantiles_at_drawn_fractions(discount):
    module = make()
    target_fractions, fractions = drawn(module)
    output = module.loss(minibatch(action=1, reward=1.0, discount=discount))
    target = 1.0 + discount * (3.0 + 6.0 * target_fractions)  # action 1 has the better mean
    expected = quantile_huber(1.0 + fractions, fractions, target)
    assert float(output.loss.detach()) == pytest.approx(float(expected))


def test_the_loss_weighs_its_rows():
    whole, half = (float(make().loss(minibatch(1, 1.0, 0.5, weight)).loss.detach()) for weight in (1.0, 0.5))
    assert half == pytest.approx(0.5 * whole)
    assert whole > 0


def test_munchausen_adds_the_log_policy_to_the_reward_and_softens_the_next_value():
    alpha, tau = 0.9, 0.5
    module = make(munchausen=True, munchausen_temperature=tau)
    target_fractions, fractions = drawn(module)
    output = module.loss(minibatch(action=1, reward=1.0, discount=0.5))
    old = [math.exp(value / tau) for value in (1.0, 0.98)]
    bonus = alpha * max(tau * math.log(old[1] / sum(old)), -1.0)
    target = torch.zeros(1, 3)
    next_mean = [1.0, float((3.0 + 6.0 * target_fractions).mean())]
    weights = [math.exp(value / tau) for value in next_mean]
    for column in range(3):
        next_values = [1.0, 3.0 + 6.0 * float(target_fractions[0, column])]
        for weight, value in zip(weights, next_values, strict=True):
            prob = weight / sum(weights)
            target[0, column] += 0.5 * prob * (value - tau * math.log(prob))
    target += 1.0 + bonus
    expected = quantile_huber(1.0 + fractions, fractions, target)
    assert float(output.loss.detach()) == pytest.approx(float(expected), rel=1e-5)


def test_it_acts_on_the_mean_and_evaluations_repeat_their_fractions():
    module = IQN(SPEC, **SETTINGS | {"num_policy_quantiles": 1})
    module.average_network.network = Uniform([[[0.0, 10.0], [4.9, 5.1]]])  # which of them is ahead, the fraction says
    learning = module.learning_generator.get_state()
    chosen = []
    for _ in range(2):
        module.on_validation_start()
        chosen.append(module.act(torch.zeros(50, 3), EVALUATE).action.tolist())
    assert chosen[0] == chosen[1]
    assert set(chosen[0]) == {0, 1}
    assert torch.equal(learning, module.learning_generator.get_state())
    module.num_policy_quantiles = 1000
    module.average_network.network = Uniform([[[0.0, 10.0], [4.0, 4.1]]])
    assert module.act(torch.zeros(50, 3), EVALUATE).action.tolist() == [0] * 50
