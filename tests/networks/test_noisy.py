"""Noisy layers, beside the equations of Fortunato et al. 2018."""

import math

import pytest
import torch
from torch import nn

from triptych.networks.noisy import NoisyLinear, draw_noise, make_noisy
from triptych.networks.q_network import QNetwork
from triptych.networks.quantile_network import QuantileNetwork
from triptych.types import EnvSpec

SPEC = EnvSpec("vector", "none", (3,), "float32", num_actions=2)


def f(x):
    return x.sign() * x.abs().sqrt()


def make_layer():
    layer = NoisyLinear(nn.Linear(4, 3), 0.5)
    with torch.no_grad():  # scales of their own, so that none could be taken for another
        layer.weight_scale.copy_(torch.arange(12.0).view(3, 4) / 10)
        layer.bias_scale.copy_(torch.tensor([1.0, 2.0, 3.0]))
    return layer


def test_it_begins_as_the_layer_that_it_takes_over_with_the_papers_scales():
    linear = nn.Linear(4, 3)
    layer, x = NoisyLinear(linear), torch.randn(5, 4)
    assert torch.equal(layer(x), linear(x))
    assert layer.weight_scale.unique().tolist() == [pytest.approx(0.5 / math.sqrt(4))]
    assert layer.bias_scale.unique().tolist() == [pytest.approx(0.5 / math.sqrt(4))]


@pytest.mark.parametrize("rest", [(), (6,)])
def test_noise_is_factorised(rest):
    layer, x = make_layer(), torch.randn(2, *rest, 4)
    layer.draw_noise(torch.Generator().manual_seed(3), num_rows=2)
    drawn = torch.randn((2, 7), generator=torch.Generator().manual_seed(3))
    for row in range(2):
        inputs, outputs = f(drawn[row, :4]), f(drawn[row, 4:])
        weight = layer.weight + layer.weight_scale * torch.outer(outputs, inputs)
        bias = layer.bias + layer.bias_scale * outputs
        assert torch.allclose(layer(x)[row], x[row] @ weight.T + bias, atol=1e-5)


def test_one_draw_is_shared_by_all_rows_or_each_row_has_its_own():
    layer, x = make_layer(), torch.ones(3, 4)
    layer.draw_noise(torch.Generator().manual_seed(0))
    assert len(layer(x).unique(dim=0)) == 1
    layer.draw_noise(torch.Generator().manual_seed(0), num_rows=3)
    assert len(layer(x).unique(dim=0)) == 3


def test_scales_are_learned():
    layer = make_layer()
    layer.draw_noise(torch.Generator().manual_seed(0))
    layer(torch.ones(1, 4)).sum().backward()
    assert layer.weight_scale.grad.abs().min() > 0
    assert layer.bias_scale.grad.abs().min() > 0


@pytest.mark.parametrize("make", [QNetwork, QuantileNetwork])
def test_networks_have_noise_where_it_is_asked_for(make):
    def outputs(network):
        fractions = [torch.full((1, 2), 0.5)] if make is QuantileNetwork else []
        return network(torch.ones(1, 3), *fractions)

    plain, noisy = make(SPEC), make(SPEC, noisy=True)
    for network, is_noisy in ((plain, False), (noisy, True)):
        before = outputs(network)
        draw_noise(network, torch.Generator().manual_seed(0))
        assert torch.equal(before, outputs(network)) is not is_noisy
    assert sum(isinstance(layer, NoisyLinear) for layer in noisy.modules()) >= 2


def test_every_linear_layer_is_made_noisy_however_deep():
    module = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU(), nn.Linear(2, 2)))
    make_noisy(module)
    assert sum(isinstance(layer, NoisyLinear) for layer in module.modules()) == 2
