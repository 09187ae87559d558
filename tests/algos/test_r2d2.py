"""What R2D2 reads, learns from and minimises, beside a slow reference."""

import pytest
import torch

from tests.fakes import ScriptedGame, random_script
from triptych.algos.r2d2 import R2D2
from triptych.collect.collector import Collector
from triptych.functional.supports import compress, expand
from triptych.replay.sequences import SequenceBuffer
from triptych.types import EVALUATE, ConfigurationError, EnvSpec, Minibatch, StoredSequence

SPEC = EnvSpec("vector", "none", (5,), "float32", num_actions=3)
P, U, N, B = 3, 5, 2, 4


def r2d2(spec=SPEC, **settings):
    arguments = {
        "seed": 0, "learning_rate": 1e-3, "adam_epsilon": 1e-8, "max_grad_norm": 10.0, "memory_units": 6,
        "burn_in_steps": P, "double_q": True, "dueling": True, "value_rescaling": True, "priority_max_fraction": 0.9,
        "td_loss": "squared", "target_update_period_updates": 10, "epsilon_start": 0.5, "epsilon_end": 0.5,
        "epsilon_decay_env_steps": 0, "eval_epsilon": 0.0, "weight_average_decay": 0.5,
    }  # fmt: skip
    return R2D2(spec, **arguments | settings)


def make_minibatch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    is_known = torch.rand(B, U, generator=generator) < 0.7
    is_known[:, 0] = True
    discount = torch.rand(B, U, generator=generator)
    sample = StoredSequence(
        observation=torch.randn(B, P + U + N, 5, generator=generator),
        is_first=torch.rand(B, P + U + N, generator=generator) < 0.2,
        hidden_state=torch.randn(B, 12, generator=generator),
        action=torch.randint(3, (B, U), generator=generator),
        reward=3 * torch.randn(B, U, generator=generator),
        discount=torch.where(discount < 0.2, 0.0, discount),
        num_steps=torch.randint(1, N + 1, (B, U), generator=generator),
        is_known=is_known,
    )
    return Minibatch(sample, torch.rand(B, generator=generator))


def one_by_one(network, sample, sequence):
    """Show a sequence row by row and return the values ``[L, A]`` after each."""
    state, values = sample.hidden_state[[sequence]], []
    for row in range(P + U + N):
        if sample.is_first[sequence, row]:
            state = torch.zeros_like(state)
        q_values, state = network.step(sample.observation[[sequence], row], state)
        values.append(q_values[0])
    return torch.stack(values)


@torch.no_grad()
def slow_errors(module, sample, sequence):
    online, target = (one_by_one(net, sample, sequence) for net in (module.online_network, module.target_network))
    errors = []
    for step in torch.flatten(sample.is_known[sequence].nonzero()).tolist():
        after = P + step + int(sample.num_steps[sequence, step])
        best = int((online if module.double_q else target)[after].argmax())
        value = target[after, best]
        value = expand(value) if module.value_rescaling else value
        goal = sample.reward[sequence, step] + sample.discount[sequence, step] * value
        goal = compress(goal) if module.value_rescaling else goal
        errors.append(float(goal - online[P + step, int(sample.action[sequence, step])]))
    return errors


@pytest.mark.parametrize("settings", [{}, {"double_q": False, "dueling": False}, {"value_rescaling": False}])
def test_the_loss_and_the_priorities_are_those_of_the_definition(settings):
    module, (sample, weight) = r2d2(**settings), make_minibatch()
    with torch.no_grad():
        for parameter in module.target_network.parameters():
            parameter.add_(0.1)
    output = module.loss(Minibatch(sample, weight))
    errors = [slow_errors(module, sample, sequence) for sequence in range(B)]
    halves = [float(weight[i]) * 0.5 * error**2 for i in range(B) for error in errors[i]]
    assert float(output.loss.detach()) == pytest.approx(sum(halves) / len(halves), rel=1e-4)
    sizes = [[abs(error) for error in one] for one in errors]
    expected = [0.9 * max(one) + 0.1 * sum(one) / len(one) for one in sizes]
    assert output.priorities.tolist() == pytest.approx(expected, rel=1e-4)


def test_no_gradient_goes_through_the_burn_in_or_from_what_is_not_known():
    module, (sample, weight) = r2d2(), make_minibatch()
    observation = sample.observation.clone().requires_grad_(True)
    module.loss(Minibatch(sample._replace(observation=observation), weight)).loss.backward()
    assert not observation.grad[:, :P].any()
    assert observation.grad[:, P].any()
    changed = sample._replace(reward=torch.where(sample.is_known, sample.reward, 1e3))
    losses = [float(module.loss(Minibatch(one, weight)).loss.detach()) for one in (sample, changed)]
    assert losses[0] == losses[1]


@torch.no_grad()
@pytest.mark.parametrize("is_image", [False, True])
def test_stored_state_and_burn_in_find_the_values_of_playing_again(is_image):
    game = ScriptedGame(random_script, 3, is_image=is_image)
    module, played = r2d2(game.spec), {}

    def key(observation):
        return tuple(observation.flatten().tolist())

    def act(observation):
        seen = torch.from_numpy(observation).clone()
        action, extras = module.act(seen)
        values, _ = module.online_network.step(seen, extras["hidden_state"])
        played.update({key(one): value for one, value in zip(seen, values, strict=True)})
        return action.numpy(), {"hidden_state": extras["hidden_state"].numpy()}

    def begin(is_first):
        module.begin_episodes(torch.from_numpy(is_first))

    collector = Collector(game, act, 0, begin_episodes=begin)
    buffer = SequenceBuffer(
        game.spec, 3, capacity_env_steps=150, burn_in_steps=P, sequence_steps=U, n_step=N, discount=0.9, seed=0,
        state_size=module.hidden_states.size,
    )  # fmt: skip
    for _ in range(120):
        buffer.add(collector.receive()[0])
    sample, states = buffer.sample(60, 0).sample, 0
    values = module._q_values(module.online_network, sample).transpose(0, 1)  # [B, U + n, A]
    for sequence, step in sample.is_known.nonzero().tolist():
        torch.testing.assert_close(
            values[sequence, step], played[key(sample.observation[sequence, P + step])], atol=1e-5, rtol=1e-4
        )
        states += bool(sample.hidden_state[sequence].any())
    assert states > 20


def test_it_is_for_discrete_actions():
    with pytest.raises(ConfigurationError, match=r"R2D2 chooses among discrete actions"):
        R2D2.check(EnvSpec("control", "none", (5,), "float32", None, (2,), (-1.0, -2.0), (1.0, 2.0)))


def test_evaluation_remembers_by_the_network_that_plays_it():
    module = r2d2()
    with torch.no_grad():
        for parameter in module.average_network.network.parameters():
            parameter.add_(0.2)
    observation = torch.randn(4, 6, 5)
    for mode in ("explore", EVALUATE):
        module.begin_episodes(torch.ones(6, dtype=torch.bool), mode)
    for time in range(4):
        module.act(observation[time])
        action, extras = module.act(observation[time], EVALUATE)
    nowhere = torch.zeros(4, 6, dtype=torch.bool)
    values = module.average_network(observation, torch.zeros(6, 12), nowhere)
    assert action.tolist() == values[-1].argmax(dim=-1).tolist()
    other = r2d2()
    other.load_state_dict(module.state_dict())
    torch.testing.assert_close(other.act(observation[0]).extras, module.act(observation[0]).extras)
    assert extras["hidden_state"].abs().sum() > 0


def test_what_it_explains_are_returns():
    observation = 3 * torch.randn(4, 5)
    rescaled, plain = r2d2(), r2d2(value_rescaling=False)
    with torch.no_grad():
        for parameter in rescaled.average_network.network.head.parameters():
            parameter.mul_(10.0).add_(1.0)
    plain.average_network.load_state_dict(rescaled.average_network.state_dict())
    explanations = []
    for module in (rescaled, plain):
        module.on_test_start()
        explanations.append(module.explain(observation))
    torch.testing.assert_close(explanations[0].q_values, expand(explanations[1].q_values))
    torch.testing.assert_close(explanations[0].value, explanations[0].q_values.amax(dim=-1))
    assert float(explanations[1].q_values.abs().max()) > 1
