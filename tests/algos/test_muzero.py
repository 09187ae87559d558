"""What MuZero does with a segment, beside a slow reference, and how it acts."""

import pytest
import torch

import triptych.algos.muzero as room
from triptych.algos.muzero import WITHOUT_SEARCH, MuZero
from triptych.functional.supports import compress, compressed_two_hot, expand
from triptych.types import EVALUATE, EXPLORE, ConfigurationError, EnvSpec, Minibatch, Segment

SPEC = EnvSpec("vector", "none", (5,), "float32", num_actions=3)
B, U, N = 4, 2, 3
L = U + N


SETTINGS = {
    "seed": 0, "learning_rate": 1e-3, "adam_epsilon": 1e-8, "max_grad_norm": 5.0, "num_simulations": 8,
    "search": "gumbel", "max_num_considered_actions": 3, "dirichlet_alpha": 0.3, "dirichlet_fraction": 0.25,
    "temperature_start": 1.0, "temperature_end": 0.25, "temperature_decay_env_steps": 100, "discount": 0.9,
    "n_step": N, "value_support_limit": 10.0, "num_value_bins": 21,
    "reward_support_limit": 5.0, "num_reward_bins": 11, "representation": "nature",
    "value_coef": 0.25, "reward_coef": 1.0, "unroll_steps": U, "num_observations": L + 1, "consistency_coef": 0.0,
    "value_prefix": False, "reanalyse_fraction": 0.0, "augmentation": False,
}  # fmt: skip


def make(**settings):
    return MuZero(SPEC, **SETTINGS | settings)


def with_opinions(module, seed=0):
    """Move the heads away from the zeros that they start at."""
    torch.manual_seed(seed)
    for head in (module.model.policy, module.model.value, module.model.reward.head):
        torch.nn.init.normal_(head.out.weight, std=0.5)
    return module


def make_minibatch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(B, U + 1, 3, generator=generator)
    segment = Segment(
        observation=torch.randn(B, L + 1, 5, generator=generator),
        action=torch.randint(3, (B, U), generator=generator),
        reward=torch.randn(B, L, generator=generator),
        discount=torch.full((B, L), 0.9),
        value=torch.randn(B, L + 1, generator=generator),
        action_weights=weights / weights.sum(dim=-1, keepdim=True),
        is_step=torch.arange(L + 1) < torch.tensor([[L + 1], [2], [1], [1]]),
        is_known=torch.tensor([[1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 0, 0]]).bool(),
    )
    return Minibatch(segment, torch.tensor([1.0, 0.5, 0.25, 2.0]))


def cross_entropy(logits, probs):
    log_probs = torch.log_softmax(logits, dim=-1)
    return -sum(float(p) * float(q) for p, q in zip(probs, log_probs, strict=True))


@torch.no_grad()
def slow_loss(module, minibatch):
    """Add up row by row and step by step."""
    segment, weight = minibatch
    total = 0.0
    for row in range(B):
        state = module.model.represent(segment.observation[row, :1])
        memory, reward_so_far, loss = module.model.reward.initial_memory(state), 0.0, 0.0
        for step in range(U + 1):
            share = 1.0 if step == 0 else 1 / U
            if step:
                state, reward_features = module.model.step(state, segment.action[row, [step - 1]])
                reward_logits, memory = module.model.reward(reward_features, memory)
                reward_so_far = segment.reward[row, step - 1] + (reward_so_far if module.value_prefix else 0.0)
                if segment.is_known[row, step - 1]:
                    reward = compressed_two_hot(reward_so_far, module.reward_support)
                    loss += share * cross_entropy(reward_logits[0], reward)
            policy_logits, value_logits = module.model.predict(state)
            if segment.is_step[row, step]:
                loss += share * cross_entropy(policy_logits[0], segment.action_weights[row, step])
            if segment.is_known[row, step]:
                returns = float(segment.value[row, step + N])
                for time in reversed(range(step, step + N)):
                    returns = float(segment.reward[row, time]) + float(segment.discount[row, time]) * returns
                target = compressed_two_hot(torch.tensor(returns), module.value_support)
                loss += share * 0.25 * cross_entropy(value_logits[0], target)
        total += float(weight[row]) * loss / B
    return total


@pytest.mark.parametrize("value_prefix", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_the_loss_equals_a_slow_sum(seed, value_prefix):
    module = with_opinions(make(value_prefix=value_prefix), seed)
    minibatch = make_minibatch(seed)
    assert float(module.loss(minibatch).loss.detach()) == pytest.approx(slow_loss(module, minibatch), rel=1e-4)


def test_priorities_are_the_errors_of_the_root_value():
    module, minibatch = with_opinions(make()), make_minibatch()
    output, segment = module.loss(minibatch), minibatch.sample
    with torch.no_grad():
        logits = module.model.predict(module.model.represent(segment.observation[:, 0])).value_logits
        value = expand((logits.softmax(dim=-1) * module.value_support).sum(dim=-1))
    assert value.abs().min() > 1e-3
    for row in range(B):
        returns = float(segment.value[row, N])
        for time in reversed(range(N)):
            returns = float(segment.reward[row, time]) + 0.9 * returns
        assert float(output.priorities[row]) == pytest.approx(abs(float(value[row]) - returns), abs=1e-4)


def test_the_gradient_is_halved_at_each_step_of_the_dynamics():
    def norm_of(step_of_interest):
        module = with_opinions(make(value_coef=0.0, reward_coef=0.0))
        minibatch = make_minibatch()
        is_step = torch.zeros(B, L + 1, dtype=torch.bool)
        is_step[:, step_of_interest] = True
        captured = []
        represent = module.model.represent

        def keep(observation):
            captured.append(represent(observation).detach().requires_grad_())
            return captured[0]

        module.model.represent = keep
        module.loss(Minibatch(minibatch.sample._replace(is_step=is_step), torch.ones(B))).loss.backward()
        return module, captured[0]

    module, state = norm_of(1)
    segment = make_minibatch().sample
    plain = state.detach().clone().requires_grad_()
    next_state, _ = module.model.step(plain, segment.action[:, 0])
    log_probs = torch.log_softmax(module.model.predict(next_state).policy_logits, dim=-1)
    (-(segment.action_weights[:, 1] * log_probs).sum(dim=-1) / U).mean().backward()
    torch.testing.assert_close(state.grad, 0.5 * plain.grad)


@pytest.mark.parametrize(("limit", "largest"), [(5.0, 34.586), (10.0, 117.43)])
def test_the_largest_reward_and_value_are_those_at_the_ends_of_the_supports(limit, largest):
    module = make(reward_support_limit=limit, value_support_limit=2 * limit)
    assert module.largest_reward == pytest.approx(largest, rel=1e-3)
    assert compress(torch.tensor([module.largest_reward, module.largest_value])).tolist() == pytest.approx(
        [limit, 2 * limit]
    )
    for name, support in (("largest_reward", module.reward_support), ("largest_value", module.value_support)):
        probs = compressed_two_hot(torch.tensor([-getattr(module, name), getattr(module, name)]), support)
        assert probs[0, 0] == pytest.approx(1, abs=1e-4)
        assert probs[1, -1] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("search", ["gumbel", "puct"])
def test_acting_gives_what_the_replay_wants(search):
    module = with_opinions(make(search=search))
    output = module.act(torch.randn(6, 5))
    assert output.action.shape == (6,)
    assert output.extras["value"].shape == (6,)
    assert output.extras["action_weights"].shape == (6, 3)
    torch.testing.assert_close(output.extras["action_weights"].sum(dim=-1), torch.ones(6))


@pytest.mark.parametrize("search", ["gumbel", "puct"])
def test_evaluation_is_repeatable_and_training_explores(search):
    observation = torch.randn(40, 5)
    module = with_opinions(make(search=search))
    explored = {tuple(module.act(observation, EXPLORE).action.tolist()) for _ in range(4)}
    assert len(explored) > 1
    assert tuple(module.act(observation).action.tolist()) != tuple(module.act(observation).action.tolist())
    evaluated = {tuple(module.act(observation, EVALUATE).action.tolist()) for _ in range(4)}
    assert len(evaluated) == 1


def test_the_temperature_falls_with_env_steps_and_is_none_in_evaluation():
    module = make(search="puct")
    for env_steps, temperature in ((0, 1.0), (50, 0.625), (100, 0.25), (1000, 0.25)):
        module.env_steps = env_steps
        assert module.temperature(EXPLORE) == pytest.approx(temperature)
        assert module.temperature(EVALUATE) == module.temperature(WITHOUT_SEARCH) == 0.0


def test_without_search_the_prior_acts():
    module = make(num_simulations=16)
    torch.nn.init.normal_(module.model.policy.out.weight, std=0.02)  # a prior that a search can change
    torch.nn.init.normal_(module.model.reward.head.out.weight, std=0.5)
    observation = torch.randn(40, 5)
    prior = module.model.predict(module.model.represent(observation)).policy_logits.argmax(dim=-1)
    assert MuZero.evaluation_modes == (EVALUATE, WITHOUT_SEARCH)
    assert module.act(observation, WITHOUT_SEARCH).action.tolist() == prior.tolist()
    assert module.act(observation, EVALUATE).action.tolist() != prior.tolist()


def test_a_model_of_a_better_world_is_followed():
    module = make(num_simulations=16)

    def tell(features, memory):  # action 2 is paid, and only the dynamics know it
        logits = torch.zeros(len(features), 11)
        logits[:, 5] = 20.0
        is_paid = features[:, 0] == 2
        logits[is_paid, 5], logits[is_paid, 7] = 0.0, 20.0
        return logits, ()

    module.model.step = lambda state, action: (state, action[:, None].float())
    module.model.reward.forward = tell
    assert module.act(torch.randn(5, 5), EVALUATE).action.tolist() == [2] * 5


def test_too_few_observations_for_an_option_are_refused():
    with pytest.raises(ConfigurationError, match=r"num_observations=2 .*consistency_coef=2 .* carries 3"):
        make(consistency_coef=2.0, num_observations=2)
    with pytest.raises(ConfigurationError, match=r"num_observations=5 .*reanalyse_fraction=0.5 .* carries 6"):
        make(reanalyse_fraction=0.5, num_observations=5)
    with pytest.raises(ConfigurationError, match=r"num_observations=7 .* carries 1"):
        make(num_observations=7)


def test_a_value_prefix_learns_sums_and_the_search_takes_them_apart():
    module = make(value_prefix=True, unroll_steps=3, num_simulations=4)
    told = iter([1.0, 3.0, 6.0, 10.0, 15.0])
    totals = {}

    def tell_exactly(features, memory):
        logits = torch.zeros(len(features), 11)
        totals[id(logits)] = torch.full((len(features),), next(told))
        kept.append(logits)
        return logits, memory

    kept, original = [], room.scalar_of
    room.scalar_of = lambda logits, support: totals.get(id(logits), torch.zeros(len(logits)))
    try:
        module.model.reward.forward = tell_exactly
        state = (
            torch.rand(2, 64),
            *module.model.reward.initial_memory(torch.rand(2, 64)),
            torch.zeros(2),
            torch.zeros(2),
        )
        rewards = []
        for _ in range(5):
            output, state = module._imagine(torch.tensor([0, 1]), state)
            rewards.append(output.reward.tolist())
    finally:
        room.scalar_of = original
    # Differences of 1, 3, 6, then from 0 again: sums start anew after three steps.
    assert rewards == [[1, 1], [2, 2], [3, 3], [10, 10], [5, 5]]


def test_reanalysis_replaces_what_was_searched_and_nothing_else():
    module = with_opinions(make(reanalyse_fraction=0.5))
    before = make_minibatch().sample
    after = module._reanalyse(before)
    assert after.value[2:].tolist() == before.value[2:].tolist()
    assert after.action_weights[2:].tolist() == before.action_weights[2:].tolist()
    searched = before.is_step[:2]
    assert (after.value[:2][searched] != before.value[:2][searched]).all()
    # The second one is cut after two steps; it is a truncation, so what was seen then is worth what it is now.
    seen = module.plan(before.observation[1, [2]], module.num_simulations).search_tree.summary().value
    torch.testing.assert_close(after.value[1, 2:], seen.expand(L - 1), atol=0.3, rtol=0)
    assert after.value[1, 2:].unique().numel() == 1
    torch.testing.assert_close(after.action_weights[:2].sum(dim=-1), torch.ones(2, U + 1))
    assert (after.action_weights[:2] != before.action_weights[:2]).any()


def test_consistency_pulls_imagined_states_towards_those_seen():
    module = with_opinions(make(consistency_coef=2.0))
    minibatch = make_minibatch()
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    losses = []
    for _ in range(60):
        output = module.loss(minibatch)
        losses.append(float(output.metrics["consistency_loss"].detach()))
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
    assert losses[-1] < losses[0] - 0.1
    assert losses[-1] >= -1.0


def test_what_was_seen_is_taken_as_given_by_consistency_and_counts_where_a_step_was_played():
    module, minibatch = with_opinions(make(consistency_coef=2.0, value_coef=0.0, reward_coef=0.0)), make_minibatch()
    represent, states = module.model.represent, []

    def keep(observation):
        states.append(represent(observation).detach().requires_grad_())
        return states[-1]

    module.model.represent = keep
    module.loss(minibatch).metrics["consistency_loss"].backward()
    root, seen = states
    assert root.grad[:2].any()
    assert not root.grad[2:].any()  # of which nothing was played beyond the root
    assert seen.grad is None


def test_augmentation_is_for_images_only():
    images = EnvSpec("images", "none", (2, 10, 10), "uint8", num_actions=3)
    segment = make_minibatch().sample
    assert torch.equal(make(augmentation=True)._augment(segment).observation, segment.observation[:, : U + 1])
    module = MuZero(images, **SETTINGS | {"augmentation": True})
    shown = torch.randint(256, (B, L + 1, 2, 10, 10), dtype=torch.uint8)
    plain = MuZero(images, **SETTINGS)._augment(segment._replace(observation=shown))
    assert torch.equal(plain.observation, shown[:, : U + 1])
    prepared = module._augment(segment._replace(observation=shown))
    assert prepared.observation.shape == (B, U + 1, 2, 10, 10)
    assert prepared.observation.dtype == torch.uint8
    assert not torch.equal(prepared.observation, shown[:, : U + 1])


def test_a_terminated_segment_is_worth_nothing_beyond_its_end_after_reanalysis_too():
    module = with_opinions(make(reanalyse_fraction=1.0))
    segment = make_minibatch().sample
    discount, value = segment.discount.clone(), segment.value.clone()
    discount[1, 1], discount[1, 2:], value[1, 2:] = 0.0, 1.0, 0.0
    after = module._reanalyse(segment._replace(discount=discount, value=value))
    assert not after.value[1, 2:].any()
    assert after.value[1, :2].all()


@pytest.mark.parametrize("spec", [SPEC, EnvSpec("pong", "nature", (4, 84, 84), "uint8", num_actions=6)])
@pytest.mark.parametrize("value_prefix", [False, True])
def test_a_search_stays_in_single_precision_under_autocast(spec, value_prefix):
    module = MuZero(spec, **SETTINGS | {"value_prefix": value_prefix, "discount": 0.997})
    torch.nn.init.normal_(module.model.value.out.weight if spec is SPEC else module.model.value.head.out.weight)
    images = torch.randint(256, (3, *spec.observation_shape), dtype=torch.uint8)
    observation = images if spec.is_image else images.float()
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
        tree = module.plan(observation, 4).search_tree
    for name in ("node_values", "children_rewards", "children_discounts"):
        assert getattr(tree, name).dtype == torch.float32
    visited = tree.children_index >= 0
    assert tree.children_discounts[visited].unique().tolist() == [pytest.approx(0.997, abs=1e-6)]
    values = tree.raw_values
    assert not torch.equal(values, values.bfloat16().float())
    assert all(part.dtype == torch.float32 for part in tree.embeddings)
