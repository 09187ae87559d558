"""What algorithms say of observations, beside what they play and their own networks."""

import functools

import pytest
import torch

from tests.algos import (
    test_bootstrapped_dqn,
    test_c51,
    test_dqn,
    test_iqn,
    test_muzero,
    test_off_policy_control,
    test_qr_dqn,
    test_r2d2,
    test_recurrent_ppo,
)
from tests.algos.test_on_policy import BOTH, CONTROL, SPEC, a2c, ppo, pqn, reinforce
from triptych.algos.base import Algorithm
from triptych.functional.supports import expand
from triptych.types import EVALUATE, EXPLORE, ActorOutput, EnvSpec

SEVERAL = EnvSpec("several", "none", (5,), "float32", None, (2,), action_sizes=(2, 3))


def observations(module, count=6):
    generator = torch.Generator().manual_seed(3)
    return torch.randn(count, *module.spec.observation_shape, generator=generator).requires_grad_()


def dqn():
    return test_dqn.DQN(test_dqn.SPEC, **test_dqn.SETTINGS)


def c51():
    module = test_c51.C51(test_c51.SPEC, **test_c51.SETTINGS)
    torch.nn.init.normal_(module.average_network.network.head.q_values.weight)
    return module


def muzero(**settings):
    return test_muzero.with_opinions(test_muzero.make(**settings))


WIDE = {"policy_hidden_sizes": [64], "critic_hidden_sizes": [64]}
CONTROLLERS = [
    functools.partial(test_off_policy_control.make, one, **WIDE) for one in test_off_policy_control.ALGORITHMS
]


@pytest.mark.parametrize(
    "make", [dqn, c51, pqn, ppo, a2c, reinforce, muzero, lambda: muzero(search="puct"), *CONTROLLERS]
)
def test_the_value_has_a_gradient_in_what_is_seen_and_no_chance_is_used_up(make):
    module = make().eval()
    seen = observations(module)
    before = [module.generator(mode).get_state() for mode in (EXPLORE, EVALUATE)]
    found = module.explain(seen)
    assert found.value.shape == (6,)
    (gradient,) = torch.autograd.grad(found.value.sum(), seen)
    assert (gradient.abs().sum(dim=1) > 0).all()
    for state, mode in zip(before, (EXPLORE, EVALUATE), strict=True):
        assert torch.equal(state, module.generator(mode).get_state())


@pytest.mark.parametrize("make", [dqn, c51, pqn])
def test_the_action_of_the_largest_q_value_is_played(make):
    module = make()
    module.eval_epsilon = 0.0
    seen = observations(module)
    found = module.explain(seen)
    assert torch.equal(found.q_values.argmax(dim=-1), module.act(seen, EVALUATE).action)
    assert torch.equal(found.value, found.q_values.amax(dim=-1))


def test_a_distribution_has_the_q_values_as_its_means():
    module = c51()
    found = module.explain(observations(module))
    torch.testing.assert_close((found.atom_probs * found.atoms).sum(dim=-1), found.q_values)
    torch.testing.assert_close(found.atom_probs.sum(dim=-1), torch.ones(6, 2))


def test_a_policy_is_told_by_its_probabilities_or_its_mean_and_deviation():
    module = ppo()
    policy, value = module.network(observations(module))
    found = module.explain(observations(module))
    torch.testing.assert_close(found.action_probs, policy.probs)
    torch.testing.assert_close(found.value, value)

    module = ppo(CONTROL)
    found = module.explain(observations(module))
    torch.testing.assert_close(found.action_mean, module.network(observations(module))[0].mean)
    assert found.action_std.shape == (6, 2)
    torch.testing.assert_close(found.action_std[0], torch.tensor([1.0, 2.0]))

    found = ppo(SEVERAL).explain(observations(module))
    assert found.action_probs.shape == (6, 5)
    torch.testing.assert_close(found.action_probs[:, :2].sum(dim=-1), torch.ones(6))

    found = ppo(BOTH).explain(observations(module))
    assert (found.action_probs.shape, found.action_mean.shape) == ((6, 5), (6, 2))
    torch.testing.assert_close(found.action_probs[:, 2:].sum(dim=-1), torch.ones(6))
    torch.testing.assert_close(found.action_std[0], torch.tensor([1.0, 2.0]))


@pytest.mark.parametrize("make", CONTROLLERS)
def test_a_bounded_action_is_told_in_the_units_of_its_environment(make):
    module = make()
    seen = observations(module)
    found = module.explain(seen)
    assert torch.equal(found.action_mean, module.act(seen, EVALUATE).action)
    assert found.action_std.shape == (6, 2)
    assert (found.action_std > 0).all()


def test_the_deviation_of_a_squashed_action_is_about_that_of_draws():
    module = test_off_policy_control.make(test_off_policy_control.SAC)
    torch.nn.init.zeros_(module.policy.mean_and_log_std.weight)
    module.policy.mean_and_log_std.bias.data[:] = torch.tensor([0.5, -0.5, -2.0, -2.0])
    module.env_steps, seen = 10, torch.zeros(4000, 3)
    draws = module.act(seen, EXPLORE).action
    torch.testing.assert_close(draws.std(dim=0), module.explain(seen).action_std[0].detach(), rtol=0.06, atol=0)


def test_without_a_baseline_there_is_no_value():
    module = reinforce(baseline=False)
    assert module.explain(observations(module)).value is None
    assert reinforce(SPEC).explain(observations(module)).value is not None


def test_a_planner_tells_what_its_search_did():
    module = muzero()
    seen = observations(module)
    found, played = module.explain(seen), module.act(seen, EVALUATE)
    assert (found.visit_counts.sum(dim=-1) == module.num_simulations).all()
    torch.testing.assert_close(found.action_probs, played.extras["action_weights"])
    torch.testing.assert_close(found.search_value, played.extras["value"])
    torch.testing.assert_close(found.prior_probs.sum(dim=-1), torch.ones(6))


class OwnAlgorithm(Algorithm):
    """Says a value with its actions, as algorithms of users' own do, and draws them."""

    def act(self, observation, mode=EXPLORE):
        action = torch.randint(3, (len(observation),), generator=self.generator(mode))
        return ActorOutput(action, {"value": observation.sum(dim=-1)})


def test_by_default_it_is_what_acting_says():
    module = OwnAlgorithm(SPEC, seed=0, learning_rate=1e-3, adam_epsilon=1e-8, max_grad_norm=1.0)
    seen, state = observations(module), module.generator(EVALUATE).get_state()
    assert torch.equal(module.explain(seen).value, seen.sum(dim=-1))
    assert torch.equal(module.generator(EVALUATE).get_state(), state)


def qr_dqn():
    return test_qr_dqn.QRDQN(test_qr_dqn.SPEC, **test_qr_dqn.SETTINGS)


def iqn():
    return test_iqn.IQN(test_iqn.SPEC, **test_iqn.SETTINGS)


def bootstrapped_dqn():
    return test_bootstrapped_dqn.BootstrappedDQN(test_bootstrapped_dqn.SPEC, **test_bootstrapped_dqn.SETTINGS)


@pytest.mark.parametrize("make", [qr_dqn, iqn, bootstrapped_dqn])
def test_quantiles_and_heads_are_atoms_of_one_weight_whose_mean_is_the_value(make):
    module = make()
    seen = observations(module)
    found = module.explain(seen)
    assert found.atoms.shape == found.atom_probs.shape
    torch.testing.assert_close((found.atom_probs * found.atoms).sum(dim=-1), found.q_values)
    assert torch.equal(found.value, found.q_values.amax(dim=-1))
    (gradient,) = torch.autograd.grad(found.value.sum(), seen)
    assert (gradient.abs().sum(dim=1) > 0).all()


@pytest.mark.parametrize("make", [test_r2d2.r2d2, test_recurrent_ppo.recurrent_ppo])
def test_what_remembers_is_asked_in_pieces_as_it_plays_step_by_step(make):
    module = make().eval()
    generator = torch.Generator().manual_seed(0)
    seen = torch.randn(7, *module.spec.observation_shape, generator=generator)
    values = []
    for _ in range(2):  # a second game is begun as if there had been no first
        module.on_test_start()
        values.append(torch.cat([module.explain(seen[:3]).value, module.explain(seen[3:]).value]))
    torch.testing.assert_close(values[0], values[1])
    network, state = getattr(module, "network", None), torch.zeros(1, module.hidden_states.size)
    for step in range(7):
        if network is None:
            q_values, state = module.average_network.network.step(seen[step : step + 1], state)
            value = expand(q_values.amax(dim=-1))  # the network's values are rescaled
        else:
            _, value, state = network.step(seen[step : step + 1], state)
        torch.testing.assert_close(value[0], values[0][step])
