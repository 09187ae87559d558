"""The network that gives quantiles at any fraction."""

import math

import pytest
import torch

from triptych.networks.choice import Network
from triptych.networks.quantile_network import QuantileNetwork
from triptych.types import ConfigurationError, EnvSpec

SPEC = EnvSpec("vector", "none", (3,), "float32", num_actions=2)
IMAGES = EnvSpec("images", "none", (4, 84, 84), "uint8", frame_stack=4, num_actions=6)


def test_it_is_the_papers_product_of_features_and_embedded_fractions():
    network = QuantileNetwork(SPEC, num_cosines=5)
    observation, fractions = torch.randn(2, 3), torch.rand(2, 4)
    found = network(observation, fractions)
    assert found.shape == (2, 4, 2)
    weight, bias = network.embedding[0].weight, network.embedding[0].bias
    for row in range(2):
        features = network.torso(observation[row : row + 1])[0]
        for column in range(4):
            cosines = torch.tensor([math.cos(math.pi * i * float(fractions[row, column])) for i in range(5)])
            embedded = (weight @ cosines + bias).clamp(min=0)
            hidden = network.hidden(features * embedded)
            assert torch.allclose(found[row, column], network.head(hidden), atol=1e-5)


def test_sizes_are_those_of_the_papers_or_of_the_user():
    network = QuantileNetwork(IMAGES)
    assert network.hidden[0].weight.shape == (512, 3136)
    assert network.embedding[0].weight.shape == (3136, 64)
    own = QuantileNetwork(SPEC, network=Network("mlp", [32, 16]))
    assert own.torso.num_features == 32
    assert own.head.in_features == 16


def test_no_hidden_layer_is_told():
    with pytest.raises(ConfigurationError, match=r"algo\.network\.hidden_sizes=\[\] does not fit IQN"):
        QuantileNetwork(SPEC, network=Network(hidden_sizes=[]))
