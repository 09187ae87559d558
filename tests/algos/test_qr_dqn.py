"""What QR-DQN minimises, beside sums done by hand."""

import pytest
import torch

from tests.algos.test_c51 import SPEC, minibatch
from triptych.algos.qr_dqn import QRDQN
from triptych.types import EVALUATE

SETTINGS = {
    "seed": 0, "learning_rate": 1e-3, "adam_epsilon": 1e-8, "max_grad_norm": 10.0, "double_q": False, "dueling": False,
    "num_quantiles": 2, "huber_limit": 0.0, "target_update_period_updates": 2, "epsilon_start": 1.0,
    "epsilon_end": 0.1, "epsilon_decay_env_steps": 100, "eval_epsilon": 0.0, "weight_average_decay": 0.5,
}  # fmt: skip


class Table(torch.nn.Module):
    """The observation holds the row of a table of quantiles ``[states, actions, quantiles]`` in its first number."""

    def __init__(self, quantiles):
        super().__init__()
        self.quantiles = torch.nn.Parameter(torch.tensor(quantiles))

    def forward(self, observation):
        return self.quantiles[observation[:, 0].long()]


def make(online, target, **settings):
    module = QRDQN(SPEC, **SETTINGS | settings)
    module.online_network, module.target_network = Table(online), Table(target)
    return module


# In state 1 the target network prefers action 1 (mean 3), the online network action 0 (mean 5).
ONLINE = [[[0.0, 0.0], [1.0, 4.0]], [[4.0, 6.0], [0.0, 1.0]]]
TARGET = [[[0.0, 0.0], [0.0, 0.0]], [[1.0, 2.0], [0.0, 6.0]]]


def by_hand(target, quantiles):
    fractions = (0.25, 0.75)
    terms = [
        abs(fraction - (y < quantile)) * abs(y - quantile) / len(target)
        for fraction, quantile in zip(fractions, quantiles, strict=True)
        for y in target
    ]
    return sum(terms)


@pytest.mark.parametrize(
    ("settings", "discount", "target"),
    [
        ({}, 0.5, [1.0, 4.0]),  # 1 + 0.5 * (0, 6), of the target network's action
        ({"double_q": True}, 0.5, [1.5, 2.0]),  # 1 + 0.5 * (1, 2), of the online network's
        ({}, 0.0, [1.0, 1.0]),  # after termination
    ],
)
def test_the_loss_is_that_of_quantiles_to_the_targets(settings, discount, target):
    output = make(ONLINE, TARGET, **settings).loss(minibatch(action=1, reward=1.0, discount=discount))
    assert float(output.loss.detach()) == pytest.approx(by_hand(target, [1.0, 4.0]))
    assert float(output.priorities.detach()) == pytest.approx(by_hand(target, [1.0, 4.0]))


def test_the_loss_weighs_its_rows_and_reaches_the_chosen_action_alone():
    module = make(ONLINE, TARGET)
    whole, half = (module.loss(minibatch(1, 0.3, 0.5, weight)).loss for weight in (1.0, 0.5))
    assert float(half.detach()) == pytest.approx(0.5 * float(whole.detach()))
    whole.backward()
    gradient = module.online_network.quantiles.grad
    assert gradient[0, 1].any()
    assert not gradient[0, 0].any()
    assert not gradient[1].any()
    assert module.target_network.quantiles.grad is None


def test_it_acts_on_the_mean_of_the_quantiles():
    module = make([[[0.0, 9.0], [4.0, 4.5]]], TARGET)
    module.average_network.network = module.online_network
    assert module.act(torch.zeros(5, 3), EVALUATE).action.tolist() == [0] * 5
