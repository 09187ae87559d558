"""Make the golden cases with mctx, or compare with it directly. Needs mctx and jax, which nothing else here does.

python tests/planning/make_golden_cases.py              # writes tests/planning/golden/*.json
python tests/planning/make_golden_cases.py --fresh 200  # 200 new random cases, ours against mctx's

mctx breaks ties in PUCT by up to 1e-7 of noise. A case in which it disagrees with itself over five keys has no one
answer and is drawn again.
"""

import argparse
import json
import sys
from functools import cache, partial
from pathlib import Path
from unittest import mock

import jax
import jax.numpy as jnp
import mctx
import numpy as np

jax.config.update("jax_disable_most_optimizations", True)  # compiling takes far longer than searching here

GOLDEN = Path(__file__).parent / "golden"
NUM_KEYS = 5
TABLES = ("next_state", "reward", "discount", "prior_logits", "value")
QTRANSFORMS = {
    "by_parent_and_siblings": ("qtransform_by_parent_and_siblings", {}),
    "by_min_max": ("qtransform_by_min_max", {"min_value": -5.0, "max_value": 5.0}),
    "completed": ("qtransform_completed_by_mix_value", {}),
    "completed_unscaled": (
        "qtransform_completed_by_mix_value",
        {"value_scale": 0.02, "maxvisit_init": 20.0, "rescale_values": False},
    ),
    "completed_by_raw_value": ("qtransform_completed_by_mix_value", {"use_mixed_value": False}),
}
DISCOUNTS = {  # values and their probabilities
    "constant": ([0.97], [1.0]),
    "terminal": ([0.97, 0.0], [0.7, 0.3]),
    "two_players": ([-1.0, 0.0], [0.85, 0.15]),
}


def make_case(rng, *, policy, qtransform, discounts, batch_size, num_actions, num_simulations, masked, **keywords):
    """Draw a model, roots and noise; numbers have four decimals, which keeps the files small."""
    num_states = int(min(40, 3 * num_simulations + 5))
    by_action = (num_states, num_actions)

    def normal(*shape):
        return np.round(rng.standard_normal(shape), 4).tolist()

    values, probs = DISCOUNTS[discounts]
    invalid_actions = None
    if masked:  # another number of valid actions at each root, at least one
        ranks = rng.random((batch_size, num_actions)).argsort(axis=1)
        invalid_actions = (ranks >= rng.integers(1, num_actions + 1, size=(batch_size, 1))).astype(int).tolist()
    if policy == "muzero_policy":
        keywords = {"temperature": 0.0, **keywords}
        noise = np.round(rng.dirichlet(np.full(num_actions, 0.3), size=batch_size), 4)
    else:
        noise = np.round(rng.gumbel(size=(batch_size, num_actions)), 4)
    return {
        "policy": policy,
        "qtransform": QTRANSFORMS[qtransform],
        "num_simulations": num_simulations,
        "keywords": keywords,
        "invalid_actions": invalid_actions,
        "noise": noise.tolist(),
        "root_state": rng.integers(num_states, size=batch_size).tolist(),
        "next_state": rng.integers(num_states, size=by_action).tolist(),
        "reward": normal(*by_action),
        "discount": rng.choice(values, p=probs, size=by_action).tolist(),
        "prior_logits": normal(*by_action),
        "value": normal(num_states),
    }


@cache
def jitted_search(policy, num_simulations, qtransform_name, qtransform_keywords, keywords):
    """Return mctx's search; it is traced with a stand-in for the noise that it would draw."""
    qtransform = partial(getattr(mctx, qtransform_name), **dict(qtransform_keywords))

    def recurrent_fn(tables, key, action, state):
        following = tables["next_state"][state, action]
        output = mctx.RecurrentFnOutput(
            reward=tables["reward"][state, action],
            discount=tables["discount"][state, action],
            prior_logits=tables["prior_logits"][following],
            value=tables["value"][following],
        )
        return output, following

    def search(tables, state, noise, invalid_actions, key):
        root = mctx.RootFnOutput(
            prior_logits=tables["prior_logits"][state], value=tables["value"][state], embedding=state
        )
        drawn = "gumbel" if policy == "gumbel_muzero_policy" else "dirichlet"
        with mock.patch.object(jax.random, drawn, return_value=noise):
            output = getattr(mctx, policy)(
                tables,
                key,
                root,
                recurrent_fn,
                num_simulations,
                invalid_actions=invalid_actions,
                qtransform=qtransform,
                **dict(keywords),
            )
        summary = output.search_tree.summary()
        return output.action, output.action_weights, summary.visit_counts, summary.qvalues, summary.value

    return jax.jit(search)


def ask_mctx(case):
    """Return mctx's answer, or ``None`` where it has more than one."""
    name, qtransform_keywords = case["qtransform"]
    search = jitted_search(
        case["policy"],
        case["num_simulations"],
        name,
        tuple(qtransform_keywords.items()),
        tuple(case["keywords"].items()),
    )
    tables = {
        name: jnp.asarray(case[name], dtype=jnp.int32 if name == "next_state" else jnp.float32) for name in TABLES
    }
    invalid_actions = None if case["invalid_actions"] is None else jnp.asarray(case["invalid_actions"], jnp.int32)
    state, noise = jnp.asarray(case["root_state"], jnp.int32), jnp.asarray(case["noise"], jnp.float32)
    answers = []
    for seed in range(NUM_KEYS):
        found = search(tables, state, noise, invalid_actions, jax.random.PRNGKey(seed))
        action, weights, visits, q_values, value = map(np.asarray, found)
        answers.append(
            {
                "action": action.tolist(),
                "visit_counts": visits.astype(int).tolist(),
                "action_weights": np.round(weights.astype(float), 7).tolist(),
                "q_values": np.round(q_values.astype(float), 5).tolist(),
                "value": np.round(value.astype(float), 5).tolist(),
            }
        )
    decided = [(answer["action"], answer["visit_counts"]) for answer in answers]
    return answers[0] if all(other == decided[0] for other in decided) else None


def golden_settings():
    """List the committed cases: name -> settings."""
    settings = {}
    sizes = [(3, 4, 1), (1, 3, 2), (4, 6, 8), (3, 18, 25), (8, 6, 50), (2, 4, 200)]  # roots, actions, simulations
    transforms = {
        "muzero_policy": ("by_parent_and_siblings", "by_min_max", "completed"),
        "gumbel_muzero_policy": tuple(QTRANSFORMS),
    }
    number = 0
    for policy, names in transforms.items():
        for qtransform in names:
            for batch_size, num_actions, num_simulations in sizes:
                keywords = {}
                if number % 3 == 2:
                    keywords["max_depth"] = 1 + number % 4
                if policy == "gumbel_muzero_policy" and number % 4 == 1:
                    keywords |= {"max_num_considered_actions": 3 + number % 3, "gumbel_scale": 0.5}
                if policy == "muzero_policy" and number % 4 == 1:
                    keywords |= {"dirichlet_fraction": 0.5, "pb_c_init": 2.0, "pb_c_base": 50.0}
                settings[f"{policy}_{qtransform}_{num_simulations}"] = {
                    "policy": policy,
                    "qtransform": qtransform,
                    "discounts": tuple(DISCOUNTS)[number % 3 if number % 2 else (number + 1) % 3],
                    "batch_size": batch_size,
                    "num_actions": num_actions,
                    "num_simulations": num_simulations,
                    "masked": number % 5 != 0,
                    **keywords,
                }
                number += 1
    return settings


def random_settings(rng):
    """Draw settings; few sizes, so that mctx needs not compile for each."""
    policy = str(rng.choice(["muzero_policy", "gumbel_muzero_policy"]))
    names = [*QTRANSFORMS][:3] if policy == "muzero_policy" else [*QTRANSFORMS]
    batch_size, num_actions, num_simulations = [(8, 4, 12), (4, 6, 50)][rng.integers(2)]
    settings = {
        "policy": policy,
        "qtransform": str(rng.choice(names)),
        "discounts": str(rng.choice([*DISCOUNTS])),
        "batch_size": batch_size,
        "num_actions": num_actions,
        "num_simulations": num_simulations,
        "masked": bool(rng.random() < 0.5),
    }
    return settings if rng.random() < 0.7 else {**settings, "max_depth": 3}


def draw_case(rng, settings):
    """Draw until mctx agrees with itself; return the case and how often it did not."""
    for redrawn in range(100):
        case = make_case(rng, **settings)
        answer = ask_mctx(case)
        if answer is not None:
            return {**case, "answer": answer}, redrawn
    raise RuntimeError(f"mctx never agrees with itself on {settings}.")


def write_golden():
    for number, (name, settings) in enumerate(golden_settings().items()):
        case, redrawn = draw_case(np.random.default_rng([0, number]), settings)
        (GOLDEN / f"{name}.json").write_text(json.dumps(case, separators=(",", ":")) + "\n")
        print(name, f"redrawn {redrawn} times" if redrawn else "", flush=True)


def compare_fresh(num_cases, seed):
    """Print each difference from mctx and return their number."""
    sys.path[:0] = [str(Path(__file__).parents[2])]
    from tests.planning.cases import search

    rng = np.random.default_rng(seed)
    num_different = num_redrawn = num_roots = 0
    for index in range(num_cases):
        settings = random_settings(rng)
        case, redrawn = draw_case(rng, settings)
        num_redrawn += redrawn
        output, answer = search(case), case["answer"]
        is_equal = (
            output.action.tolist() == answer["action"]
            and output.search_tree.summary().visit_counts.tolist() == answer["visit_counts"]
            and np.abs(output.action_weights.numpy() - np.asarray(answer["action_weights"])).max() <= 1e-5
        )
        num_roots += settings["batch_size"]
        if not is_equal:
            num_different += 1
            print(f"case {index} differs: {settings}", flush=True)
    print(
        f"{num_cases - num_different} of {num_cases} cases equal ({num_roots} roots); "
        f"redrawn because mctx disagreed with itself: {num_redrawn}"
    )
    return num_different


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fresh", type=int, metavar="N", help="compare N new cases instead of writing files")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.fresh is None:
        write_golden()
    else:
        sys.exit(compare_fresh(options.fresh, options.seed) > 0)
