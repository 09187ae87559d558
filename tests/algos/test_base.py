"""What every algorithm shares: its clock and rate, updates that are left out, and how it is evaluated."""

import statistics
from types import SimpleNamespace

import pytest
import torch

from tests.algos.test_on_policy import ppo, reinforce
from triptych.algos.base import Algorithm
from triptych.types import (
    EVALUATE,
    EXPLORE,
    EmptyTurn,
    EnvSpec,
    EvaluationResult,
    LossOutput,
    ReplayBatch,
    Rollout,
    Transition,
)


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


def test_an_empty_turn_teaches_nothing():
    module = ppo()
    module.env_steps = 8
    before = [parameter.clone() for parameter in module.parameters()]
    module.training_step(EmptyTurn(8), 0)
    assert all(torch.equal(one, other) for one, other in zip(before, module.parameters(), strict=True))
    assert (module.env_steps, module.updates, module.take_metrics()) == (8, 0, {})


def test_every_evaluation_begins_its_choices_anew_and_takes_none_of_trainings():
    module = ppo()

    def numbers(mode):
        return torch.rand(3, generator=module.generator(mode)).tolist()

    first = numbers(EXPLORE)
    module.on_validation_start()
    evaluated = [numbers(mode) for mode in (EVALUATE, EVALUATE, f"{EVALUATE}_otherwise")]
    assert len({tuple(one) for one in evaluated}) == 3
    module.on_test_start()
    assert numbers(EVALUATE) == evaluated[0]
    again = ppo()
    assert [torch.rand(3, generator=again.generator()).tolist() for _ in range(2)] == [first, numbers(EXPLORE)]


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        (EnvSpec("pong", "nature", (5,), "float32", num_actions=3, random_score=-20.0, human_score=20.0), 3),
        (EnvSpec("vector", "none", (5,), "float32", num_actions=3), 2),
    ],
)
def test_an_evaluation_is_logged_under_the_name_of_its_mode(monkeypatch, spec, names):
    module, logged = ppo(spec), {}
    module._trainer = SimpleNamespace(state=SimpleNamespace(fn="fit"))
    monkeypatch.setattr(module, "log_dict", lambda metrics, **_: logged.update(metrics))
    returns = [1.0, 2.0, 6.0]
    module.validation_step(EvaluationResult(EVALUATE, torch.tensor(returns)), 0)
    expected = {
        "eval/return_mean": 3.0,
        "eval/return_std": statistics.pstdev(returns),
        "eval/human_normalized_score": 23 / 40,
    }
    assert logged == pytest.approx(dict(list(expected.items())[:names]))
    logged.clear()
    module.test_step(EvaluationResult(f"{EVALUATE}_without_search", torch.tensor(returns)), 1)
    assert logged == pytest.approx({f"{name}_without_search": expected[name] for name in list(expected)[:names]})


def test_an_algorithm_knows_one_way_to_be_evaluated_unless_it_says_otherwise():
    assert Algorithm.evaluation_modes == (EVALUATE,)


@pytest.fixture
def stopping(monkeypatch):
    """A module that is asked to stop within its first update, and what it tells its data."""
    module, told = reinforce(), []
    optimizer = module.configure_optimizers()
    module.trainer = SimpleNamespace(datamodule=SimpleNamespace(put_off=lambda: told.append(module.env_steps)))
    monkeypatch.setattr(module, "after_update", lambda: setattr(module, "is_stopping", True))
    monkeypatch.setattr(module, "optimizers", lambda: optimizer)
    monkeypatch.setattr(module, "manual_backward", lambda loss: loss.backward())
    return module, told


def test_the_updates_of_a_rollout_are_all_made_though_the_run_is_stopping(stopping):
    module, told = stopping
    rollout = rollout_of(module, ends=True)
    module.training_step(rollout._replace(rows=torch.arange(8).view(4, 2)), 0)
    assert (module.updates, told, module.env_steps) == (4, [], 8)


def test_the_updates_of_a_replay_batch_wait_until_the_run_goes_on(stopping, monkeypatch):
    module, told = stopping
    weight = next(module.parameters())
    drawn = []

    def loss(minibatch):
        drawn.append(int(minibatch.weight))
        return LossOutput((weight**2).sum(), {}, priorities=minibatch.weight)

    monkeypatch.setattr(module, "loss", loss)
    monkeypatch.setattr(module, "after_turn", lambda batch: None)
    batch = ReplayBatch(Transition(*[torch.zeros(3)] * 5), torch.tensor([[1.0], [2.0], [3.0]]), 8)
    module.training_step(batch, 0)
    assert (module.updates, told, module.env_steps) == (1, [0], 0)
    again = reinforce()
    again.load_state_dict(module.state_dict())
    module.set_extra_state(again.get_extra_state())
    sent = []
    module.is_stopping = False
    module.trainer.datamodule.update_priorities = lambda priorities: sent.extend(priorities.flatten().tolist())
    monkeypatch.setattr(module, "after_update", lambda: None)
    module.training_step(batch, 0)
    assert (module.updates, drawn, sent, module.env_steps) == (3, [1, 2, 3], [1.0, 2.0, 3.0], 8)
