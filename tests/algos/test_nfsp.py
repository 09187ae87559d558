"""What is minimised, beside sums done by hand, and who plays which policy when."""

import math

import pytest
import torch

from tests.algos.test_bootstrapped_dqn import Table
from tests.front_door import train
from triptych.algos.nfsp import NFSP
from triptych.types import (
    EVALUATE,
    EXPLORE,
    ConfigurationError,
    EnvSpec,
    FictitiousSample,
    Minibatch,
    ObservationParts,
)

SPEC = EnvSpec(  # two numbers are seen, two of three actions are allowed, and whose turn it is
    name="cards", protocol="none", observation_shape=(6,), observation_dtype="float32", num_actions=3,
    parts=ObservationParts((2,), 3, has_seat=True), num_players=2, is_perfect_information=False,
)  # fmt: skip
SETTINGS = {
    "seed": 0, "learning_rate": 1e-3, "adam_epsilon": 1e-8, "max_grad_norm": 10.0, "anticipatory": 0.25,
    "target_update_period_updates": 2, "epsilon_start": 0.0, "epsilon_end": 0.0, "epsilon_decay_env_steps": 0,
    "weight_average_decay": 0.5,
}  # fmt: skip
NO = -1e9


def make(**settings):
    module = NFSP(SPEC, **SETTINGS | settings)
    module.online_network = Table([[1.0, 5.0, NO], [0.0, 0.0, 0.0]])  # the best response is action 1
    module.target_network = Table([[9.0, 9.0, NO], [2.0, 3.0, NO]])
    module.policy_network = Table([[30.0, 0.0, NO], [math.log(3), 0.0, NO]])  # the average action 0
    return module


def observation(row, seat=0, count=1):
    return torch.tensor([[row, 0.0, 1.0, 1.0, 0.0, seat]]).expand(count, 6)


def sample(discount):
    one = torch.tensor([1.0])
    response = observation(1.0), torch.tensor([1])
    return FictitiousSample(observation(0.0), torch.tensor([0]), one, one * discount, observation(1.0), *response)


@pytest.mark.parametrize(("discount", "target"), [(1.0, 1 + 3.0), (0.0, 1.0)])
def test_values_learn_from_transitions_and_the_policy_from_responses(discount, target):
    output = make().loss(Minibatch(sample(discount), torch.ones(1)))
    value_loss, policy_loss = 0.5 * (target - 1.0) ** 2, -math.log(1 / 4)
    assert float(output.metrics["value_loss"].detach()) == pytest.approx(value_loss)
    assert float(output.metrics["policy_loss"].detach()) == pytest.approx(policy_loss)
    assert float(output.loss.detach()) == pytest.approx(value_loss + policy_loss)
    assert float(output.metrics["q_value_mean"]) == pytest.approx(3.0)  # of the actions that are allowed
    assert float(output.priorities.detach()) == pytest.approx(target - 1.0)


def test_the_values_weigh_their_transitions_and_the_policy_counts_responses_alike():
    whole, half = (make().loss(Minibatch(sample(1.0), torch.tensor([weight]))).metrics for weight in (1.0, 0.5))
    assert float(half["value_loss"].detach()) == pytest.approx(0.5 * float(whole["value_loss"].detach()))
    assert float(half["policy_loss"].detach()) == pytest.approx(float(whole["policy_loss"].detach()))


def test_neither_loss_moves_the_other_network():
    module = make()
    output = module.loss(Minibatch(sample(1.0), torch.ones(1)))
    output.metrics["value_loss"].backward(retain_graph=True)
    assert module.policy_network.values.grad is None
    module.online_network.zero_grad(set_to_none=True)
    output.metrics["policy_loss"].backward()
    assert module.online_network.values.grad is None


def test_a_player_keeps_to_one_policy_for_a_game_and_says_which():
    module, count = make(), 2000
    module.begin_episodes(torch.ones(count, dtype=torch.bool))
    first, second = (module.act(observation(0.0, seat, count), EXPLORE) for seat in (0, 1))
    for output in (first, second):
        assert torch.equal(output.action == 1, output.extras["is_best_response"])
        assert float(output.extras["is_best_response"].float().mean()) == pytest.approx(0.25, abs=0.04)
    both = (first.action == 1) & (second.action == 1)
    assert float(both.float().mean()) == pytest.approx(1 / 16, abs=0.02)  # each player chooses alone
    module.begin_episodes(torch.zeros(count, dtype=torch.bool))
    assert torch.equal(module.act(observation(0.0, 0, count), EXPLORE).action, first.action)
    is_first = torch.arange(count) < count // 2
    module.begin_episodes(is_first)
    again = module.act(observation(0.0, 0, count), EXPLORE).action
    assert torch.equal(again[~is_first], first.action[~is_first])
    assert not torch.equal(again[is_first], first.action[is_first])


def test_evaluations_play_the_average_of_the_policys_weights():
    module = NFSP(SPEC, **SETTINGS)
    seen = observation(1.0, count=4000)
    probs = module.average_network(seen[:1]).softmax(dim=-1)[0]
    module.on_validation_start()
    module.begin_episodes(torch.ones(4000, dtype=torch.bool), EVALUATE)
    output = module.act(seen, EVALUATE)
    assert output.extras == {}
    shares = torch.bincount(output.action, minlength=3) / 4000
    torch.testing.assert_close(shares, probs.detach(), atol=0.03, rtol=0)
    assert float(shares[2]) == 0
    explanation = module.explain(seen[:1])
    torch.testing.assert_close(explanation.action_probs[0], probs)
    expected = (probs * module.online_network(seen[:1])[0]).sum()
    torch.testing.assert_close(explanation.value[0], expected)


def test_who_responds_is_in_the_checkpoint():
    module, other = make(), make(seed=5)
    module.begin_episodes(torch.ones(50, dtype=torch.bool))
    other.set_extra_state(module.get_extra_state())
    assert torch.equal(other.responds, module.responds)


@pytest.mark.parametrize("spec", [
    EnvSpec("cartpole", "none", (4,), "float32", 2),
    EnvSpec("go", "none", (5,), "float32", 2, parts=ObservationParts((3,), 2), num_players=2),
])  # fmt: skip
def test_a_game_without_secrets_is_refused(spec):
    with pytest.raises(ConfigurationError, match=r"NFSP plays both sides .*choose env=kuhn_poker or leduc_poker"):
        NFSP.check(spec)


def test_a_game_whose_other_side_the_environment_plays_is_refused():
    spec = EnvSpec("poker", "none", (6,), "float32", 2, parts=ObservationParts((3,), 2, has_seat=True), num_players=1)
    with pytest.raises(ConfigurationError, match=r"the agent plays one side of env=poker; use env\.opponent=self\.$"):
        NFSP.check(spec)


KUHN = ["algo=nfsp", "env=kuhn_poker", "logger=csv"]


@pytest.mark.parametrize(
    ("argument", "what"),
    [
        ("algo.replay=null", "algo.replay=null or without capacity_env_steps does not fit"),
        ("algo.replay.capacity_env_steps=null", "algo.replay=null or without capacity_env_steps does not fit"),
        ("algo.replay.reservoir_capacity=100000000000000", "algo.replay.reservoir_capacity=100000000000000 takes"),
        ("algo.anticipatory=0", "algo.anticipatory=0 is not allowed"),
        ("trainer=ddp_sim algo.replay.reservoir_capacity=1001", "cannot be shared by trainer.devices=2"),
    ],
)
def test_settings_with_which_no_average_is_learned_are_refused(argument, what, tmp_path):
    pytest.importorskip("pyspiel")
    result = train(*KUHN, *argument.split(), f"run_dir={tmp_path / 'run'}")
    assert result.returncode == 2
    assert what in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()
