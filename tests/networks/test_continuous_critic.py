"""Critics of continuous actions beside single networks of PyTorch's own layers, and the scaling of actions."""

import numpy as np
import pytest
import torch
from torch import nn

from triptych.networks.action_scale import ActionScale, check_bounded_actions
from triptych.networks.batch_renormalization import EPSILON, BatchRenormalization
from triptych.networks.continuous_critic import ContinuousCritic
from triptych.networks.continuous_policy import DeterministicPolicy, SquashedGaussianPolicy
from triptych.types import ConfigurationError, EnvSpec

SPEC = EnvSpec("reach", "none", (3,), "float32", None, (2,), action_low=(-2.0, 0.0), action_high=(2.0, 1.0))


def batch(count=7):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 3, generator=generator), torch.randn(count, 2, generator=generator).tanh()


def one_of(critic, index):
    """Return one of the critics as layers of PyTorch's."""
    layers = []
    for stacked in critic.layers:
        layer = nn.Linear(*stacked.weight.shape[1:])
        layer.weight.data, layer.bias.data = stacked.weight.data[index].T.clone(), stacked.bias.data[index, 0].clone()
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def test_each_critic_is_the_network_that_its_weights_make():
    critic, (observation, action) = ContinuousCritic(SPEC, [8, 5], num_critics=2), batch()
    q_values = critic(observation, action)
    assert q_values.shape == (2, 7)
    for index in range(2):
        expected = one_of(critic, index)(torch.cat((observation, action), dim=-1)).squeeze(-1)
        torch.testing.assert_close(q_values[index], expected)
    assert not torch.equal(q_values[0], q_values[1])


def test_initial_weights_are_as_far_from_zero_as_those_of_a_linear_layer():
    first = ContinuousCritic(SPEC, [400], num_critics=2).layers[0]
    bound = 1 / np.sqrt(5)
    for values in (first.weight, first.bias):
        assert float(values.detach().abs().max()) == pytest.approx(bound, rel=0.01)


def test_a_frozen_critic_has_a_gradient_in_the_action_alone():
    critic, (observation, action) = ContinuousCritic(SPEC, [8], 2, renormalization_warmup_updates=0), batch()
    (of_action,) = torch.autograd.grad(critic(observation, action.requires_grad_()).sum(), action)
    critic(observation, action, is_frozen=True).sum().backward()
    torch.testing.assert_close(action.grad, of_action)
    assert all(parameter.grad is None for parameter in critic.parameters())


def test_batch_renormalization_is_batch_normalization_while_it_warms_up():
    ours, theirs = BatchRenormalization((1, 4), warmup_updates=10), nn.BatchNorm1d(4, eps=EPSILON, momentum=0.01)
    for seed in range(3):
        x = 3 + 2 * torch.randn(50, 4, generator=torch.Generator().manual_seed(seed))
        torch.testing.assert_close(ours(x, is_batch=True), theirs(x), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.mean[0], theirs.running_mean)
    assert int(ours.num_batches) == 3
    torch.testing.assert_close(ours(x), (x - ours.mean) / (ours.variance + EPSILON).sqrt(), rtol=1e-4, atol=1e-5)


def test_after_the_warmup_a_batch_is_normalised_as_the_running_statistics_would():
    layer = BatchRenormalization((2, 1, 4), warmup_updates=1)
    layer.mean.fill_(0.3), layer.variance.fill_(1.5), layer.num_batches.fill_(1)
    x = 0.5 + torch.randn(2, 60, 4, generator=torch.Generator().manual_seed(0))
    expected = layer(x)
    torch.testing.assert_close(layer(x, is_batch=True), expected, rtol=1e-4, atol=1e-4)
    far = layer(x + 100.0, is_batch=True)  # but not beyond what the corrections may be
    assert float(far.detach().mean()) == pytest.approx(5.0, abs=1e-3)


@pytest.mark.parametrize("network", [SquashedGaussianPolicy(SPEC, [8], 0), DeterministicPolicy(SPEC, [8])])
def test_an_action_does_not_depend_on_what_is_seen_beside_it(network):
    observation, _ = batch()
    whole, single = network(observation), network(observation[:1])
    torch.testing.assert_close(
        torch.stack(list(whole))[..., 0, :] if isinstance(whole, tuple) else whole[0],
        torch.stack(list(single))[..., 0, :] if isinstance(single, tuple) else single[0],
    )


def test_actions_are_scaled_to_their_bounds_and_back():
    scale, action = ActionScale(SPEC), torch.tensor([[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]])
    in_environment = scale.to_environment(action)
    assert in_environment.tolist() == [[-2.0, 0.0], [0.0, 0.5], [2.0, 1.0]]
    assert torch.equal(scale.from_environment(in_environment), action)
    assert scale.deviation(torch.ones(1, 2)).tolist() == [[2.0, 0.5]]


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_a_single_number_is_scaled_whatever_its_shape(shape):
    spec = EnvSpec("one", "none", (3,), "float32", None, shape, (0.0,), (4.0,))
    scale, action = ActionScale(spec), torch.tensor([[-1.0], [1.0]])
    in_environment = scale.to_environment(action)
    assert torch.equal(in_environment, torch.tensor([0.0, 4.0]).reshape(2, *shape))
    assert torch.equal(scale.from_environment(in_environment), action)
    assert scale.deviation(torch.ones(2, 1)).shape == (2, *shape)


@pytest.mark.parametrize(
    ("changes", "way_out"),
    [
        ({"action_high": (2.0, float("inf"))}, "algo=ppo"),
        ({"num_actions": 3, "action_shape": (), "action_low": (), "action_high": ()}, "algo=dqn"),
        ({"action_sizes": (2, 3), "action_low": (), "action_high": ()}, "algo=ppo"),
        ({"action_sizes": (2,)}, "1 choice and 2 continuous numbers at once; choose algo=ppo, a2c, reinforce or"),
        ({"observation_shape": (1, 36, 36), "observation_dtype": "uint8", "pixel_max": 255.0}, "algo=ppo"),
    ],
)
def test_what_cannot_be_scaled_is_refused_with_a_way_out(changes, way_out):
    check_bounded_actions("SAC", SPEC)
    spec = EnvSpec(**{name: getattr(SPEC, name) for name in SPEC.__dataclass_fields__} | changes)
    with pytest.raises(ConfigurationError, match=f"env=reach.*{way_out}"):
        check_bounded_actions("SAC", spec)


def test_batches_are_normalised_in_single_precision_under_autocast():
    critic, (observation, action) = ContinuousCritic(SPEC, [8, 8], 2, renormalization_warmup_updates=0), batch()
    exact = critic(observation, action)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        critic(observation, action, is_batch=True).sum().backward()
        torch.testing.assert_close(critic(observation, action).float(), exact.detach(), atol=0.2, rtol=0.1)
    layers = [layer for layer in critic.modules() if isinstance(layer, BatchRenormalization)]
    assert len(layers) >= 2
    assert all(int(layer.num_batches) == 1 and layer.mean.dtype == torch.float32 for layer in layers)
