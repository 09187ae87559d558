"""Search problems over a tabular model, as plain data: a golden file holds them beside what mctx answered.

The embedding is the number of a state; reward, discount and next state are tables by state and action, logits and
value tables by state. So every library computes the very same model.
"""

from functools import partial

import torch

from triptych import planning


def table_model(case):
    """Return ``recurrent_fn`` over the tables of a case."""
    reward, discount, prior_logits, value = (
        torch.tensor(case[name]) for name in ("reward", "discount", "prior_logits", "value")
    )
    next_state = torch.tensor(case["next_state"])

    def recurrent_fn(action, state):
        following = next_state[state, action]
        output = planning.RecurrentOutput(
            reward[state, action], discount[state, action], prior_logits[following], value[following]
        )
        return output, following

    return recurrent_fn


def root_of(case):
    state = torch.tensor(case["root_state"])
    return planning.RootOutput(torch.tensor(case["prior_logits"])[state], torch.tensor(case["value"])[state], state)


def keywords_of(case, as_array=torch.tensor):
    """Return the policy's keywords but for the Q-transform."""
    keywords = dict(case["keywords"])
    if case["invalid_actions"] is not None:
        keywords["invalid_actions"] = as_array(case["invalid_actions"])
    return keywords


def search(case):
    """Search as the case says and return the whole output."""
    noise_name = "gumbel" if case["policy"] == "gumbel_muzero_policy" else "dirichlet_noise"
    name, qtransform_keywords = case["qtransform"]
    return getattr(planning, case["policy"])(
        root_of(case),
        table_model(case),
        case["num_simulations"],
        qtransform=partial(getattr(planning, name), **qtransform_keywords),
        **keywords_of(case),
        **{noise_name: torch.tensor(case["noise"])},
        generator=torch.Generator("cpu").manual_seed(0),
    )
