"""What DQN minimises, beside sums done by hand, and how it explores."""

import math

import pytest
import torch

from triptych.algos.dqn import DQN
from triptych.types import EVALUATE, EXPLORE, ConfigurationError, EnvSpec, Minibatch, Transition

SPEC = EnvSpec("vector", "none", (3,), "float32", num_actions=2)
SETTINGS = {
    "seed": 0, "learning_rate": 1e-3, "adam_epsilon": 1e-8, "max_grad_norm": 10.0, "double_q": False, "dueling": False,
    "td_loss": "squared", "target_update_period_updates": 2, "epsilon_start": 1.0, "epsilon_end": 0.1,
    "epsilon_decay_env_steps": 100, "eval_epsilon": 0.05, "weight_average_decay": 0.5,
}  # fmt: skip


class Table(torch.nn.Module):
    """The observation holds the row of a table of values in its first number."""

    def __init__(self, values):
        super().__init__()
        self.values = torch.nn.Parameter(torch.tensor(values))

    def forward(self, observation):
        return self.values[observation[:, 0].long()]


def make(online, target, **settings):
    module = DQN(SPEC, **SETTINGS | settings)
    module.online_network, module.target_network = Table(online), Table(target)
    return module


def minibatch_of(*rows, weight=None):
    """Each row is (state, action, reward, discount, next state)."""
    state, action, reward, discount, next_state = (torch.tensor(column) for column in zip(*rows, strict=True))

    def observation(states):
        return torch.nn.functional.pad(states.float()[:, None], (0, 2))

    weight = torch.ones(len(rows)) if weight is None else torch.tensor(weight)
    transition = Transition(observation(state), action, reward, discount, observation(next_state))
    return Minibatch(transition, weight)


ONLINE = [[0.0, 1.0], [5.0, 4.0]]
TARGET = [[0.0, 0.0], [2.0, 3.0]]


@pytest.mark.parametrize(
    ("settings", "td_error"),
    [
        ({}, 1.0 + 0.9 * 3.0 - 1.0),  # the target network's best action
        ({"double_q": True}, 1.0 + 0.9 * 2.0 - 1.0),  # the online network's best action, valued by the target network
    ],
)
def test_the_target_is_as_by_hand(settings, td_error):
    output = make(ONLINE, TARGET, **settings).loss(minibatch_of((0, 1, 1.0, 0.9, 1)))
    assert float(output.priorities.detach()) == pytest.approx(abs(td_error))
    assert float(output.loss.detach()) == pytest.approx(0.5 * td_error**2)


def test_after_termination_nothing_follows_and_truncation_keeps_its_future():
    module = make(ONLINE, TARGET)
    terminated, truncated = (module.loss(minibatch_of((0, 1, 1.0, discount, 1))) for discount in (0.0, 0.9))
    assert float(terminated.priorities.detach()) == pytest.approx(0.0)
    assert float(truncated.priorities.detach()) == pytest.approx(2.7)


@pytest.mark.parametrize(("td_loss", "losses"), [("squared", [2.0, 0.125]), ("huber", [1.5, 0.125])])
def test_the_loss_weighs_its_rows(td_loss, losses):
    rows = [(0, 0, 2.0, 0.0, 1), (0, 0, 0.5, 0.0, 1)]  # errors 2 and 0.5
    output = make(ONLINE, TARGET, td_loss=td_loss).loss(minibatch_of(*rows, weight=[1.0, 0.5]))
    assert float(output.loss.detach()) == pytest.approx((losses[0] + 0.5 * losses[1]) / 2)


def test_the_gradient_goes_through_the_chosen_action_alone():
    module = make(ONLINE, TARGET, double_q=True)
    module.loss(minibatch_of((0, 1, 1.0, 0.9, 1))).loss.backward()
    assert module.online_network.values.grad.tolist() == [[0.0, pytest.approx(-1.8)], [0.0, 0.0]]
    assert module.target_network.values.grad is None


def test_the_target_network_moves_every_so_many_updates():
    module = make(ONLINE, TARGET)
    moved = []
    for module.updates in (1, 2, 3, 4):
        with torch.no_grad():
            module.online_network.values += 1
        module.after_update()
        moved.append(torch.equal(module.target_network.values, module.online_network.values))
    assert moved == [False, True, False, True]


def test_epsilon_falls_with_env_steps():
    module = make(ONLINE, TARGET)
    for env_steps, epsilon in ((0, 1.0), (50, 0.55), (100, 0.1), (1000, 0.1)):
        module.env_steps = env_steps
        assert module.epsilon == pytest.approx(epsilon)


@pytest.mark.parametrize(("mode", "epsilon"), [(EXPLORE, 0.3), (EVALUATE, 0.05)])
@pytest.mark.parametrize("is_training", [True, False])  # which Lightning decides, and no way to play
def test_it_acts_greedily_but_for_an_epsilon_that_is_another_in_evaluation(mode, epsilon, is_training):
    module = make([[0.0, 1.0]], [[0.0, 0.0]], epsilon_start=0.3, epsilon_end=0.3).train(is_training)
    module.average_network.network = module.online_network
    actions = module.act(torch.zeros(20_000, 3), mode).action
    assert actions.float().mean() == pytest.approx(1 - epsilon / 2, abs=0.01)


def test_evaluations_play_with_the_average_of_the_weights():
    module = make([[0.0, 1.0]], [[0.0, 0.0]], eval_epsilon=0.0)
    module.average_network.network = Table([[3.0, 0.0]])
    observation = torch.zeros(5, 3)
    assert module.act(observation, EVALUATE).action.tolist() == [0] * 5
    module.average_network.decay, module.updates = 0.0, 7
    module.after_turn(None)
    assert module.act(observation, EVALUATE).action.tolist() == [1] * 5


def test_it_explores_unless_it_is_told_otherwise():
    first, second = (make([[0.0, 1.0]], [[0.0, 0.0]]) for _ in range(2))
    observation = torch.zeros(100, 3)
    assert first.act(observation).action.tolist() == second.act(observation, EXPLORE).action.tolist()


def test_without_a_target_network_targets_come_from_the_latest_weights():
    module = DQN(SPEC, **SETTINGS | {"target_update_period_updates": 100}, target_network=False)
    with torch.no_grad():
        module.online_network.head.q_values.bias += 1.0
    module.updates = 1
    module.after_update()
    for online, target in zip(module.online_network.parameters(), module.target_network.parameters(), strict=True):
        assert torch.equal(online, target)


def test_munchausen_adds_the_log_policy_to_the_reward_and_softens_the_next_value():
    alpha, tau = 0.9, 0.5
    target_values = [[0.4, 0.1], [2.0, 3.0]]
    module = make(ONLINE, target_values, munchausen=True, munchausen_scale=alpha, munchausen_temperature=tau)
    output = module.loss(minibatch_of((0, 1, 1.0, 0.9, 1)))
    old = [math.exp(value / tau) for value in target_values[0]]
    new = [math.exp(value / tau) for value in target_values[1]]
    probs = [weight / sum(new) for weight in new]
    soft = sum(prob * (value - tau * math.log(prob)) for prob, value in zip(probs, target_values[1], strict=True))
    target = 1.0 + alpha * max(tau * math.log(old[1] / sum(old)), -1.0) + 0.9 * soft
    assert float(output.priorities.detach()) == pytest.approx(abs(target - 1.0), rel=1e-5)


def test_munchausens_bonus_is_cut_off_below_and_exact_for_small_temperatures():
    module = make(ONLINE, [[0.0, -5.0], [2.0, 3.0]], munchausen=True, munchausen_temperature=0.01)
    output = module.loss(minibatch_of((0, 1, 1.0, 0.9, 1)))
    assert float(output.priorities.detach()) == pytest.approx(abs(1.0 - 0.9 + 0.9 * 3.0 - 1.0), rel=1e-4)


def test_a_soft_value_has_no_greedy_action_to_choose():
    with pytest.raises(ConfigurationError, match=r"double_q=true and algo\.munchausen=true exclude each other"):
        DQN(SPEC, **SETTINGS | {"double_q": True}, munchausen=True)


def test_noise_explores_differently_in_each_game_and_never_in_evaluations():
    module = DQN(SPEC, **SETTINGS | {"epsilon_start": 0.0, "epsilon_end": 0.0, "eval_epsilon": 0.0}, noisy=True)
    with torch.no_grad():
        for name, parameter in module.online_network.named_parameters():
            if name.endswith("_scale"):
                parameter.fill_(5.0)
    observation = torch.ones(200, 3)
    assert len(module.act(observation, EXPLORE).action.unique()) == 2
    module.loss(minibatch_of((0, 1, 1.0, 0.9, 1)))
    module.after_turn(None)
    assert len(module.act(observation, EVALUATE).action.unique()) == 1
