import math

import pytest
import torch

from triptych.networks.actor_critic import ActorCritic
from triptych.networks.normalization import RunningNormalization
from triptych.types import ConfigurationError, EnvSpec

PIXELS = EnvSpec("pixels", "none", (4, 84, 84), "uint8", num_actions=6)
VECTOR = EnvSpec("vector", "none", (5,), "float32", num_actions=3)
CONTROL = EnvSpec(
    "control", "none", (5,), "float32", None,
    action_shape=(3,), action_low=(-2.0, 0.0, -math.inf), action_high=(2.0, 1.0, math.inf),
)  # fmt: skip
SEVERAL = EnvSpec("several", "none", (5,), "float32", None, action_shape=(2, 2), action_sizes=(2, 3, 4, 5))
BOTH = EnvSpec(
    "both", "none", (5,), "float32", None,
    action_shape=(4,), action_sizes=(2, 3), action_low=(-2.0, 0.0), action_high=(2.0, 1.0),
)  # fmt: skip
LARGEST = torch.finfo(torch.float32).max


def observe(spec, count=7):
    generator = torch.Generator().manual_seed(0)
    if spec.is_image:
        return torch.randint(256, (count, *spec.observation_shape), dtype=torch.uint8, generator=generator)
    return torch.randn(count, *spec.observation_shape, generator=generator)


@pytest.mark.parametrize("spec", [PIXELS, VECTOR])
def test_discrete_policies_start_almost_uniform(spec):
    policy, value = ActorCritic(spec)(observe(spec))
    torch.testing.assert_close(policy.probs, torch.full((7, spec.num_actions), 1 / spec.num_actions), atol=0.02, rtol=0)
    assert value.shape == (7,)


def test_images_share_a_torso_and_vectors_do_not():
    shared, apart = ActorCritic(PIXELS), ActorCritic(VECTOR)
    assert shared.policy_torso is shared.value_torso
    assert apart.policy_torso is not apart.value_torso


def test_a_gaussian_is_in_the_units_of_the_action():
    network = ActorCritic(CONTROL)
    policy, _ = network(observe(CONTROL))
    middle, half_range = torch.tensor([0.0, 0.5, 0.0]), torch.tensor([2.0, 0.5, 1.0])
    torch.testing.assert_close(policy.mean, middle.expand(7, 3), atol=0.1, rtol=0)
    torch.testing.assert_close(policy.stddev, half_range.expand(7, 3))
    assert policy.log_prob(policy.mode).shape == (7,)
    assert policy.batch_shape == (7,)
    assert policy.event_shape == (3,)


def test_a_gaussian_may_start_narrower():
    policy, _ = ActorCritic(CONTROL, initial_std=0.25)(observe(CONTROL))
    torch.testing.assert_close(policy.stddev, torch.tensor([0.5, 0.125, 0.25]).expand(7, 3))


def test_several_choices_start_almost_uniform_and_each_is_one_choice():
    network = ActorCritic(SEVERAL)
    policy, value = network(observe(SEVERAL))
    for choice, size in zip(policy.choices, SEVERAL.action_sizes, strict=True):
        torch.testing.assert_close(choice.probs, torch.full((7, size), 1 / size), atol=0.02, rtol=0)
    assert policy.mode.shape == (7, 2, 2)
    assert policy.log_prob(policy.mode).shape == policy.entropy().shape == value.shape == (7,)
    assert policy.entropy().tolist() == pytest.approx([math.log(2 * 3 * 4 * 5)] * 7, abs=0.01)


def test_an_action_of_several_choices_can_be_made_likelier():
    torch.manual_seed(0)
    network, observation = ActorCritic(SEVERAL), observe(SEVERAL)
    wanted = torch.tensor([[1, 0], [3, 2]]).expand(7, 2, 2)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        (-network(observation)[0].log_prob(wanted).mean()).backward()
        optimizer.step()
    assert torch.equal(network(observation)[0].mode, wanted)


def test_choices_start_almost_uniform_and_numbers_beside_them_at_half_their_range():
    policy, value = ActorCritic(BOTH)(observe(BOTH))
    for choice, size in zip(policy.discrete.choices, BOTH.action_sizes, strict=True):
        torch.testing.assert_close(choice.probs, torch.full((7, size), 1 / size), atol=0.02, rtol=0)
    torch.testing.assert_close(policy.numbers.mean, torch.tensor([0.0, 0.5]).expand(7, 2), atol=0.1, rtol=0)
    torch.testing.assert_close(policy.numbers.stddev, torch.tensor([2.0, 0.5]).expand(7, 2))
    assert policy.mode.shape == (7, 4)
    assert policy.log_prob(policy.mode).shape == policy.entropy().shape == value.shape == (7,)


def test_an_action_of_choices_and_numbers_can_be_made_likelier():
    torch.manual_seed(0)
    network, observation = ActorCritic(BOTH), observe(BOTH)
    wanted = torch.tensor([1.0, 2.0, -1.0, 0.9]).expand(7, 4)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        (-network(observation)[0].log_prob(wanted).mean()).backward()
        optimizer.step()
    torch.testing.assert_close(network(observation)[0].mode, wanted, atol=0.15, rtol=0)


def test_equal_bounds_leave_a_policy_finite():
    spec = EnvSpec("one", "none", (5,), "float32", None, (2,), (0.5, -1.0), (0.5, 1.0))
    network = ActorCritic(spec)
    policy, _ = network(observe(spec))
    policy.log_prob(policy.mean.detach() + 0.5).sum().backward()
    assert policy.entropy().isfinite().all()
    assert all(one.grad.isfinite().all() for one in network.policy.parameters())


@pytest.mark.parametrize(
    ("low", "high"), [(-LARGEST, LARGEST), (0.0, LARGEST), (-LARGEST, 1.0), (-math.inf, math.inf), (0.0, math.inf)]
)
def test_bounds_that_are_no_bounds_give_the_action_itself_a_deviation_of_1(low, high):
    spec = EnvSpec("huge", "none", (5,), "float32", None, action_shape=(1,), action_low=(low,), action_high=(high,))
    network = ActorCritic(spec)
    policy, _ = network(observe(spec))
    torch.testing.assert_close(policy.mean, torch.zeros(7, 1), atol=0.1, rtol=0)
    torch.testing.assert_close(policy.stddev, torch.ones(7, 1))
    policy.log_prob(policy.mean.detach() + 0.5).sum().backward()
    gradients = [one.grad for one in network.policy.parameters()]
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert any((gradient != 0).any() for gradient in gradients)


def test_wide_bounds_within_reason_are_a_scale():
    spec = EnvSpec("wide", "none", (5,), "float32", None, action_shape=(1,), action_low=(-2e5,), action_high=(4e5,))
    policy, _ = ActorCritic(spec)(observe(spec))
    torch.testing.assert_close(policy.mean, torch.full((7, 1), 1e5), atol=3e4, rtol=0)
    torch.testing.assert_close(policy.stddev, torch.full((7, 1), 3e5))


@pytest.mark.parametrize("shape", [(1, 6, 7), (4, 84, 84)])
def test_pictures_of_other_numbers_are_seen_like_those_of_bytes(shape):
    specs = [
        EnvSpec("p", "none", shape, dtype, 2, pixel_max=most) for dtype, most in (("uint8", 2.0), ("float32", 1.0))
    ]
    of_bytes, of_floats = (ActorCritic(spec) for spec in specs)
    of_floats.load_state_dict(of_bytes.state_dict())
    stones = torch.randint(3, (3, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    (policy, value), (other_policy, other_value) = of_bytes(stones), of_floats(stones / 2)
    torch.testing.assert_close(value, other_value, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(policy.logits, other_policy.logits, rtol=1e-4, atol=1e-5)


def test_heads_stay_in_single_precision():
    network = ActorCritic(PIXELS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        policy, value = network(observe(PIXELS))
    assert policy.logits.dtype == value.dtype == torch.float32


def test_one_observation_alone_gets_what_it_gets_in_a_batch():
    network, observation = ActorCritic(VECTOR, normalize_observations=True), observe(VECTOR)
    network.observe(torch.randn(3, 4, 5) * 3 + 2)
    policy, value = network(observation)
    for index in range(len(observation)):
        alone, alone_value = network(observation[[index]])
        torch.testing.assert_close(alone.logits[0], policy.logits[index])
        torch.testing.assert_close(alone_value[0], value[index])


def test_running_statistics_equal_those_of_everything_at_once():
    values = torch.randn(100, 5, generator=torch.Generator().manual_seed(1)) * 4 - 3
    module = RunningNormalization((5,))
    for part in values.split([1, 9, 40, 50]):
        module.update(part)
    torch.testing.assert_close(module.mean.float(), values.mean(0))
    torch.testing.assert_close(module.variance.float(), values.var(0, correction=0))
    normalised = module(values)
    torch.testing.assert_close(normalised.mean(0), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(normalised.std(0, correction=0), torch.ones(5), atol=1e-4, rtol=0)


def test_far_values_are_clipped_and_unseen_statistics_change_nothing():
    module = RunningNormalization((2,))
    assert module(torch.tensor([[1.0, 50.0]])).tolist() == [[1.0, 10.0]]


def test_running_statistics_are_saved():
    network = ActorCritic(VECTOR, normalize_observations=True)
    network.observe(torch.randn(3, 4, 5) + 7)
    other = ActorCritic(VECTOR, normalize_observations=True)
    other.load_state_dict(network.state_dict())
    assert other.normalization.count == 12
    torch.testing.assert_close(other(observe(VECTOR))[1], network(observe(VECTOR))[1])


def test_images_are_not_normalised_twice():
    with pytest.raises(ConfigurationError, match="normalize_observations=true is for vectors, but pixels shows images"):
        ActorCritic(PIXELS, normalize_observations=True)
