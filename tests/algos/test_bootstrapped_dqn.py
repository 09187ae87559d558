"""What the heads minimise, beside sums done by hand, and which of them is followed when."""

import pytest
import torch

from tests.algos.test_c51 import SPEC, minibatch
from triptych.algos.bootstrapped_dqn import BootstrappedDQN
from triptych.functional.q_learning import majority_vote
from triptych.types import EVALUATE, EXPLORE

SETTINGS = {
    "seed": 0, "learning_rate": 1e-3, "adam_epsilon": 1e-8, "max_grad_norm": 10.0, "num_heads": 2, "double_q": False,
    "dueling": False, "td_loss": "squared", "target_update_period_updates": 2, "epsilon_start": 0.0,
    "epsilon_end": 0.0, "epsilon_decay_env_steps": 0, "eval_epsilon": 0.0, "weight_average_decay": 0.5,
}  # fmt: skip


class Table(torch.nn.Module):
    """The observation holds the row of a table of values ``[states, actions, heads]`` in its first number."""

    def __init__(self, values):
        super().__init__()
        self.values = torch.nn.Parameter(torch.tensor(values))

    def forward(self, observation):
        return self.values[observation[:, 0].long()]


# In state 1 the target network's first head prefers action 0, its second action 1; the online network's the opposite.
ONLINE = [[[0.0, 0.0], [1.0, 4.0]], [[0.0, 9.0], [5.0, 0.0]]]
TARGET = [[[0.0, 0.0], [0.0, 0.0]], [[3.0, 2.0], [1.0, 6.0]]]


def make(online=ONLINE, target=TARGET, **settings):
    module = BootstrappedDQN(SPEC, **SETTINGS | settings)
    module.online_network, module.target_network = Table(online), Table(target)
    return module


@pytest.mark.parametrize(("double_q", "targets"), [(False, (1 + 0.5 * 3, 1 + 0.5 * 6)), (True, (1.5, 1 + 0.5 * 2))])
def test_each_head_learns_towards_its_own_target(double_q, targets):
    output = make(double_q=double_q).loss(minibatch(action=1, reward=1.0, discount=0.5))
    errors = [targets[0] - 1.0, targets[1] - 4.0]
    assert float(output.loss.detach()) == pytest.approx(0.25 * (errors[0] ** 2 + errors[1] ** 2))
    assert float(output.priorities.detach()) == pytest.approx(0.5 * (abs(errors[0]) + abs(errors[1])))
    assert float(output.metrics["q_value_spread"]) == pytest.approx((0.0 + 1.5) / 2)


def test_the_loss_weighs_its_rows():
    whole, half = (float(make().loss(minibatch(1, 1.0, 0.5, weight)).loss.detach()) for weight in (1.0, 0.5))
    assert half == pytest.approx(0.5 * whole)
    assert whole > 0


def test_after_termination_the_targets_are_the_reward():
    output = make().loss(minibatch(action=1, reward=1.0, discount=0.0))
    assert float(output.loss.detach()) == pytest.approx(0.25 * 3.0**2)


def test_a_head_is_followed_from_the_first_step_of_an_episode_to_its_last():
    module = make([[[1.0, 0.0], [0.0, 1.0]]], num_heads=2)  # the first head chooses action 0, the second action 1
    seen = set()
    module.begin_episodes(torch.ones(40, dtype=torch.bool))
    before = module.act(torch.zeros(40, 3), EXPLORE).action
    assert before.unique().tolist() == [0, 1]
    for _ in range(30):
        is_first = torch.zeros(40, dtype=torch.bool)
        is_first[::4] = True
        assert torch.equal(module.act(torch.zeros(40, 3), EXPLORE).action, before)
        module.begin_episodes(is_first)
        after = module.act(torch.zeros(40, 3), EXPLORE).action
        assert torch.equal(after[~is_first], before[~is_first])
        seen |= {tuple(after[is_first].tolist())}
        before = after
    assert len(seen) > 10


def test_evaluations_leave_the_heads_as_they_are_and_a_checkpoint_holds_them():
    module = make()
    module.begin_episodes(torch.ones(8, dtype=torch.bool))
    followed = module.followed.clone()
    module.begin_episodes(torch.ones(3, dtype=torch.bool), EVALUATE)
    assert torch.equal(module.followed, followed)
    again = make(seed=1)
    again.set_extra_state(module.get_extra_state())
    assert torch.equal(again.followed, followed)


def test_in_evaluations_the_heads_vote_and_ties_go_by_the_mean():
    q_values = torch.tensor([[[9.0, 0.0, 0.0], [0.0, 1.0, 1.0]], [[0.2, 0.0, 0.0], [0.1, 0.1, -5.0]]])
    assert majority_vote(q_values).argmax(dim=-1).tolist() == [1, 0]
    assert majority_vote(torch.tensor([[[2.0, 0.0], [0.0, 1.0]]])).argmax(dim=-1).tolist() == [0]
    large = torch.tensor([[[60.0] * 5 + [50.0] * 5, [40.0] * 5 + [80.0] * 5]])  # means 55 and 60
    assert majority_vote(large).tolist() == [[5.0, 5.5]]
    assert majority_vote(torch.full((1, 3, 4), 7.0)).tolist() == [[4.0, 0.0, 0.0]]
    module = make()
    module.average_network.network = Table([[[9.0, 0.0], [0.0, 1.0]]])
    assert module.act(torch.zeros(2, 3), EVALUATE).action.tolist() == [0, 0]
