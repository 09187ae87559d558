"""What recurrent PPO remembers while it plays and while it learns."""

import pytest
import torch

from tests.algos.test_on_policy import BOTH, CONTROL, POLICY, SPEC
from triptych.algos.recurrent_ppo import RecurrentPPO
from triptych.types import EVALUATE, EXPLORE, EnvSpec, Rollout

PIXELS = EnvSpec("pixels", "none", (1, 10, 10), "uint8", num_actions=3)


def recurrent_ppo(spec=SPEC, **settings):
    own = {"memory_units": 6, "gae_lambda": 0.9, "clip_range": 0.2, "value_clip_range": None}
    return RecurrentPPO(spec, **own | POLICY | settings)


def observations(spec, *leading, seed=0):
    generator = torch.Generator().manual_seed(seed)
    if spec.is_image:
        return torch.randint(256, (*leading, *spec.observation_shape), generator=generator, dtype=torch.uint8)
    return torch.randn(*leading, *spec.observation_shape, generator=generator)


@torch.no_grad()
def play(module, length=9, num_envs=4, seed=0):
    """Play random numbers; episodes end at random, half of them by truncation, and now and then a life is lost."""
    generator = torch.Generator().manual_seed(seed)
    observation = observations(module.spec, length + 1, num_envs, seed=seed)
    is_over, is_terminal, is_life = torch.rand(3, length, num_envs, generator=generator) < 0.3
    next_observation = observation[1:].clone()
    next_observation[is_over] = observations(module.spec, int(is_over.sum()), seed=seed + 1)
    is_first, outputs = torch.ones(num_envs, dtype=torch.bool), []
    firsts = []
    for time in range(length):
        if is_first.any():
            module.begin_episodes(is_first)
        outputs.append(module.act(observation[time]))
        firsts.append(is_first)
        is_first = is_over[time]
    return Rollout(
        observation=observation[:-1],
        action=torch.stack([output.action for output in outputs]),
        reward=torch.randn(length, num_envs, generator=generator),
        discount=torch.where((is_over & is_terminal) | (is_life & ~is_over), 0.0, 0.9),
        is_last=is_over | is_life,
        next_observation=next_observation,
        extras={name: torch.stack([output.extras[name] for output in outputs]) for name in outputs[0].extras},
        rows=torch.arange(num_envs)[None],
        env_steps=length * num_envs,
        is_first=torch.stack(firsts),
    )


@torch.no_grad()
def value_of(module, episode):
    """Return the value after an episode's observations ``[T, ...]``, shown one by one from its beginning."""
    module.begin_episodes(torch.ones(1, dtype=torch.bool), "evaluate_value")
    return float([module.act(one[None], "evaluate_value").extras["value"] for one in episode][-1])


@pytest.mark.parametrize("spec", [SPEC, CONTROL, BOTH, PIXELS], ids=lambda spec: spec.name)
def test_the_parameters_that_played_give_the_probabilities_and_values_of_playing(spec):
    module = recurrent_ppo(spec)
    play(module)
    rollout = play(module, seed=5)  # which begins anew
    with torch.no_grad():
        steps = module.targets(rollout)
        for columns in (torch.arange(4), torch.tensor([2]), torch.tensor([3, 1])):
            minibatch = steps.at(columns)
            output = module.loss(minibatch)
            assert float(output.metrics["approximate_kl"]) == pytest.approx(0, abs=1e-6)
            _, value = module.network(minibatch.observation, minibatch.extras["hidden_state"][0], minibatch.is_first)
            torch.testing.assert_close(value, minibatch.extras["value"].flatten())


def test_a_rollout_begins_with_what_was_remembered_of_the_one_before():
    module = recurrent_ppo()
    whole = play(module, length=10, num_envs=3)
    later = Rollout(*(field[4:] if isinstance(field, torch.Tensor) else field for field in whole[:6]),
                    {name: value[4:] for name, value in whole.extras.items()}, whole.rows, 18,
                    whole.is_first[4:])  # fmt: skip
    assert later.extras["hidden_state"][0].abs().sum() > 0
    with torch.no_grad():
        assert float(module.loss(module.targets(later)).metrics["approximate_kl"]) == pytest.approx(0, abs=1e-6)
        forgotten = later._replace(extras=later.extras | {"hidden_state": 0 * later.extras["hidden_state"]})
        assert float(module.loss(module.targets(forgotten)).metrics["approximate_kl"]) > 1e-9


def test_the_value_at_a_cut_is_of_all_that_its_episode_has_shown_and_of_nothing_else():
    module = recurrent_ppo(gae_lambda=0.0)  # targets of one step show the value of the next observation
    rollout = play(module, length=12)
    target = module.targets(rollout).target.detach()
    assert int((rollout.is_last & (rollout.discount > 0)).sum()) > 0
    for env in range(4):
        start = 0
        for time in range(12):
            if rollout.is_first[time, env]:
                start = time
            shown = [*rollout.observation[start : time + 1, env], rollout.next_observation[time, env]]
            next_value = value_of(module, torch.stack(shown))
            expected = float(rollout.reward[time, env] + rollout.discount[time, env] * next_value)
            assert float(target[time, env]) == pytest.approx(expected, abs=1e-5)


def test_an_episode_is_learned_from_as_if_nothing_had_come_before():
    module = recurrent_ppo()
    rollout = play(module, num_envs=2)
    minibatch = module.targets(rollout)
    is_first = minibatch.is_first.clone()
    is_first[4] = True
    other = minibatch.observation.clone()
    other[:4] = observations(SPEC, 4, 2, seed=9)
    state = minibatch.extras["hidden_state"][0]
    with torch.no_grad():
        _, one = module.network(minibatch.observation, state, is_first)
        _, two = module.network(other, state + 1.0, is_first)
    torch.testing.assert_close(one[8:], two[8:])
    assert (one[:8] != two[:8]).any()


def test_ways_of_playing_remember_apart_and_evaluations_may_have_any_number_of_environments():
    module, alone = recurrent_ppo(eval_greedy=True), recurrent_ppo(eval_greedy=True)
    alone.load_state_dict(module.state_dict())
    observation = observations(SPEC, 6, 4)
    for each in (module, alone):
        each.begin_episodes(torch.ones(4, dtype=torch.bool))
    for time in range(6):
        if time in (2, 4):  # an evaluation in between, of fewer and of more environments
            num_envs = {2: 3, 4: 5}[time]
            module.begin_episodes(torch.ones(num_envs, dtype=torch.bool), EVALUATE)
            for _ in range(3):
                found = module.act(observations(SPEC, num_envs, seed=3), EVALUATE)
        one, two = module.act(observation[time], EXPLORE), alone.act(observation[time], EXPLORE)
        torch.testing.assert_close(one.extras, two.extras)
    assert found.action.shape == (5,)
    module.begin_episodes(torch.tensor([False, True, False, True, False]), EVALUATE)
    state = module.act(observations(SPEC, 5), EVALUATE).extras["hidden_state"]
    assert [bool(one.any()) for one in state] == [True, False, True, False, True]


def test_a_checkpoint_holds_what_is_remembered_of_the_games_that_run():
    module, other = recurrent_ppo(), recurrent_ppo()
    observation = observations(SPEC, 3, 4)
    module.begin_episodes(torch.ones(4, dtype=torch.bool))
    for time in range(2):
        module.act(observation[time])
        module.act(observation[time], EVALUATE)
    other.load_state_dict(module.state_dict())
    torch.testing.assert_close(other.act(observation[2]).extras, module.act(observation[2]).extras)
    assert set(module.hidden_states.state_dict()) == {EXPLORE}
