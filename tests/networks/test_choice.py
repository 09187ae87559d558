"""The torso that a user chose, or made."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from triptych.networks.actor_critic import ActorCritic
from triptych.networks.choice import CONVOLUTIONAL, MIN_SIZES, Network, OwnTorso, make_torso
from triptych.networks.q_network import QNetwork
from triptych.types import ConfigurationError, EnvSpec

LARGE = EnvSpec("large", "none", (4, 84, 84), "uint8", 3, pixel_max=255.0)
SMALL = EnvSpec("small", "none", (2, 10, 10), "uint8", 3, pixel_max=255.0)
VECTOR = EnvSpec("vector", "none", (5,), "float32", 3)


def observe(spec, num=3):
    generator = torch.Generator().manual_seed(0)
    if spec.is_image:
        return torch.randint(256, (num, *spec.observation_shape), dtype=torch.uint8, generator=generator)
    return torch.randn(num, *spec.observation_shape, generator=generator)


class Own(nn.Module):
    """Maps what it is given, seen by the tests, to seven features."""

    def __init__(self, spec):
        super().__init__()
        self.layer = nn.LazyLinear(7)
        self.seen = None

    def forward(self, observation):
        self.seen = observation
        return self.layer(observation.flatten(1))


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize(
    ("spec", "network", "num_features"),
    [
        (LARGE, Network("impala"), 256),
        (SMALL, Network("impala", [32]), 32),
        (SMALL, Network("small", [32, 16]), 16),
        (SMALL, Network("mlp"), 128),
        (SMALL, Network("mlp", [20, 10]), 10),
        (SMALL, Network(None, [24]), 24),
        (LARGE, Network("nature", [64]), 64),
        (LARGE, Network("nips"), 256),
        (LARGE, Network("nips", []), 9 * 9 * 32),
        (LARGE, Network("data_efficient"), 256),
        (LARGE, Network("data_efficient", []), 3 * 3 * 64),
        (LARGE, Network("nature", []), 3136),
        (VECTOR, Network("mlp", [256, 256, 32]), 32),
        (VECTOR, Network(None, []), 5),
    ],
)
def test_a_torso_has_the_kind_and_sizes_that_were_chosen(spec, network, num_features, layer_norm):
    torso = make_torso(spec, network, layer_norm=layer_norm)
    features = torso(observe(spec))
    assert features.shape == (3, torso.num_features) == (3, num_features)
    alone = torch.cat([torso(one[None]) for one in observe(spec)])
    torch.testing.assert_close(features, alone, rtol=1e-4, atol=1e-5)
    if list(torso.parameters()):
        features.sum().backward()
        assert all(parameter.grad is not None for parameter in torso.parameters())


def test_impala_has_the_parameters_of_the_paper():
    torso = make_torso(SMALL, Network("impala"))
    stages = [(2, 16), (16, 32), (32, 32)]
    convolutions = sum(9 * a * b + b + 4 * (9 * b * b + b) for a, b in stages)
    hidden = (32 * 2 * 2 + 1) * 256  # 10 pixels are halved three times, rounded up
    assert sum(parameter.numel() for parameter in torso.parameters()) == convolutions + hidden


@pytest.mark.parametrize(
    ("spec", "network", "words"),
    [
        (VECTOR, Network("nature"), ["algo.network.torso=nature", "vectors", "torso=mlp"]),
        (VECTOR, Network("impala"), ["algo.network.torso=impala", "vectors"]),
        (SMALL, Network("nature"), ["from 36 pixels", "10 x 10", "impala"]),
        (SMALL, Network("nips"), ["torso=nips", "from 20 pixels", "10 x 10", "impala"]),
        (SMALL, Network("data_efficient"), ["torso=data_efficient", "from 25 pixels", "10 x 10"]),
    ],
)
def test_a_torso_that_does_not_fit_is_refused(spec, network, words):
    with pytest.raises(ConfigurationError) as error:
        make_torso(spec, network)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("name", MIN_SIZES)
def test_the_smallest_image_of_a_torso_is_one_of_which_something_is_left(name):
    smallest = MIN_SIZES[name]
    features = make_torso(replace(LARGE, observation_shape=(4, smallest, smallest + 3)), Network(name, []))
    assert features.num_features > 0
    with pytest.raises(RuntimeError, match="Kernel size"):
        CONVOLUTIONAL[name]((4, smallest - 1, smallest - 1))


@pytest.mark.parametrize("spec", [SMALL, VECTOR])
def test_a_module_of_ones_own_sees_numbers_from_0_to_1_and_its_features_are_counted(spec):
    torso, observation = make_torso(spec, Own), observe(spec)
    assert isinstance(torso, OwnTorso)
    assert torso.num_features == 7
    torso(observation)
    expected = observation / 255 if spec.is_image else observation
    torch.testing.assert_close(torso.module.seen, expected)


@pytest.mark.parametrize("network_class", [QNetwork, ActorCritic])
@pytest.mark.parametrize("spec", [SMALL, VECTOR])
def test_networks_take_any_torso(network_class, spec):
    for network in (None, Network(None, [16]), Own):
        made = network_class(spec, network=network)
        output = made(observe(spec))
        outputs = output if isinstance(output, torch.Tensor) else output[0].logits
        assert outputs.shape == (3, 3)


@pytest.mark.parametrize("network_class", [QNetwork, ActorCritic])
def test_a_module_of_ones_own_keeps_its_initial_weights(network_class):
    class Ones(Own):
        def __init__(self, spec):
            super().__init__(spec)
            self.layer = nn.Linear(200, 7)
            nn.init.ones_(self.layer.weight)

    made = network_class(SMALL, network=Ones)
    assert any((weight == 1).all() for weight in made.parameters() if weight.shape == (7, 200))


class Flat(nn.Module):
    def forward(self, observation):
        return observation.sum()


class Pair(nn.Module):
    def forward(self, observation):
        return observation, observation


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (Flat(), ["Flat", "[B, 5]", "[B, F]", "makes [] of 2"]),
        (Pair(), ["makes tuple"]),
        (nn.Linear(4, 3), ["Linear", "but fails (RuntimeError"]),
        (nn.Unflatten(1, (1, 5)), ["makes [2, 1, 5]"]),
    ],
)
def test_a_module_that_makes_no_features_is_refused_with_one_sentence(module, words):
    with pytest.raises(ConfigurationError) as error:
        make_torso(VECTOR, lambda spec: module)
    assert len(str(error.value).splitlines()) == 1
    for word in ["algo.network", *words]:
        assert word in str(error.value)
