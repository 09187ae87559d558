"""What is extracted from a module, beside its own forward."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.algos import test_dqn
from tests.algos.test_on_policy import ppo, reinforce
from triptych.types import EnvSpec, Explanation
from triptych.watch.thoughts import PIECE, saliency_of, think

PICTURES = EnvSpec("pictures", "none", (2, 10, 10), "uint8", num_actions=2, frame_stack=2)
LENGTH = 2 * PIECE + 5


def dqn():
    module = test_dqn.DQN(PICTURES, **test_dqn.SETTINGS).to(memory_format=torch.channels_last)
    nn.init.normal_(module.average_network.network.head.q_values.weight)
    return module


@pytest.fixture
def observations():
    return np.random.default_rng(0).integers(0, 256, (LENGTH, 2, 10, 10), dtype=np.uint8)


def test_what_is_said_is_the_forward_of_the_network(observations):
    module = dqn()
    found = think(module, observations, is_image=True)
    with torch.no_grad():
        q_values = module.average_network(torch.from_numpy(observations))
    torch.testing.assert_close(found.said.q_values, q_values)
    torch.testing.assert_close(found.said.value, q_values.amax(dim=-1))
    assert not found.said.value.requires_grad


def test_saliency_is_what_a_small_change_of_a_pixel_does_to_the_value(observations):
    torch.manual_seed(0)  # with other weights a rectifier may turn on within the change
    module = dqn()
    seen = torch.from_numpy(observations[:3]).float()
    value = module.explain(seen).value
    found = saliency_of(module.explain(seen.requires_grad_()), seen)
    for row, column in ((0, 0), (4, 7), (9, 9)):
        slopes = torch.zeros(3)
        for channel in range(2):
            moved = seen.detach().clone()
            moved[:, channel, row, column] += 0.5
            slopes += ((module.explain(moved).value - value) / 0.5).abs()
        torch.testing.assert_close(torch.from_numpy(found[:, row, column]), slopes.detach(), rtol=0.05, atol=2e-5)


def test_activations_are_those_of_the_first_convolution_at_the_steps_that_are_asked_for(observations):
    module = dqn()
    steps = range(0, LENGTH, 20)
    found = think(module, observations, is_image=True, steps=steps)
    first = module.average_network.network.torso.convolutions[0]
    assert list(found.activations) == list(steps)
    for step, maps in found.activations.items():
        with torch.no_grad():
            expected = first(torch.from_numpy(observations[step : step + 1]))[0]
        np.testing.assert_allclose(maps, expected.numpy(), atol=1e-5)
    np.testing.assert_array_equal(found.filters, first.weight.detach().numpy())
    assert found.saliency.shape == (LENGTH, 10, 10)


def test_vectors_have_no_pictures():
    observations = np.random.default_rng(0).normal(size=(LENGTH, 5)).astype(np.float32)
    found = think(ppo(), observations, is_image=False, steps=range(LENGTH))
    assert found.saliency is None
    assert found.filters is None
    assert found.activations == {}
    assert found.said.action_probs.shape == (LENGTH, 3)


def test_a_policy_without_a_value_is_salient_by_its_likeliest_action(observations):
    module = reinforce(PICTURES, baseline=False)
    found = think(module, observations, is_image=True)
    assert found.said.value is None
    assert (found.saliency.max(axis=(1, 2)) > 0).all()


def test_who_says_nothing_leaves_nothing(observations):
    class Silent(nn.Module):
        def explain(self, observation):
            return Explanation()

    found = think(Silent(), observations, is_image=True)
    assert found.saliency is None
    assert all(field is None for field in found.said)


def test_pieces_come_in_the_order_of_the_game(observations):
    class Remembering(nn.Module):
        def __init__(self):
            super().__init__()
            self.sum = torch.zeros(())

        def explain(self, observation):
            values = self.sum + observation.sum(dim=(1, 2, 3)).cumsum(dim=0)
            self.sum = values[-1].detach()
            return Explanation(value=values)

    found = think(Remembering(), observations, is_image=True)
    np.testing.assert_allclose(found.said.value, observations.sum(axis=(1, 2, 3)).cumsum(), rtol=1e-5)
