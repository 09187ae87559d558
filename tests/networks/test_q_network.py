import pytest
import torch
from jaxtyping import TypeCheckError

from triptych.networks.q_network import DuelingHead, LinearHead, QNetwork
from triptych.types import EnvSpec

IMAGES = EnvSpec("small", "none", (2, 10, 10), "uint8", num_actions=3, frame_stack=2)
VECTORS = EnvSpec("vector", "none", (4,), "float32", num_actions=5)


def observations(spec, batch_size=6):
    generator = torch.Generator().manual_seed(0)
    if spec.is_image:
        return torch.randint(256, (batch_size, *spec.observation_shape), dtype=torch.uint8, generator=generator)
    return torch.randn(batch_size, *spec.observation_shape, generator=generator)


@pytest.mark.parametrize("dueling", [False, True])
@pytest.mark.parametrize("spec", [IMAGES, VECTORS], ids=["images", "vectors"])
def test_one_value_per_action_and_a_gradient_for_every_parameter(spec, dueling):
    network = QNetwork(spec, dueling=dueling)
    q_values = network(observations(spec))
    assert q_values.shape == (6, spec.num_actions)
    q_values.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


@pytest.mark.parametrize("dueling", [False, True])
def test_values_are_single_precision_under_autocast(dueling):
    network = QNetwork(IMAGES, dueling=dueling)
    full = network(observations(IMAGES))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = network(observations(IMAGES))
    assert mixed.dtype == torch.float32
    assert not mixed.equal(full)
    torch.testing.assert_close(mixed, full, rtol=0.05, atol=0.05)


def test_the_mean_of_dueling_values_is_the_state_value():
    head, features = DuelingHead(8, 4), torch.randn(5, 8)
    torch.testing.assert_close(head(features).mean(dim=1), head.value(features))


def test_dueling_values_differ_by_their_advantages():
    head, features = DuelingHead(8, 4), torch.randn(5, 8)
    q_values, advantage = head(features).squeeze(-1), head.advantage(features)
    torch.testing.assert_close(q_values - q_values[:, :1], advantage - advantage[:, :1])


def test_the_same_added_to_all_advantages_changes_nothing():
    head, features = DuelingHead(8, 4), torch.randn(5, 8)
    before = head(features)
    with torch.no_grad():
        head.advantage.bias += 3.0
    torch.testing.assert_close(head(features), before)


@pytest.mark.parametrize("dueling", [False, True])
def test_distributions_have_logits_for_each_action(dueling):
    network = QNetwork(IMAGES, dueling=dueling, num_bins=7)
    logits = network(observations(IMAGES))
    assert logits.shape == (6, 3, 7)
    assert len({tuple(row) for row in logits[0].tolist()}) == 3  # an action has logits of its own


def test_each_bin_of_a_dueling_head_has_streams_of_its_own():
    wide, narrow = DuelingHead(8, 4, num_bins=3), DuelingHead(8, 4)
    features = torch.randn(5, 8)
    with torch.no_grad():
        for bin_ in range(3):
            narrow.value.weight.copy_(wide.value.weight[bin_ : bin_ + 1])
            narrow.value.bias.copy_(wide.value.bias[bin_ : bin_ + 1])
            narrow.advantage.weight.copy_(wide.advantage.weight[bin_::3])
            narrow.advantage.bias.copy_(wide.advantage.bias[bin_::3])
            torch.testing.assert_close(wide(features)[..., bin_], narrow(features)[..., 0])


@pytest.mark.parametrize("head", [LinearHead(8, 4), DuelingHead(8, 4)])
def test_a_wrong_shape_raises(head):
    with pytest.raises(TypeCheckError):
        head(torch.zeros(8))


@pytest.mark.parametrize("dueling", [False, True])
def test_values_are_not_rounded_by_a_torso_in_half_precision(dueling):
    spec = EnvSpec("pixels", "none", (4, 84, 84), "uint8", num_actions=6)
    network = QNetwork(spec, dueling=dueling)
    pixels = torch.randint(256, (5, 4, 84, 84), dtype=torch.uint8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        values = network(pixels)
    assert values.dtype == torch.float32
    assert not torch.equal(values, values.bfloat16().float())


def test_a_single_pixel_shows_in_the_values_of_a_fresh_network():
    spec = EnvSpec("pixels", "none", (4, 84, 84), "uint8", num_actions=6)
    network, background = QNetwork(spec), torch.full((1, 4, 84, 84), 87, dtype=torch.uint8)
    ball = background.clone()
    ball[..., 40:42, 40] = 236
    features = network.torso(torch.cat([background, ball]))
    change = (features[1] - features[0]).norm()
    assert float(change.detach()) > 0.1  # about 0.01 with the initial weights of PyTorch
    assert float(network(ball).detach().abs().max()) < 0.1
