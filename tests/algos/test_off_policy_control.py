"""What DDPG, TD3, SAC and CrossQ minimise, beside sums over separate losses, and how they explore."""

import copy
from types import SimpleNamespace

import pytest
import torch

from triptych.algos.crossq import CrossQ
from triptych.algos.ddpg import DDPG
from triptych.algos.sac import SAC
from triptych.algos.td3 import TD3
from triptych.functional.continuous_control import squashed_gaussian
from triptych.types import EVALUATE, EXPLORE, ConfigurationError, EnvSpec, Minibatch, ReplayBatch, Transition
from triptych.types.errors import NotFinite

SPEC = EnvSpec("reach", "none", (3,), "float32", None, (2,), action_low=(-2.0, 0.0), action_high=(2.0, 1.0))
SHARED = {
    "seed": 0, "learning_rate": 1e-3, "adam_epsilon": 1e-8, "max_grad_norm": float("inf"),
    "learning_starts_env_steps": 10, "policy_hidden_sizes": [8], "critic_hidden_sizes": [8],
}  # fmt: skip
SOFT = {"initial_temperature": 0.5, "target_entropy_per_action": -1.0}
SETTINGS = {
    DDPG: {"exploration_noise": 0.1, "target_update_rate": 0.25},
    TD3: {"exploration_noise": 0.1, "target_noise": 0.2, "target_noise_clip": 0.5, "policy_period_updates": 2,
          "target_update_rate": 0.25},
    SAC: {"target_update_rate": 0.25, **SOFT},
    CrossQ: {"policy_period_updates": 3, "renormalization_warmup_updates": 0, "adam_decay": 0.5, **SOFT},
}  # fmt: skip
ALGORITHMS = list(SETTINGS)


def make(algorithm, **settings):
    torch.manual_seed(0)
    return algorithm(SPEC, **SHARED | SETTINGS[algorithm] | settings)


def minibatch(discount=0.9, count=16):
    generator = torch.Generator().manual_seed(1)
    observation, next_observation = torch.randn(2, count, 3, generator=generator)
    action = torch.rand(count, 2, generator=generator) * torch.tensor([4.0, 1.0]) - torch.tensor([2.0, 0.0])
    reward, weight = torch.rand(2, count, generator=generator)
    transition = Transition(observation, action, reward, torch.full((count,), discount), next_observation)
    return Minibatch(transition, weight)


def update(module, optimizer, batch):
    output = module.loss(batch)
    optimizer.zero_grad()
    output.loss.backward()
    optimizer.step()
    module.updates += 1
    module.after_update()
    return output


def gradients(module):
    return {name: None if one.grad is None else one.grad.clone() for name, one in module.named_parameters()}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_critics_learn_from_their_own_loss_alone(algorithm):
    module, batch = make(algorithm), minibatch()
    module.updates = 5  # the next is one of the policy, too
    alone = copy.deepcopy(module)
    module.loss(batch).loss.backward()
    alone.loss(batch).metrics["critic_loss"].backward()
    for name, gradient in gradients(alone).items():
        if name.startswith("critic"):
            torch.testing.assert_close(gradients(module)[name], gradient)
        else:
            assert gradient is None, name


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_policy_follows_the_critics_as_by_hand(algorithm):
    module, batch = make(algorithm), minibatch()
    module.updates = 5
    by_hand = copy.deepcopy(module)
    module.loss(batch).loss.backward()
    observation = batch.sample.observation
    is_soft = algorithm in (SAC, CrossQ)
    if is_soft:
        if algorithm is CrossQ:  # its critics have counted the minibatch in
            by_hand.critic = copy.deepcopy(module.critic)
        generator = torch.Generator()
        generator.set_state(by_hand.learning_generator.get_state())
        noise = torch.randn(2, 16, 2, generator=generator)[1]
        mean, log_std = by_hand.policy(observation, is_batch=algorithm is CrossQ)
        normal = torch.distributions.Normal(mean, log_std.exp())
        policy = torch.distributions.TransformedDistribution(normal, torch.distributions.TanhTransform(cache_size=1))
        action = policy.transforms[0](mean + log_std.exp() * noise)
        loss = (0.5 * policy.log_prob(action).sum(-1) - by_hand.critic(observation, action).amin(0)).mean()
    else:
        loss = -by_hand.critic(observation, by_hand.policy(observation))[0].mean()
    loss.backward()
    for name, gradient in gradients(by_hand).items():
        if name.startswith("policy"):
            torch.testing.assert_close(gradients(module)[name], gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_critics_are_given_actions_from_minus_one_to_one(algorithm, monkeypatch):
    module, batch, seen = make(algorithm), minibatch(), []
    inner = module.critic.forward
    monkeypatch.setattr(module.critic, "forward", lambda *args, **keys: seen.append(args[1]) or inner(*args, **keys))
    module.loss(batch)
    low, high = torch.tensor([-2.0, 0.0]), torch.tensor([2.0, 1.0])
    expected = 2 * (batch.sample.action - low) / (high - low) - 1
    torch.testing.assert_close(seen[0][:16], expected)
    assert all(bool((one.abs() <= 1 + 1e-6).all()) for one in seen)


@pytest.mark.parametrize("algorithm", [DDPG, TD3, SAC])
def test_after_termination_nothing_follows(algorithm):
    module, batch = make(algorithm), minibatch(discount=0.0)
    action = module.scale.from_environment(batch.sample.action)
    error = batch.sample.reward - module.critic(batch.sample.observation, action)
    torch.testing.assert_close(module.loss(batch).priorities, error.abs().mean(dim=0))


@pytest.mark.parametrize("algorithm", [DDPG, TD3, SAC])
def test_the_critics_learn_towards_targets_as_by_hand(algorithm):
    module = make(algorithm, **{"target_noise_clip": 0.1} if algorithm is TD3 else {})
    sample, weight = minibatch()
    with torch.no_grad():
        for target in (module.target_critic, getattr(module, "target_policy", module.target_critic)):
            for parameter in target.parameters():  # of SAC, which has no other, twice
                parameter += 0.1
        generator = torch.Generator()
        generator.set_state(module.learning_generator.get_state())
        bonus = torch.zeros(16)
        if algorithm is SAC:
            noise = torch.randn(2, 16, 2, generator=generator)[0]
            next_action, log_prob = squashed_gaussian(*module.policy(sample.next_observation), noise)
            bonus = -0.5 * log_prob
        else:
            next_action = module.target_policy(sample.next_observation)
        if algorithm is TD3:
            noise = 0.2 * torch.randn(16, 2, generator=generator)
            assert bool((noise.abs() > 0.1).any())
            next_action = (next_action + noise.clamp(-0.1, 0.1)).clamp(-1, 1)
        next_value = module.target_critic(sample.next_observation, next_action).amin(dim=0) + bonus
        q_values = module.critic(sample.observation, module.scale.from_environment(sample.action))
        error = sample.reward + 0.9 * next_value - q_values
    output = module.loss(Minibatch(sample, weight))
    torch.testing.assert_close(output.priorities, error.abs().mean(dim=0))
    critic_loss = (weight * (0.5 * error.square()).sum(dim=0)).mean()
    torch.testing.assert_close(output.metrics["critic_loss"].detach(), critic_loss)


@pytest.mark.parametrize("discount", [0.0, 0.9])
def test_states_and_next_states_are_renormalised_as_one_batch(discount):
    module, batch = make(CrossQ), minibatch(discount)
    critic, sample = copy.deepcopy(module.critic), batch.sample
    generator = torch.Generator()
    generator.set_state(module.learning_generator.get_state())
    noise = torch.randn(2, 16, 2, generator=generator)[0]
    next_action, log_prob = squashed_gaussian(*module.policy(sample.next_observation), noise)
    actions = torch.cat((module.scale.from_environment(sample.action), next_action))
    q_values = critic(torch.cat((sample.observation, sample.next_observation)), actions, is_batch=True)
    target = sample.reward + discount * (q_values[:, 16:].amin(dim=0) - 0.5 * log_prob)
    error, output = target - q_values[:, :16], module.loss(batch)
    torch.testing.assert_close(output.priorities, error.abs().mean(dim=0))
    torch.testing.assert_close(output.metrics["critic_loss"], (batch.weight * (0.5 * error.square()).sum(dim=0)).mean())
    torch.testing.assert_close(module.critic.norms[1].mean, critic.norms[1].mean)


@pytest.mark.parametrize("algorithm", [TD3, CrossQ])
def test_the_policy_waits_for_its_turn_and_does_not_move_meanwhile(algorithm):
    module, batch = make(algorithm), minibatch()
    optimizer, period = module.configure_optimizers(), module.policy_period_updates
    moved = []
    for _ in range(2 * period):
        before = [parameter.clone() for parameter in module.policy.parameters()]
        output = update(module, optimizer, batch)
        same = [torch.equal(*pair) for pair in zip(before, module.policy.parameters(), strict=True)]
        assert all(same) or not any(same)
        assert ("policy_loss" in output.metrics) == (not any(same))
        moved.append(not any(same))
    assert moved == ([False] * (period - 1) + [True]) * 2


@pytest.mark.parametrize("algorithm", [DDPG, TD3, SAC])
def test_target_networks_move_a_part_of_the_way(algorithm):
    module, batch = make(algorithm), minibatch()
    optimizer = module.configure_optimizers()
    if algorithm is TD3:
        update(module, optimizer, batch)
        for target, start in zip(module.target_critic.parameters(), make(algorithm).critic.parameters(), strict=True):
            assert torch.equal(target, start)
    before = [parameter.clone() for parameter in module.target_critic.parameters()]
    update(module, optimizer, batch)
    for target, old, new in zip(module.target_critic.parameters(), before, module.critic.parameters(), strict=True):
        torch.testing.assert_close(target, 0.75 * old + 0.25 * new)
        assert not target.requires_grad
    if algorithm is not SAC:
        start = make(algorithm).target_policy.parameters()
        for target, old, new in zip(module.target_policy.parameters(), start, module.policy.parameters(), strict=True):
            torch.testing.assert_close(target, 0.75 * old + 0.25 * new)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_it_explores_at_random_first_then_near_its_policy_and_evaluates_without_chance(algorithm):
    module, observation = make(algorithm), torch.zeros(4000, 3)
    action = module.act(observation, EXPLORE).action
    low, high = torch.tensor([-2.0, 0.0]), torch.tensor([2.0, 1.0])
    assert bool(((action >= low) & (action <= high)).all())
    torch.testing.assert_close(action.mean(dim=0), torch.tensor([0.0, 0.5]), atol=0.07, rtol=0)
    torch.testing.assert_close(action.std(dim=0), torch.tensor([4.0, 1.0]) / 12**0.5, rtol=0.05, atol=0)
    module.env_steps = 10
    explored, played = (module.act(observation, mode).action for mode in (EXPLORE, EVALUATE))
    assert bool(((explored >= low) & (explored <= high)).all())
    assert torch.equal(played, played[:1].expand(4000, 2))
    if algorithm in (DDPG, TD3):
        torch.testing.assert_close((explored - played).std(dim=0), 0.1 * torch.tensor([2.0, 0.5]), rtol=0.05, atol=0)
    else:
        assert float((explored - played).detach().std(dim=0).min()) > 0.1
    torch.testing.assert_close(module.explain(observation).action_mean, played)


@pytest.mark.parametrize("algorithm", [DDPG, TD3])
def test_some_actions_are_random_while_it_explores_and_none_while_it_is_evaluated(algorithm):
    module, observation = make(algorithm, random_action_fraction=0.25, exploration_noise=0.0), torch.zeros(4000, 3)
    module.env_steps = 10
    explored, played = (module.act(observation, mode).action for mode in (EXPLORE, EVALUATE))
    is_random = (explored != played).any(dim=1)
    assert float(is_random.float().mean()) == pytest.approx(0.25, abs=0.03)
    low, high = torch.tensor([-2.0, 0.0]), torch.tensor([2.0, 1.0])
    assert bool(((explored >= low) & (explored <= high)).all())
    torch.testing.assert_close(explored[is_random].mean(dim=0), torch.tensor([0.0, 0.5]), atol=0.15, rtol=0)
    torch.testing.assert_close(played, make(algorithm).act(observation, EVALUATE).action)


@pytest.mark.parametrize("algorithm", [SAC, CrossQ])
def test_the_temperature_falls_while_the_policy_is_more_random_than_it_should_be(algorithm):
    module, batch = make(algorithm), minibatch()
    optimizer = module.configure_optimizers()
    for _ in range(module.policy_period_updates if algorithm is CrossQ else 1):
        output = update(module, optimizer, batch)
    assert float(output.metrics["entropy"].detach()) > module.target_entropy == -2.0
    assert float(module.log_temperature.detach().exp()) < 0.5


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_discrete_actions_are_refused(algorithm):
    with pytest.raises(ConfigurationError, match=f"{algorithm.__name__} gives continuous actions.*algo=dqn"):
        algorithm.check(EnvSpec("catch", "none", (5,), "float32", 3))


@pytest.mark.parametrize("algorithm", [DDPG, TD3, SAC])
def test_normalised_observations_are_what_the_networks_see_everywhere(algorithm):
    plain, normal = make(algorithm), make(algorithm, normalize_observations=True)
    assert not [name for name in plain.state_dict() if name.startswith("normalization")]
    for module in (plain, normal):
        module.env_steps, module.updates = 100, 1  # beyond random actions; TD3's policy learns at the next
    batch = minibatch(count=200)
    shifted = batch.sample._replace(
        observation=5 + 3 * batch.sample.observation, next_observation=5 + 3 * batch.sample.next_observation
    )
    empty = ReplayBatch(type(shifted)(*(field[None][:0] for field in shifted)), batch.weight[None][:0], 100)
    normal.after_turn(empty)  # while the replay is filled
    normal.after_turn(ReplayBatch(type(shifted)(*(field[None] for field in shifted)), batch.weight[None], 100))
    mean, std = shifted.observation.mean(dim=0), shifted.observation.std(dim=0, correction=0)
    seen = shifted._replace(
        observation=(shifted.observation - mean) / std, next_observation=(shifted.next_observation - mean) / std
    )
    for mode in (EXPLORE, EVALUATE):
        found, expected = normal.act(shifted.observation, mode), plain.act(seen.observation, mode)
        torch.testing.assert_close(found.action, expected.action, atol=1e-4, rtol=1e-4)
    for found, expected in zip(normal.explain(shifted.observation), plain.explain(seen.observation), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    found, expected = normal.loss(Minibatch(shifted, batch.weight)), plain.loss(Minibatch(seen, batch.weight))
    assert found.metrics.keys() == expected.metrics.keys()
    for name, value in found.metrics.items():
        torch.testing.assert_close(value, expected.metrics[name], atol=1e-3, rtol=1e-3)


def batch_of(minibatch):
    """Make a turn of one update of a minibatch."""
    return ReplayBatch(Transition(*(field[None] for field in minibatch.sample)), minibatch.weight[None], 50)


def test_the_rate_the_clipping_and_the_check_are_of_all_groups_of_an_optimizer(monkeypatch):
    module = make(CrossQ, learning_rate_decay_env_steps=100, policy_period_updates=1, max_grad_norm=1e-3)
    optimizer = module.configure_optimizers()
    monkeypatch.setattr(module, "optimizers", lambda: optimizer)
    monkeypatch.setattr(module, "manual_backward", lambda loss: loss.backward())
    data = SimpleNamespace(update_priorities=lambda priorities: None)
    monkeypatch.setattr(CrossQ, "trainer", SimpleNamespace(datamodule=data), raising=False)
    module.env_steps = 50
    module.training_step(batch_of(minibatch()), 0)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([5e-4, 5e-4])
    squares = [one.grad.square().sum() for one in module.parameters() if one.grad is not None]
    assert sum(squares).sqrt().item() == pytest.approx(1e-3, rel=1e-3)

    def spoil(loss):
        loss.backward()
        module.log_temperature.grad.fill_(float("nan"))

    monkeypatch.setattr(module, "manual_backward", spoil)
    with pytest.raises(NotFinite, match="its gradient"):
        module.training_step(batch_of(minibatch()), 1)
    assert module.log_temperature.isfinite()
