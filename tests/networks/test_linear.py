"""Weights that are rounded once for autocast: the results of plain layers, never of weights that were."""

import copy
import pickle

import pytest
import torch
from torch import nn

from triptych.networks.linear import Linear, tell_of_steps


def pair(is_frozen=False):
    ours, plain = Linear(6, 4), nn.Linear(6, 4)
    plain.load_state_dict(ours.state_dict())
    return ours.requires_grad_(not is_frozen), plain.requires_grad_(not is_frozen)


def passes(layer, x):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return layer(x)


def test_a_frozen_layer_gives_what_a_plain_one_gives_and_rounds_once():
    ours, plain = pair(is_frozen=True)
    for seed in range(3):
        x = torch.randn(5, 6, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(passes(ours, x), passes(plain, x))
        kept = ours.rounded("weight")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert ours.rounded("weight") is ours.rounded("weight")
        assert ours.rounded("weight").dtype == torch.bfloat16
    assert kept is ours.weight  # without autocast nothing is rounded
    assert torch.equal(ours(x), plain(x))


@torch.no_grad()
def write(layer):
    layer.weight.add_(1.0)


def load(layer):
    layer.load_state_dict({name: value + 1.0 for name, value in layer.state_dict().items()})


@torch.no_grad()
def average(layer):
    torch._foreach_lerp_(list(layer.parameters()), [torch.ones_like(one) for one in layer.parameters()], 0.5)


def move(layer):
    layer.to(torch.float64)
    with torch.no_grad():
        layer.weight.mul_(2.0)
    layer.to(torch.float32)


def learn(layer):
    layer.requires_grad_(True)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1, fused=True)
    layer(torch.ones(1, 6)).sum().backward()
    optimizer.step()
    layer.requires_grad_(False)


@pytest.mark.parametrize("change", [write, load, average, move, learn])
def test_what_changes_weights_is_followed(change):
    ours, plain = pair(is_frozen=True)
    x = torch.randn(5, 6)
    before = passes(ours, x)
    change(ours), change(plain)
    assert torch.equal(passes(ours, x), passes(plain, x))
    assert not torch.equal(passes(ours, x), before)


def test_what_is_learned_from_has_the_gradients_of_a_plain_layer():
    ours, plain = pair()
    x = torch.randn(5, 6)
    with torch.no_grad():
        assert torch.equal(passes(ours, x), passes(plain, x))
    for layer in (ours, plain):
        passes(layer, x).square().sum().backward()
    assert torch.equal(ours.weight.grad, plain.weight.grad)
    assert torch.equal(ours.bias.grad, plain.bias.grad)


@pytest.mark.parametrize("is_told", [False, True])
def test_who_acts_while_it_learns_acts_by_the_latest_weights(is_told):
    """A fused step leaves a parameter's version as it is; only where it is raised are roundings kept."""
    ours, plain = pair()
    x = torch.randn(5, 6)
    optimizers = [torch.optim.Adam(layer.parameters(), lr=0.1, fused=True) for layer in (ours, plain)]
    if is_told:
        tell_of_steps(optimizers[0])
    for _ in range(3):
        with torch.no_grad():
            acted = passes(ours, x)
            assert torch.equal(acted, passes(plain, x))
            assert torch.equal(acted, passes(ours, x))
            assert ("weight" in ours._rounded) == is_told
        for layer, optimizer in zip((ours, plain), optimizers, strict=True):
            optimizer.zero_grad()
            passes(layer, x).square().sum().backward()
            optimizer.step()
        assert torch.equal(ours.weight, plain.weight)
        with torch.no_grad():
            assert not torch.equal(passes(ours, x), acted)


def test_after_an_evaluation_in_inference_mode_gradients_of_what_is_seen_are_there():
    ours, _ = pair(is_frozen=True)
    x = torch.randn(5, 6, requires_grad=True)
    with torch.inference_mode():
        passes(ours, x)
    passes(ours, x).sum().backward()
    assert x.grad.abs().sum() > 0


def test_copies_have_no_roundings():
    ours, plain = pair(is_frozen=True)
    x = torch.randn(5, 6)
    passes(ours, x)
    for again in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        write(again)
        assert torch.equal(passes(again, x), passes(copy.deepcopy(again), x))
        assert again._rounded is not ours._rounded
    assert torch.equal(passes(ours, x), passes(plain, x))
