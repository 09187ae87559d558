"""The average of a network's weights over its updates."""

import copy

import pytest
import torch
from torch import nn

from triptych.networks.average import WeightAverage


def networks(count):
    return [nn.Linear(3, 2) for _ in range(count)]


def test_it_is_the_exponential_average_over_updates():
    first, *later = networks(6)
    average, expected = WeightAverage(first, 0.9), copy.deepcopy(first.weight)
    for updates, network in enumerate(later, start=1):
        average.follow(network, updates)
        expected = 0.9 * expected + 0.1 * network.weight
    assert torch.allclose(average.network.weight, expected)
    x = torch.randn(4, 3)
    assert torch.equal(average(x), average.network(x))
    assert not average.network.weight.requires_grad


def test_a_turn_counts_as_its_updates():
    first, second = networks(2)
    at_once, one_by_one = WeightAverage(first, 0.8), WeightAverage(first, 0.8)
    at_once.follow(second, 7)
    for updates in range(1, 8):
        one_by_one.follow(second, updates)
    assert torch.allclose(at_once.network.weight, one_by_one.network.weight, atol=1e-6)
    at_once.follow(first, 7)  # an empty turn
    assert torch.allclose(at_once.network.weight, one_by_one.network.weight, atol=1e-6)


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_without_decay_it_is_the_latest_and_a_restored_one_goes_on(decay):
    first, second, third = networks(3)
    average, restored = WeightAverage(first, decay), WeightAverage(third, decay)
    average.follow(second, 4)
    assert torch.equal(average.network.weight, second.weight) == (decay == 0.0)
    restored.load_state_dict(average.state_dict())
    for one in (average, restored):
        one.follow(third, 5)
    assert torch.equal(average.network.weight, restored.network.weight)


def test_what_is_no_weight_is_that_of_the_latest_turn():
    network = nn.BatchNorm1d(2)
    average = WeightAverage(network, 0.99)
    network(50.0 + torch.randn(100, 2))
    average.follow(network, 1)
    assert torch.equal(average.network.running_mean, network.running_mean)
    assert int(average.network.num_batches_tracked) == 1
