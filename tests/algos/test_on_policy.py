"""What REINFORCE, A2C, PPO and PQN learn from and minimise, beside slow references."""

import math

import pytest
import torch

from tests.algos.test_dqn import SETTINGS as DQN_SETTINGS
from triptych.algos.a2c import A2C
from triptych.algos.dqn import DQN
from triptych.algos.ppo import PPO
from triptych.algos.pqn import PQN
from triptych.algos.reinforce import REINFORCE
from triptych.types import (
    EVALUATE,
    EXPLORE,
    ConfigurationError,
    EnvSpec,
    Minibatch,
    ObservationParts,
    Rollout,
    Transition,
)

SPEC = EnvSpec("vector", "none", (5,), "float32", num_actions=3)
CONTROL = EnvSpec("control", "none", (5,), "float32", None, (2,), (-1.0, -2.0), (1.0, 2.0))
BOTH = EnvSpec("both", "none", (5,), "float32", None, (4,), (-1.0, -2.0), (1.0, 2.0), action_sizes=(2, 3))
SHARED = {"seed": 0, "learning_rate": 1e-3, "adam_epsilon": 1e-8, "max_grad_norm": 0.5}
POLICY = SHARED | {"value_coef": 0.5, "entropy_coef": 0.01, "normalize_observations": False, "eval_greedy": False}


def reinforce(spec=SPEC, baseline=True, **settings):
    return REINFORCE(spec, baseline=baseline, **POLICY | settings)


def a2c(spec=SPEC, gae_lambda=0.9, **settings):
    return A2C(spec, gae_lambda=gae_lambda, **POLICY | settings)


def ppo(spec=SPEC, gae_lambda=0.9, clip_range=0.2, value_clip_range=None, **settings):
    return PPO(
        spec, gae_lambda=gae_lambda, clip_range=clip_range, value_clip_range=value_clip_range, **POLICY | settings
    )


def pqn(spec=SPEC, q_lambda=0.65, **settings):
    exploration = {"epsilon_start": 1.0, "epsilon_end": 0.1, "epsilon_decay_env_steps": 100, "eval_epsilon": 0.0,
                   "weight_average_decay": 0.5}  # fmt: skip
    return PQN(spec, dueling=False, layer_norm=True, q_lambda=q_lambda, **SHARED | exploration | settings)


@torch.no_grad()
def make_rollout(module, length=7, num_envs=4, seed=0):
    """Play random numbers with the module; ends come at random, half of them truncations."""
    generator = torch.Generator().manual_seed(seed)
    observation = torch.randn(length + 1, num_envs, *module.spec.observation_shape, generator=generator)
    outputs = [module.act(observation[time]) for time in range(length)]
    is_last, is_terminal = torch.rand(2, length, num_envs, generator=generator) < 0.4
    next_observation = observation[1:].clone()
    next_observation[is_last] = torch.randn(int(is_last.sum()), *module.spec.observation_shape, generator=generator)
    return Rollout(
        observation=observation[:-1],
        action=torch.stack([output.action for output in outputs]),
        reward=torch.randn(length, num_envs, generator=generator),
        discount=torch.where(is_last & is_terminal, 0.0, 0.9),
        is_last=is_last,
        next_observation=next_observation,
        extras={name: torch.stack([output.extras[name] for output in outputs]) for name in outputs[0].extras},
        rows=torch.arange(length * num_envs)[None],
        env_steps=length * num_envs,
    )


@torch.no_grad()
def make_steps(module):
    return module.targets(make_rollout(module))


def column(rollout, env):
    """Return the rollout of one environment alone."""
    *fields, extras, _, env_steps, _ = rollout
    extras = {name: value[:, [env]] for name, value in extras.items()}
    return Rollout(*(field[:, [env]] for field in fields), extras, torch.arange(len(rollout.reward))[None], env_steps)


def critic(module, observation):
    if isinstance(module, PQN):
        return float(module.online_network(observation[None]).max())
    return float(module.network(observation[None])[1])


def slow_return(module, rollout, env, start, lambda_):
    """Recurse step by step, asking the critic about every next observation."""
    reward, discount = float(rollout.reward[start, env]), float(rollout.discount[start, env])
    next_value = critic(module, rollout.next_observation[start, env])
    if rollout.is_last[start, env] or start + 1 == len(rollout.reward):
        return reward + discount * next_value
    further = slow_return(module, rollout, env, start + 1, lambda_)
    return reward + discount * ((1 - lambda_) * next_value + lambda_ * further)


@pytest.mark.parametrize(("make", "lambda_"), [(a2c, 0.9), (ppo, 0.9), (pqn, 0.65)])
@torch.no_grad()
def test_targets_equal_a_slow_recursion(make, lambda_):
    module = make()
    rollout = make_rollout(module)
    target = module.targets(rollout).target.view(7, 4)
    for time in range(7):
        for env in range(4):
            expected = slow_return(module, rollout, env, time, lambda_)
            assert float(target[time, env]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("baseline", [True, False])
@torch.no_grad()
def test_reinforce_learns_from_the_whole_returns_of_ended_episodes(baseline):
    module = reinforce(baseline=baseline)
    rollout = make_rollout(module)
    steps = module.targets(rollout)
    advantage, target = steps.advantage.view(7, 4), steps.target.view(7, 4)
    is_known = steps.is_known.view(7, 4)
    for env in range(4):
        for start in range(7):
            ends = [time for time in range(start, 7) if rollout.is_last[time, env]]
            assert bool(is_known[start, env]) == bool(ends)
            if not ends:
                continue
            value = critic(module, rollout.observation[start, env]) if baseline else 0.0
            rewards = rollout.reward[start : ends[0] + 1, env].tolist()
            expected = sum(0.9**power * reward for power, reward in enumerate(rewards))
            if baseline and rollout.discount[ends[0], env] > 0:  # truncated: the baseline completes it
                expected += 0.9 ** len(rewards) * critic(module, rollout.next_observation[ends[0], env])
            assert float(target[start, env]) == pytest.approx(expected, abs=1e-5)
            assert float(advantage[start, env]) == pytest.approx(expected - value, abs=1e-5)
    assert 0 < int(is_known.sum()) < 28


def test_steps_without_a_return_teach_reinforce_nothing():
    module = reinforce()
    steps = make_steps(module)
    whole = steps.is_known
    alone = module.loss(steps.at(whole.nonzero().flatten())).loss
    changed = steps._replace(
        target=torch.where(whole, steps.target, 1e3), advantage=torch.where(whole, steps.advantage, 1e3)
    )
    assert float(module.loss(changed).loss.detach()) == pytest.approx(float(alone.detach()), abs=1e-6)
    nothing = steps._replace(is_known=torch.zeros_like(whole))
    assert module.loss(nothing) is None


@pytest.mark.parametrize("make", [a2c, ppo, pqn])
def test_with_a_critic_every_step_has_a_target(make):
    assert make_steps(make()).is_known.all()


@pytest.mark.parametrize("make", [reinforce, a2c, ppo, pqn])
def test_batching_over_environments_changes_nothing(make):
    module = make()
    rollout = make_rollout(module)
    with torch.no_grad():
        together = module.targets(rollout)
        apart = [module.targets(column(rollout, env)) for env in range(4)]
    for env, alone in enumerate(apart):
        torch.testing.assert_close(alone.target, together.target.view(7, 4)[:, env])
        torch.testing.assert_close(alone.advantage, together.advantage.view(7, 4)[:, env])
    if make not in (ppo, reinforce):  # which take means over other steps
        with torch.no_grad():
            mean = sum(float(module.loss(alone).loss) for alone in apart) / 4
            assert float(module.loss(together).loss) == pytest.approx(mean, abs=1e-5)


@pytest.mark.parametrize("make", [reinforce, a2c, ppo])
@pytest.mark.parametrize("advantage", [1.0, -1.0])
@pytest.mark.parametrize("spec", [SPEC, CONTROL, BOTH])
def test_a_step_makes_better_actions_likelier_and_worse_ones_less_likely(make, advantage, spec):
    module = make(spec, entropy_coef=0.0)
    steps = make_steps(module)
    steps = steps._replace(advantage=torch.full_like(steps.advantage, advantage))
    favoured = torch.arange(len(steps.target)) < 14  # half, so that standardizing keeps the signs
    steps = steps._replace(advantage=torch.where(favoured, steps.advantage, -steps.advantage))

    def log_probs():
        return module.network(steps.observation)[0].log_prob(steps.action)

    before = log_probs().detach()
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-2)
    module.loss(steps).loss.backward()
    optimizer.step()
    change = log_probs().detach() - before
    assert float(change[favoured].mean()) * advantage > 0
    assert float(change[~favoured].mean()) * advantage < 0


@pytest.mark.parametrize("make", [reinforce, a2c, ppo])
def test_the_entropy_bonus_flattens_the_policy(make):
    module = make(entropy_coef=1.0, value_coef=0.0)
    with torch.no_grad():
        module.network.policy.logits.bias.copy_(torch.tensor([2.0, 0.0, -1.0]))
    steps = make_steps(module)
    steps = steps._replace(advantage=torch.zeros_like(steps.advantage))
    before = float(module.loss(steps).metrics["entropy"].detach())
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    module.loss(steps).loss.backward()
    optimizer.step()
    assert float(module.loss(steps).metrics["entropy"].detach()) > before


@pytest.mark.parametrize("spec", [SPEC, CONTROL, BOTH])
def test_at_the_policy_that_acted_ppo_is_actor_critic(spec):
    first, second = a2c(spec), ppo(spec)
    second.load_state_dict(first.state_dict())
    steps = make_steps(second)
    output = second.loss(steps)
    assert float(output.metrics["approximate_kl"].detach()) == pytest.approx(0, abs=1e-6)
    assert float(output.metrics["clip_fraction"]) == 0
    advantage = (steps.advantage - steps.advantage.mean()) / (steps.advantage.std(correction=0) + 1e-8)
    output.loss.backward()
    first.loss(steps._replace(advantage=advantage)).loss.backward()
    for mine, other in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, atol=1e-5, rtol=1e-4)


def test_clip_fraction_and_kl_by_hand():
    module = ppo()
    steps = make_steps(module)
    shift = torch.zeros(28)
    shift[:7] = math.log(1.5)
    steps.extras["log_prob"] = steps.extras["log_prob"] - shift
    metrics = module.loss(steps).metrics
    assert float(metrics["clip_fraction"]) == pytest.approx(0.25)
    assert float(metrics["approximate_kl"]) == pytest.approx((0.5 - math.log(1.5)) / 4, abs=1e-6)


@pytest.mark.parametrize("spec", [SPEC, CONTROL, BOTH])
def test_the_magnet_draws_the_policy_to_its_average(spec):
    module = ppo(spec, magnet_coef=1.0, weight_average_decay=0.9, value_coef=0.0, entropy_coef=0.0)
    steps = make_steps(module)
    steps = steps._replace(advantage=torch.zeros_like(steps.advantage))
    assert float(module.loss(steps).metrics["magnet_kl"].detach()) == 0  # the average starts as the network
    with torch.no_grad():
        for weight in module.network.policy.parameters():
            weight += 0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
    average = [weight.clone() for weight in module.average_network.parameters()]
    output = module.loss(steps)
    output.loss.backward()
    before = float(output.metrics["magnet_kl"].detach())
    assert float(output.loss.detach()) == pytest.approx(before)
    torch.optim.SGD(module.network.parameters(), lr=0.05).step()
    assert 0 < float(module.loss(steps).metrics["magnet_kl"].detach()) < before
    assert all(map(torch.equal, average, module.average_network.parameters()))


def test_without_an_average_there_is_no_magnet():
    with pytest.raises(ConfigurationError, match=r"algo\.weight_average_decay=0\.999"):
        ppo(magnet_coef=0.1)


def test_ppo_can_hold_the_critic_near_the_one_that_acted():
    loose, held = ppo(), ppo(value_clip_range=0.0)
    held.load_state_dict(loose.state_dict())
    steps = make_steps(loose)
    steps.extras["value"] = steps.target.clone()  # an old critic without error: only the new one's error counts
    assert float(held.loss(steps).metrics["value_loss"]) == pytest.approx(
        float(loose.loss(steps).metrics["value_loss"])
    )
    steps.extras["value"] = steps.target + 10.0
    assert float(held.loss(steps).metrics["value_loss"]) >= 50.0


def test_without_a_baseline_no_value_is_learnt():
    module = reinforce(baseline=False)
    output = module.loss(make_steps(module))
    output.loss.backward()
    assert all(parameter.grad is None for parameter in module.network.value.parameters())
    assert "value_loss" not in output.metrics


@pytest.mark.parametrize("make", [reinforce, a2c, ppo])
@pytest.mark.parametrize("spec", [SPEC, CONTROL, BOTH])
def test_evaluation_is_greedy_where_asked(make, spec):
    module, observation = make(spec, eval_greedy=True), torch.randn(6, 5)
    first, second = (module.act(observation, EVALUATE).action for _ in range(2))
    assert first.tolist() == second.tolist() == module.network(observation)[0].mode.tolist()
    assert module.act(observation).action.shape == (6, *spec.action_shape)
    assert module.act(observation).action.tolist() != module.act(observation, EXPLORE).action.tolist()


@pytest.mark.parametrize("make", [reinforce, a2c, ppo])
@pytest.mark.parametrize("spec", [SPEC, CONTROL, BOTH])
def test_elsewhere_evaluation_draws_its_actions_and_none_of_those_of_training(make, spec):
    first, second = (make(spec, eval_greedy=False) for _ in range(2))
    second.load_state_dict(first.state_dict())
    observation = torch.randn(40, 5)
    first.on_validation_start()
    evaluated = [first.act(observation, EVALUATE).action.tolist() for _ in range(2)]
    assert evaluated[0] != evaluated[1]
    assert first.act(observation).action.tolist() == second.act(observation).action.tolist()


def test_pqn_explores_by_another_epsilon_than_it_is_evaluated_by():
    module, observation = pqn(), torch.randn(200, 5)
    greedy = module.online_network(observation).argmax(dim=-1).tolist()
    assert module.act(observation, EVALUATE).action.tolist() == greedy
    assert module.act(observation).action.tolist() != greedy
    module.env_steps = 50
    assert module.epsilon == pytest.approx(0.55)


def test_observations_are_counted_after_the_updates_of_their_turn():
    module = ppo(normalize_observations=True)
    rollout = make_rollout(module)
    with torch.no_grad():
        output = module.loss(module.targets(rollout))
    assert float(output.metrics["approximate_kl"].detach()) == pytest.approx(0, abs=1e-6)
    module.after_turn(rollout)
    assert module.network.normalization.count == 28
    torch.testing.assert_close(module.network.normalization.mean.float(), rollout.observation.flatten(0, 1).mean(0))


def test_the_entropy_bonus_of_ppo_falls_with_env_steps():
    module = ppo(entropy_coef=0.4, entropy_coef_end=0.1, entropy_coef_decay_env_steps=100)
    steps, losses = make_steps(module), []
    for module.env_steps, coef in ((0, 0.4), (50, 0.25), (100, 0.1), (1000, 0.1)):
        assert module.entropy_coef_now == pytest.approx(coef)
        with torch.no_grad():
            output = module.loss(steps)
        losses.append(float(output.loss) + coef * float(output.metrics["entropy"]))
    assert losses == pytest.approx([losses[0]] * 4, rel=1e-5)
    assert float(output.metrics["entropy"]) > 0.5


def masked(make):
    """Make a module that values action 2 most wherever it is not allowed, which is everywhere."""
    parts = ObservationParts((5,), 3)
    module = make(EnvSpec("masked", "none", (8,), "float32", num_actions=3, parts=parts))
    for network in (module.online_network, getattr(module, "target_network", module.online_network)):
        with torch.no_grad():
            network.head.q_values.bias += torch.tensor([0.0, 1.0, 100.0])
    return module


def with_mask(seen):
    return torch.cat([seen, torch.tensor([1.0, 1.0, 0.0]).expand(*seen.shape[:-1], 3)], dim=-1)


@pytest.mark.parametrize("double_q", [False, True])
def test_what_is_not_allowed_counts_in_no_target_of_dqn(double_q):
    module = masked(lambda spec: DQN(spec, **DQN_SETTINGS | {"double_q": double_q}))
    seen = with_mask(torch.randn(6, 5))
    transition = Transition(seen, torch.zeros(6, dtype=torch.int64), torch.ones(6), torch.full((6,), 0.9), seen)
    output = module.loss(Minibatch(transition, torch.ones(6)))
    with torch.no_grad():
        q_values = module.target_network(seen)
        expected = 1.0 + 0.9 * q_values[:, :2].amax(dim=1) - module.online_network(seen)[:, 0]
    torch.testing.assert_close(output.priorities.detach(), expected.abs())
    assert float(output.priorities.max()) < 10


def test_what_is_not_allowed_counts_in_no_target_of_pqn():
    module = masked(lambda spec: pqn(spec, q_lambda=0.0))
    rollout = make_rollout(module)
    seen, after = (with_mask(one[..., :5]) for one in (rollout.observation, rollout.next_observation))
    with torch.no_grad():
        outputs = [module.act(one) for one in seen]
        extras = {name: torch.stack([output.extras[name] for output in outputs]) for name in outputs[0].extras}
        rollout = rollout._replace(observation=seen, next_observation=after, extras=extras)
        targets = module.targets(rollout).target.view(7, 4)
        value = module.online_network(rollout.next_observation.flatten(0, 1))[:, :2].amax(dim=1).view(7, 4)
    torch.testing.assert_close(targets, rollout.reward + rollout.discount * value)
