"""What C51 minimises, beside sums done by hand, and how it acts on its distributions."""

import math

import pytest
import torch

from triptych.algos.c51 import C51
from triptych.types import EVALUATE, EnvSpec, Minibatch, Transition

SPEC = EnvSpec("vector", "none", (3,), "float32", num_actions=2)
SETTINGS = {
    "seed": 0, "learning_rate": 1e-3, "adam_epsilon": 1e-8, "max_grad_norm": 10.0, "double_q": False, "dueling": False,
    "num_bins": 3, "support_limit": 1.0, "target_update_period_updates": 2, "epsilon_start": 1.0, "epsilon_end": 0.1,
    "epsilon_decay_env_steps": 100, "eval_epsilon": 0.0, "weight_average_decay": 0.5,
}  # fmt: skip


class Table(torch.nn.Module):
    """The observation holds the row of a table of probabilities ``[states, actions, bins]`` in its first number."""

    def __init__(self, probs):
        super().__init__()
        self.logits = torch.nn.Parameter(torch.tensor(probs).clamp(min=1e-30).log())

    def forward(self, observation):
        return self.logits[observation[:, 0].long()]


def make(online, target, **settings):
    module = C51(SPEC, **SETTINGS | settings)
    module.online_network, module.target_network = Table(online), Table(target)
    return module


def minibatch(action, reward, discount, weight=1.0):
    transition = Transition(
        torch.zeros(1, 3), torch.tensor([action]), torch.tensor([reward]), torch.tensor([discount]), torch.ones(1, 3)
    )
    return Minibatch(transition, torch.tensor([weight]))


EVEN = [1 / 3, 1 / 3, 1 / 3]
# In state 1 the target network prefers action 1 (mean 0.6), the online network action 0 (mean 1).
ONLINE = [[EVEN, [0.2, 0.3, 0.5]], [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]]
TARGET = [[EVEN, EVEN], [[0.5, 0.5, 0.0], [0.1, 0.2, 0.7]]]


@pytest.mark.parametrize(
    ("settings", "target"),
    [
        # The target network's action: -1/2, 0 and 1/2 with 0.1, 0.2 and 0.7, each half shared with 0.
        ({}, [0.05, 0.05 + 0.2 + 0.35, 0.35]),
        # The online network's action as the target network sees it: -1/2 and 0 with 0.5 each.
        ({"double_q": True}, [0.25, 0.75, 0.0]),
    ],
)
def test_the_loss_is_the_cross_entropy_to_the_projected_target(settings, target):
    output = make(ONLINE, TARGET, **settings).loss(minibatch(action=1, reward=0.0, discount=0.5))
    expected = -sum(m * math.log(p) for m, p in zip(target, [0.2, 0.3, 0.5], strict=True) if m)
    assert float(output.loss.detach()) == pytest.approx(expected, rel=1e-5)
    divergence = sum(m * math.log(m / p) for m, p in zip(target, [0.2, 0.3, 0.5], strict=True) if m)
    assert float(output.priorities) == pytest.approx(divergence, rel=1e-5)


def test_after_termination_the_target_is_the_reward_and_truncation_keeps_the_future():
    module = make(ONLINE, TARGET)
    terminated = float(module.loss(minibatch(action=1, reward=1.0, discount=0.0)).loss.detach())
    truncated = float(module.loss(minibatch(action=1, reward=-1.0, discount=0.5)).loss.detach())
    assert terminated == pytest.approx(-math.log(0.5), rel=1e-5)
    # -1.5, -1 and -0.5 with 0.1, 0.2 and 0.7; below the support is its end.
    assert truncated == pytest.approx(-(0.1 + 0.2 + 0.35) * math.log(0.2) - 0.35 * math.log(0.3), rel=1e-5)


def test_the_loss_weighs_its_rows_and_reaches_the_chosen_action_alone():
    module = make(ONLINE, TARGET)
    whole, half = (module.loss(minibatch(1, 0.0, 0.5, weight)).loss for weight in (1.0, 0.5))
    assert float(half.detach()) == pytest.approx(0.5 * float(whole.detach()))
    whole.backward()
    gradient = module.online_network.logits.grad
    assert gradient[0, 1].any()
    assert not gradient[0, 0].any()
    assert not gradient[1].any()
    assert module.target_network.logits.grad is None


def test_it_acts_on_the_mean_of_the_distributions():
    # The likelier best point of action 0 does not count, the mean does.
    module = make([[[0.4, 0.0, 0.6], [0.0, 0.7, 0.3]]], TARGET)
    module.average_network.network = module.online_network
    assert module.act(torch.zeros(5, 3), EVALUATE).action.tolist() == [1] * 5


def test_the_support_lies_evenly_between_its_limits():
    module = C51(SPEC, **SETTINGS | {"num_bins": 5, "support_limit": 10.0})
    assert module.support.tolist() == [-10, -5, 0, 5, 10]
    assert "support" not in module.state_dict()
