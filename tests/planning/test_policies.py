import json
import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.planning import reference
from tests.planning.cases import search
from triptych import planning
from triptych.types import ConfigurationError

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))
POLICIES = ["muzero_policy", "gumbel_muzero_policy"]


def make_case(
    seed,
    *,
    policy="gumbel_muzero_policy",
    qtransform=("qtransform_completed_by_mix_value", {}),
    batch_size=4,
    num_actions=5,
    num_simulations=20,
    **keywords,
):
    rng = np.random.default_rng(seed)
    num_states = 30
    shape = (num_states, num_actions)
    ranks = rng.random((batch_size, num_actions)).argsort(axis=1)

    def normal(*size):
        return rng.standard_normal(size).astype(np.float32).tolist()

    return {
        "policy": policy,
        "qtransform": qtransform,
        "num_simulations": num_simulations,
        "keywords": keywords,
        "invalid_actions": (ranks >= rng.integers(1, num_actions + 1, size=(batch_size, 1))).tolist(),
        "noise": (
            rng.dirichlet(np.full(num_actions, 0.5), batch_size)
            if policy == "muzero_policy"
            else rng.gumbel(size=(batch_size, num_actions))
        )
        .astype(np.float32)
        .tolist(),
        "root_state": rng.integers(num_states, size=batch_size).tolist(),
        "next_state": rng.integers(num_states, size=shape).tolist(),
        "reward": normal(*shape),
        "discount": rng.choice([0.97, -1.0, 0.0], p=[0.6, 0.2, 0.2], size=shape).tolist(),
        "prior_logits": normal(*shape),
        "value": normal(num_states),
    }


def rows(case, index):
    """Return the case of only some of its roots."""
    part = {name: [case[name][i] for i in index] for name in ("invalid_actions", "noise", "root_state")}
    return {**case, **part}


def call(policy, **changes):
    """Search from three roots with five actions; ``changes`` replace arguments."""
    arguments = {
        "root": planning.RootOutput(torch.zeros(3, 5), torch.zeros(3), torch.zeros(3, 2)),
        "recurrent_fn": constant_model,
        "num_simulations": 4,
        **changes,
    }
    return getattr(planning, policy)(**arguments)


def constant_model(action, embedding):
    zeros = torch.zeros(len(action))
    return planning.RecurrentOutput(zeros, zeros + 1, torch.zeros(len(action), 5), zeros), embedding


# --- what mctx answered ---


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_equals_mctx(path):
    case = json.loads(path.read_text())
    output, answer = search(case), case["answer"]
    summary = output.search_tree.summary()
    assert summary.visit_counts.tolist() == answer["visit_counts"]
    assert output.action.tolist() == answer["action"]
    close = partial(torch.testing.assert_close, rtol=0)
    close(output.action_weights, torch.tensor(answer["action_weights"]), atol=1e-5)
    close(summary.q_values, torch.tensor(answer["q_values"]), atol=1e-4)
    close(summary.value, torch.tensor(answer["value"]), atol=1e-4)


def test_the_golden_cases_cover_the_settings():
    cases = [json.loads(path.read_text()) for path in GOLDEN]
    assert {case["policy"] for case in cases} == set(POLICIES)
    assert {case["qtransform"][0] for case in cases} == set(reference.QTRANSFORMS)
    assert {1, 200} <= {case["num_simulations"] for case in cases}
    assert {0.0, -1.0, 0.97} <= {discount for case in cases for row in case["discount"] for discount in row}
    masked_for_two = [
        case for case in cases if case["invalid_actions"] and any(-1.0 in row for row in case["discount"])
    ]
    assert {case["policy"] for case in masked_for_two} == set(POLICIES)
    assert any("max_depth" in case["keywords"] for case in cases)
    assert any(len({sum(row) for row in case["invalid_actions"]}) > 1 for case in cases if case["invalid_actions"])


# --- the slow reference ---


def reference_model(case):
    def model(state, action):
        following = case["next_state"][state][action]
        return (
            case["reward"][state][action],
            case["discount"][state][action],
            following,
            case["value"][following],
            case["prior_logits"][following],
        )

    return model


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("max_depth", [None, 2])
@pytest.mark.parametrize(
    "qtransform",
    [
        ("qtransform_by_parent_and_siblings", {}),
        ("qtransform_by_min_max", {"min_value": -4.0, "max_value": 4.0}),
        ("qtransform_completed_by_mix_value", {}),
        ("qtransform_completed_by_mix_value", {"use_mixed_value": False, "value_scale": 0.3}),
        ("qtransform_completed_by_mix_value", {"rescale_values": False, "maxvisit_init": 10.0}),
    ],
)
def test_gumbel_equals_the_slow_search(qtransform, max_depth, seed):
    case = make_case(seed, qtransform=qtransform, max_depth=max_depth, max_num_considered_actions=4)
    output = search(case)
    slow_transform = partial(reference.QTRANSFORMS[qtransform[0]], **qtransform[1])
    for i, state in enumerate(case["root_state"]):
        valid = [a for a in range(5) if not case["invalid_actions"][i][a]]
        highest = max(case["prior_logits"][state])
        logits = [x - highest if a in valid else -1e30 for a, x in enumerate(case["prior_logits"][state])]
        visits, action, weights = reference.search_gumbel(
            reference.Node(state, case["value"][state], logits),
            reference_model(case),
            case["num_simulations"],
            slow_transform,
            valid,
            case["noise"][i],
            max_depth,
            max_considered=4,
        )
        assert output.search_tree.summary().visit_counts[i].tolist() == visits
        assert int(output.action[i]) == action
        assert output.action_weights[i].tolist() == pytest.approx(weights, abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("max_depth", [None, 2])
@pytest.mark.parametrize(
    "qtransform",
    [
        ("qtransform_by_parent_and_siblings", {}),
        ("qtransform_by_min_max", {"min_value": -4.0, "max_value": 4.0}),
        ("qtransform_completed_by_mix_value", {"value_scale": 0.02}),
    ],
)
def test_muzero_equals_the_slow_search(qtransform, max_depth, seed):
    constants = {"pb_c_init": 1.5, "pb_c_base": 30.0}
    case = make_case(seed, policy="muzero_policy", qtransform=qtransform, max_depth=max_depth, **constants)
    output = search(case)
    slow_transform = partial(reference.QTRANSFORMS[qtransform[0]], **qtransform[1])
    for i, state in enumerate(case["root_state"]):
        valid = [a for a in range(5) if not case["invalid_actions"][i][a]]
        prior = reference.softmax(case["prior_logits"][state])
        noisy = [0.75 * p + 0.25 * n for p, n in zip(prior, case["noise"][i], strict=True)]
        logits = [math.log(p) if a in valid else -1e30 for a, p in enumerate(noisy)]
        root = reference.Node(state, case["value"][state], logits)
        visits = reference.search_puct(
            root, reference_model(case), case["num_simulations"], slow_transform, valid, max_depth, **constants
        )
        summary = output.search_tree.summary()
        assert summary.visit_counts[i].tolist() == visits
        assert float(summary.value[i]) == pytest.approx(root.value, abs=1e-5)
        assert output.action_weights[i].tolist() == pytest.approx([n / sum(visits) for n in visits])


# --- properties ---


@pytest.mark.parametrize("policy", POLICIES)
def test_a_root_is_searched_as_if_it_were_alone(policy):
    case = make_case(0, policy=policy, batch_size=6, num_simulations=30)
    together = search(case)
    for i in range(6):
        alone = search(rows(case, [i]))
        for name in ("node_visits", "node_values", "parents", "children_index", "children_visits", "children_q_values"):
            assert getattr(alone.search_tree, name)[0].equal(getattr(together.search_tree, name)[i])
        assert alone.action_weights[0].equal(together.action_weights[i])
        if policy == "gumbel_muzero_policy":
            assert alone.action[0] == together.action[i]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("num_simulations", [0, 1, 2, 7, 40])
def test_visits_sum_to_the_simulations_and_spare_invalid_actions(policy, num_simulations):
    case = make_case(1, policy=policy, batch_size=16, num_simulations=num_simulations)
    output = search(case)
    invalid = torch.tensor(case["invalid_actions"])
    visits = output.search_tree.summary().visit_counts
    assert (visits.sum(dim=-1) == num_simulations).all()
    assert (visits[invalid] == 0).all()
    assert (output.action_weights[invalid] == 0).all()
    torch.testing.assert_close(output.action_weights.sum(dim=-1), torch.ones(16))
    assert not invalid.gather(1, output.action[:, None]).any()


@pytest.mark.parametrize("policy", POLICIES)
def test_the_tree_is_consistent(policy):
    tree = search(make_case(2, policy=policy, num_simulations=30)).search_tree
    batch = torch.arange(4)
    for node in range(1, 31):
        parent, action = tree.parents[:, node].long(), tree.action_from_parent[:, node].long()
        assert (parent < node).all()
        assert (tree.children_index[batch, parent, action] == node).all()
        assert (tree.children_visits[batch, parent, action] == tree.node_visits[:, node]).all()
        q_value = (
            tree.children_rewards[batch, parent, action]
            + tree.children_discounts[batch, parent, action] * tree.node_values[:, node]
        )
        torch.testing.assert_close(tree.children_q_values[batch, parent, action], q_value)
    assert (tree.node_visits == 1 + tree.children_visits.sum(dim=-1)).all()
    assert ((tree.children_visits > 0) == (tree.children_index >= 0)).all()
    torch.testing.assert_close(tree.children_prior_probs, tree.children_prior_logits.softmax(dim=-1))


def test_embeddings_travel_from_parent_to_child():
    paths = torch.full((2, 9), -1)  # the actions that lead to a state, and in a tuple with it their number

    def model(action, embedding):
        path, length = embedding
        path = path.scatter(1, length[:, None], action[:, None])
        zeros = torch.zeros(2)
        return planning.RecurrentOutput(zeros, zeros + 1, torch.randn(2, 3), torch.randn(2)), (path, length + 1)

    root = planning.RootOutput(torch.randn(2, 3), torch.zeros(2), (paths, torch.zeros(2, dtype=torch.int64)))
    tree = planning.muzero_policy(root, model, 9).search_tree
    for i in range(2):
        for node in range(1, 10):
            path, at = [], node
            while at:
                path.insert(0, int(tree.action_from_parent[i, at]))
                at = int(tree.parents[i, at])
            assert tree.embeddings[0][i, node].tolist() == path + [-1] * (9 - len(path))
            assert int(tree.embeddings[1][i, node]) == len(path)


def test_max_depth_bounds_the_tree():
    tree = search(make_case(3, num_simulations=40, max_depth=2)).search_tree
    for i in range(4):
        for node in range(1, 41):
            parent = int(tree.parents[i, node])
            assert parent <= 0 or tree.parents[i, parent] == 0


@pytest.mark.parametrize("policy", POLICIES)
def test_the_model_is_asked_once_for_each_simulation(policy):
    batch_sizes = []

    def model(action, embedding):
        assert not torch.is_grad_enabled()
        batch_sizes.append(len(action))
        return constant_model(action, embedding)

    call(policy, recurrent_fn=model, num_simulations=7)
    assert batch_sizes == [3] * 7


@pytest.mark.parametrize("policy", POLICIES)
def test_equal_generators_give_equal_searches(policy):
    def found(seed):
        generator = torch.Generator().manual_seed(seed)
        root = planning.RootOutput(torch.zeros(50, 5), torch.zeros(50), torch.zeros(50, 1))
        output = call(policy, root=root, num_simulations=6, generator=generator)
        return output.action, output.search_tree.summary().visit_counts

    (action, visits), (same_action, same_visits), (other_action, _) = found(1), found(1), found(2)
    assert action.equal(same_action)
    assert visits.equal(same_visits)
    assert not action.equal(other_action)


@pytest.mark.parametrize("policy", POLICIES)
def test_without_simulations_it_acts_by_the_prior(policy):
    prior = torch.tensor([0.6, 0.3, 0.1])
    num = 20_000
    root = planning.RootOutput(prior.log().expand(num, 3), torch.zeros(num), torch.zeros(num, 1))
    keywords = {"dirichlet_fraction": 0.0} if policy == "muzero_policy" else {}
    output = call(policy, root=root, num_simulations=0, generator=torch.Generator().manual_seed(0), **keywords)
    torch.testing.assert_close(output.action_weights, prior.expand(num, 3))
    counts = torch.bincount(output.action, minlength=3)
    assert ((counts - num * prior).abs() <= 5 * (num * prior * (1 - prior)).sqrt()).all()


def test_temperature():
    logits = torch.tensor([[2.0, 1.0, 0.0]]).expand(20_000, 3)
    root = planning.RootOutput(logits, torch.zeros(20_000), torch.zeros(20_000, 1))
    noise = torch.zeros_like(logits)
    for temperature, expected in ((0.0, [1.0, 0.0, 0.0]), (0.5, (2 * logits[0]).softmax(dim=0).tolist())):
        output = planning.muzero_policy(
            root,
            constant_model,
            0,
            dirichlet_fraction=0.0,
            dirichlet_noise=noise,
            temperature=temperature,
            generator=torch.Generator().manual_seed(0),
        )
        assert (torch.bincount(output.action, minlength=3) / 20_000).tolist() == pytest.approx(expected, abs=0.02)


def test_what_was_never_visited_is_not_played_at_any_temperature():
    output = call(
        "muzero_policy",
        root=planning.RootOutput(
            torch.tensor([[9.0, 0.0, 0.0, 0.0, 0.0]]).expand(500, 5), torch.zeros(500), torch.zeros(500, 1)
        ),
        num_simulations=3,
        dirichlet_fraction=0.0,
        temperature=1000.0,
        generator=torch.Generator().manual_seed(0),
    )
    played = output.action_weights.gather(1, output.action[:, None])
    assert (output.action_weights == 0).any()
    assert (played > 0).all()


def test_temperature_zero_takes_any_of_equal_counts():
    output = call(
        "muzero_policy",
        root=planning.RootOutput(torch.zeros(300, 5), torch.zeros(300), torch.zeros(300, 1)),
        num_simulations=0,
        dirichlet_fraction=0.0,
        temperature=0.0,
        generator=torch.Generator().manual_seed(0),
    )
    assert set(output.action.tolist()) == {0, 1, 2, 3, 4}


def test_the_noise_is_as_described():
    root = planning.RootOutput(torch.zeros(4000, 5), torch.zeros(4000), torch.zeros(4000, 1))
    generator = torch.Generator().manual_seed(0)
    noise = call(
        "muzero_policy", root=root, num_simulations=0, dirichlet_fraction=1.0, dirichlet_alpha=0.3, generator=generator
    ).action_weights
    torch.testing.assert_close(noise.sum(dim=-1), torch.ones(4000))
    assert noise.mean(dim=0).tolist() == pytest.approx([0.2] * 5, abs=0.02)
    assert float(noise.var()) == pytest.approx(0.2 * 0.8 / (5 * 0.3 + 1), rel=0.05)


@pytest.mark.parametrize("num_valid", [1, 2, 4])
def test_the_noise_is_of_the_actions_that_are_allowed(num_valid):
    """Dirichlet(α) over n actions: the means are 1/n, the variances (n - 1) / (n² (nα + 1))."""
    num = 4000
    is_invalid = torch.arange(5).expand(num, 5) >= num_valid
    root = planning.RootOutput(torch.zeros(num, 5), torch.zeros(num), torch.zeros(num, 1))
    noise = call(
        "muzero_policy",
        root=root,
        invalid_actions=is_invalid,
        num_simulations=0,
        dirichlet_fraction=1.0,
        dirichlet_alpha=0.3,
        generator=torch.Generator().manual_seed(0),
    ).action_weights[:, :num_valid]
    assert noise.mean(dim=0).tolist() == pytest.approx([1 / num_valid] * num_valid, abs=0.02)
    variance = (num_valid - 1) / (num_valid**2 * (0.3 * num_valid + 1))
    assert float(noise.var()) == pytest.approx(variance, rel=0.05, abs=1e-6)


def test_an_action_beside_a_sure_one_gets_its_whole_share_of_noise():
    num = 4000
    logits = torch.tensor([[30.0, 0.0, 0.0, 0.0, 0.0]]).expand(num, 5)
    weights = call(
        "muzero_policy",
        root=planning.RootOutput(logits, torch.zeros(num), torch.zeros(num, 1)),
        invalid_actions=torch.arange(5).expand(num, 5) >= 2,
        num_simulations=0,
        dirichlet_fraction=0.25,
        generator=torch.Generator().manual_seed(0),
    ).action_weights
    assert float(weights[:, 1].mean()) == pytest.approx(0.125, abs=0.01)


def test_a_greater_value_is_found_behind_a_low_prior():
    def model(action, embedding):
        reward = (action == 2).float() * (embedding[:, 0] == 0)
        zeros = torch.zeros(len(action))
        return planning.RecurrentOutput(reward, zeros + 1, torch.zeros(len(action), 3), zeros), embedding + 1

    root = planning.RootOutput(torch.tensor([[2.0, 2.0, 0.0]]), torch.zeros(1), torch.zeros(1, 1))
    for policy in POLICIES:
        output = getattr(planning, policy)(root, model, 50, generator=torch.Generator().manual_seed(0))
        assert int(output.action_weights.argmax()) == 2


def test_half_precision_comes_in_and_single_goes_out():
    def model(action, embedding):
        output, embedding = constant_model(action, embedding)
        return planning.RecurrentOutput(*(tensor.bfloat16() for tensor in output)), embedding.float()

    root = planning.RootOutput(torch.zeros(3, 5).bfloat16(), torch.zeros(3).bfloat16(), torch.zeros(3, 2).bfloat16())
    output = call("gumbel_muzero_policy", root=root, recurrent_fn=model)
    assert output.action_weights.dtype == torch.float32
    assert output.search_tree.embeddings.dtype == torch.bfloat16


# --- bad input ---

BAD_ROOTS = {
    "prior_logits has shape": (torch.zeros(3, 5, 1), torch.zeros(3), torch.zeros(3, 2)),
    "prior_logits has shape .3, 0.": (torch.zeros(3, 0), torch.zeros(3), torch.zeros(3, 2)),
    "value has shape .3, 1.": (torch.zeros(3, 5), torch.zeros(3, 1), torch.zeros(3, 2)),
    "value has shape .1.": (torch.zeros(3, 5), torch.zeros(1), torch.zeros(3, 2)),
    "embedding has shape .2, 2.": (torch.zeros(3, 5), torch.zeros(3), (torch.zeros(3), torch.zeros(2, 2))),
    "prior_logits of root 1 are .*nan": (
        torch.zeros(3, 5).index_fill(0, torch.tensor(1), math.nan),
        *[torch.zeros(3)] * 2,
    ),
    "prior_logits of root 0 are -inf": (torch.full((3, 5), -math.inf), *[torch.zeros(3)] * 2),
    "value of root 2 is nan": (torch.zeros(3, 5), torch.tensor([0, 0, math.nan]), torch.zeros(3)),
    "value of root 0 is inf": (torch.zeros(3, 5), torch.tensor([math.inf, 0, 0]), torch.zeros(3)),
    "is on meta": (torch.zeros(3, 5, device="meta"), torch.zeros(3), torch.zeros(3)),
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("message", BAD_ROOTS)
def test_a_bad_root_is_refused(policy, message):
    with pytest.raises(ValueError, match=message):
        call(policy, root=planning.RootOutput(*BAD_ROOTS[message]))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"invalid_actions": torch.tensor([[0], [1], [0]]).expand(3, 5)}, "of root 1 are all"),
        ({"invalid_actions": torch.zeros(5)}, "invalid_actions has shape .5.; it must be .*3, 5"),
        ({"invalid_actions": torch.zeros(1, 5)}, "invalid_actions has shape .1, 5."),
        ({"invalid_actions": torch.full((3, 5), math.nan)}, "invalid_actions of root 0"),
        ({"invalid_actions": torch.tensor([[0.0] * 4 + [math.nan]]).expand(3, 5)}, "of root 0 holds NaN"),
    ],
)
def test_bad_invalid_actions_are_refused(policy, changes, message):
    with pytest.raises(ValueError, match=message):
        call(policy, **changes)


@pytest.mark.parametrize(
    ("policy", "changes", "message"),
    [
        *((policy, {"num_simulations": -1}, "num_simulations=-1") for policy in POLICIES),
        *((policy, {"num_simulations": 2.5}, "num_simulations=2.5") for policy in POLICIES),
        *((policy, {"max_depth": 0}, "max_depth=0") for policy in POLICIES),
        *((policy, {"qtransform": lambda tree, node: tree}, "qtransform_ functions") for policy in POLICIES),
        *((policy, {"qtransform": planning.qtransform_by_min_max}, "min_value") for policy in POLICIES),
        ("muzero_policy", {"temperature": -1.0}, "temperature=-1.0"),
        ("muzero_policy", {"temperature": math.nan}, "temperature=nan"),
        ("muzero_policy", {"dirichlet_fraction": 1.5}, "dirichlet_fraction=1.5"),
        ("muzero_policy", {"dirichlet_alpha": 0.0}, "dirichlet_alpha=0.0"),
        ("muzero_policy", {"pb_c_base": 0}, "pb_c_base=0"),
        ("muzero_policy", {"pb_c_init": math.inf}, "pb_c_init=inf"),
        ("gumbel_muzero_policy", {"max_num_considered_actions": 0}, "max_num_considered_actions=0"),
        ("gumbel_muzero_policy", {"gumbel_scale": -1.0}, "gumbel_scale=-1.0"),
        (
            "gumbel_muzero_policy",
            {"qtransform": partial(planning.qtransform_by_min_max, min_value=1, max_value=1)},
            "min_value=1 must be below",
        ),
        (
            "gumbel_muzero_policy",
            {"qtransform": partial(planning.qtransform_completed_by_mix_value, epsilon=0.0)},
            "epsilon above 0",
        ),
    ],
)
def test_a_bad_setting_is_refused(policy, changes, message):
    with pytest.raises(ConfigurationError, match=message):
        call(policy, **changes)


def test_bad_noise_is_refused():
    for policy, name in (("muzero_policy", "dirichlet_noise"), ("gumbel_muzero_policy", "gumbel")):
        with pytest.raises(ValueError, match=f"{name} has shape .1, 5."):
            call(policy, **{name: torch.zeros(1, 5)})
        with pytest.raises(ValueError, match=f"{name} of root 0 is .*nan"):
            call(policy, **{name: torch.full((3, 5), math.nan)})
    with pytest.raises(ValueError, match=r"dirichlet_noise of root 0 is .*-1.0.* not negative"):
        call("muzero_policy", dirichlet_noise=-torch.ones(3, 5))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("simulation", [1, 3, 4])
@pytest.mark.parametrize(
    ("name", "number"),
    [("reward", math.inf), ("discount", math.nan), ("prior_logits", math.nan), ("prior_logits", math.inf),
     ("value", math.nan)],
)  # fmt: skip
def test_what_is_not_finite_in_the_search_is_refused(policy, simulation, name, number):
    calls = []

    def model(action, embedding):
        calls.append(action)
        output, embedding = constant_model(action, embedding)
        if len(calls) == simulation:
            output = output._replace(**{name: getattr(output, name).clone()})
            getattr(output, name)[1] = number
        return output, embedding

    with pytest.raises(ValueError, match=f"recurrent_fn returned a {name} that is NaN or inf .* from root 1"):
        call(policy, recurrent_fn=model)


@pytest.mark.parametrize("policy", POLICIES)
def test_minus_infinity_is_a_fair_logit_in_the_search(policy):
    def model(action, embedding):
        output, embedding = constant_model(action, embedding)
        return output._replace(prior_logits=output.prior_logits.index_fill(1, torch.tensor(0), -math.inf)), embedding

    assert call(policy, recurrent_fn=model).action_weights.isfinite().all()


@pytest.mark.parametrize("name", ["reward", "discount", "prior_logits", "value"])
def test_an_output_of_the_wrong_shape_is_refused(name):
    def model(action, embedding):
        output, embedding = constant_model(action, embedding)
        return output._replace(**{name: getattr(output, name)[..., None]}), embedding

    with pytest.raises(ValueError, match=f"recurrent_fn returned {name} of shape"):
        call("muzero_policy", recurrent_fn=model)


def test_an_embedding_of_the_wrong_shape_is_refused():
    for change in (lambda e: e[:, :1], lambda e: e[:1], lambda e: (e, e)):
        with pytest.raises(ValueError, match="recurrent_fn returned"):
            call("muzero_policy", recurrent_fn=lambda a, e, c=change: (constant_model(a, e)[0], c(e)))
