"""What every algorithm shares: the rate that falls with the clock, and updates that are left out."""

import pytest
import torch

from tests.algos.test_on_policy import ppo, reinforce
from triptych.types import Rollout


def rate_at(module, env_steps):
    optimizer = module.configure_optimizers()
    module.env_steps = env_steps
    module._decay_learning_rate(optimizer)
    return optimizer.param_groups[0]["lr"]


def test_the_learning_rate_falls_to_zero_over_its_horizon():
    module = ppo(learning_rate=1e-3, learning_rate_decay_env_steps=100)
    assert [rate_at(module, env_steps) for env_steps in (0, 25, 100, 1000)] == pytest.approx([1e-3, 7.5e-4, 0, 0])
    assert module.take_metrics()["train/learning_rate"] == pytest.approx(1.75e-3 / 4)
    assert rate_at(ppo(learning_rate=1e-3), 10**9) == 1e-3


def test_a_continued_run_goes_on_with_the_rate_of_its_clock():
    before, after = (ppo(learning_rate=1e-3, learning_rate_decay_env_steps=100) for _ in range(2))
    before.env_steps = 40
    after.load_state_dict(before.state_dict())
    assert rate_at(after, after.env_steps) == pytest.approx(6e-4)


def rollout_of(module, ends):
    """Make a rollout of 4 steps in 2 environments whose episodes end, or go on beyond it."""
    generator = torch.Generator().manual_seed(0)
    observation = torch.randn(4, 2, *module.spec.observation_shape, generator=generator)
    is_last = torch.zeros(4, 2, dtype=torch.bool)
    is_last[-1] = ends
    with torch.no_grad():
        outputs = [module.act(one) for one in observation]
    return Rollout(
        observation=observation,
        action=torch.stack([output.action for output in outputs]),
        reward=torch.ones(4, 2),
        discount=torch.where(is_last, 0.0, 0.9),
        is_last=is_last,
        next_observation=observation,
        extras={"value": torch.stack([output.extras["value"] for output in outputs])},
        rows=torch.arange(8).view(2, 4),
        env_steps=8,
    )


def test_an_update_without_anything_to_learn_from_is_left_out(monkeypatch):
    module = reinforce()
    optimizer = module.configure_optimizers()
    monkeypatch.setattr(module, "optimizers", lambda: optimizer)
    monkeypatch.setattr(module, "manual_backward", lambda loss: loss.backward())
    module.training_step(rollout_of(module, ends=True), 0)
    assert module.updates == 2
    assert module.take_metrics()["train/loss"] != 0
    before = [parameter.clone() for parameter in module.parameters()]
    module.training_step(rollout_of(module, ends=False), 1)  # Adam's momentum would move them
    assert all(torch.equal(one, other) for one, other in zip(before, module.parameters(), strict=True))
    assert module.updates == 2
    assert module.env_steps == 8
    assert module.take_metrics() == {}
