"""The memory over sequences is the memory step by step, and episodes have nothing to do with each other."""

import pytest
import torch

from triptych.networks.memory import Memory


def step_by_step(memory, features, state, is_first):
    summaries = []
    for one, first in zip(features, is_first, strict=True):
        summary, state = memory.step(one, torch.where(first[:, None], torch.zeros(()), state))
        summaries.append(summary)
    return torch.stack(summaries), state


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 1.0])
@pytest.mark.parametrize(("length", "num_envs"), [(1, 3), (12, 1), (12, 5)])
def test_sequences_are_read_as_if_step_by_step(share, length, num_envs):
    torch.manual_seed(3)
    memory = Memory(4, 6)
    features = torch.randn(length, num_envs, 4, requires_grad=True)
    state, is_first = torch.randn(num_envs, 12, requires_grad=True), torch.rand(length, num_envs) < share
    expected, last = step_by_step(memory, features, state, is_first)
    found = memory(features, state, is_first)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(memory.last_state(features, state, is_first), last)
    weight = torch.randn_like(expected)
    inputs = [features, state, *memory.parameters()]
    gradients = (torch.autograd.grad((one * weight).sum(), inputs) for one in (found, expected))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
