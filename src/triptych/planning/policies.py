"""What a caller asks: MuZero's policy (PUCT) and Gumbel MuZero's (Sequential Halving), for B roots at once.

What the caller hands over is checked before the search, what the model says after it; on a GPU these are the two times
that a policy waits for the device. Nothing here is differentiated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from triptych.planning.qtransforms import (
    QTransform,
    describe,
    qtransform_by_parent_and_siblings,
    qtransform_completed_by_mix_value,
)
from triptych.planning.search import LAUNCHERS, RecurrentFn, Search
from triptych.planning.sequential_halving import considered_visits_table
from triptych.planning.tree import Embedding, SearchTree, plant
from triptych.types import ConfigurationError

Mask = Bool[Tensor, "B A"] | Int[Tensor, "B A"] | Float[Tensor, "B A"]
TINY = torch.finfo(torch.float32).tiny
LOWEST_LOGIT = torch.finfo(torch.float32).min  # of an invalid action; finite, so that no softmax divides 0 by 0


class RootOutput(NamedTuple):
    """The model's view of the states to search from."""

    prior_logits: Float[Tensor, "B A"]
    value: Float[Tensor, " B"]
    embedding: Embedding  # a tensor [B, ...] or a tuple of them; the search only stores it and hands it back


class PolicyOutput(NamedTuple):
    """What a search concludes."""

    action: Int[Tensor, " B"]
    action_weights: Float[Tensor, "B A"]  # a distribution: the target for the policy's logits
    search_tree: SearchTree


@torch.no_grad()
def muzero_policy(
    root: RootOutput,
    recurrent_fn: RecurrentFn,
    num_simulations: int,
    *,
    invalid_actions: Mask | None = None,
    max_depth: int | None = None,
    qtransform: Callable[..., QTransform] = qtransform_by_parent_and_siblings,
    dirichlet_fraction: float = 0.25,
    dirichlet_alpha: float = 0.3,
    dirichlet_noise: Float[Tensor, "B A"] | None = None,
    pb_c_init: float = 1.25,
    pb_c_base: float = 19652,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> PolicyOutput:
    """Search by PUCT and act in proportion to the visit counts (Schrittwieser et al. 2020, appendix B).

    Without simulations it acts by the prior with its noise.

    Args:
        recurrent_fn: ``(action [B], embedding) -> (RecurrentOutput, embedding)``, called once for each simulation.
        invalid_actions: ones mark what must not be played at the root.
        max_depth: most actions from the root to a leaf, ``num_simulations`` where it is ``None``.
        dirichlet_fraction: share of the noise in the root's prior (Silver et al. 2017, Methods).
        dirichlet_noise: the noise itself, over all actions, instead of a draw from Dirichlet(``dirichlet_alpha``) over
            those that are allowed.
        pb_c_init, pb_c_base: c1 and c2 of equation 2.
        temperature: acts by N(a)^(1/temperature); 0 takes the most visited action, any of those with equal counts.
        generator: draws noise and action, on its own device; the default one of the root's device where ``None``.

    Raises:
        ValueError: for tensors that no search can start from. ConfigurationError, which is one, for settings.
    """
    _check_settings(num_simulations, max_depth)
    if not 0 <= dirichlet_fraction <= 1:
        raise ConfigurationError(f"dirichlet_fraction={dirichlet_fraction} must be between 0 and 1.")
    for name, number in (("dirichlet_alpha", dirichlet_alpha), ("pb_c_base", pb_c_base)):
        if not 0 < number < math.inf:
            raise ConfigurationError(f"{name}={number} must be a number above 0.")
    if not math.isfinite(pb_c_init):
        raise ConfigurationError(f"pb_c_init={pb_c_init} must be a finite number.")
    if not 0 <= temperature < math.inf:
        raise ConfigurationError(f"temperature={temperature} must be 0 or a number above it.")
    described = describe(qtransform)
    root, is_invalid = _check_root(root, invalid_actions, "dirichlet_noise", dirichlet_noise, 0.0)

    prior_logits = root.prior_logits
    if dirichlet_noise is None:  # over what is allowed, as is then the prior that it joins
        prior_logits = _mask(prior_logits, is_invalid)
        dirichlet_noise = _dirichlet(is_invalid, dirichlet_alpha, generator)
    noisy_probs = (1 - dirichlet_fraction) * prior_logits.softmax(dim=-1) + dirichlet_fraction * dirichlet_noise
    prior_logits = _mask(noisy_probs.clamp(min=TINY).log(), is_invalid)

    tree = plant(prior_logits, root.value, root.embedding, is_invalid, num_simulations + 1)
    depth = num_simulations if max_depth is None else max_depth
    search = Search(tree, num_simulations, depth, described, pb_c_init=pb_c_init, pb_c_base=pb_c_base)
    search.run(recurrent_fn)

    action_weights = tree.summary().visit_probs
    logits = action_weights.clamp(min=TINY).log()
    logits = (logits - logits.amax(dim=-1, keepdim=True)) / max(temperature, TINY)
    is_out = is_invalid | (action_weights == 0)
    action = (_mask(logits, is_out) + _gumbel(logits, generator)).argmax(dim=-1)  # a draw from their softmax
    return PolicyOutput(action, action_weights, tree)


@torch.no_grad()
def gumbel_muzero_policy(
    root: RootOutput,
    recurrent_fn: RecurrentFn,
    num_simulations: int,
    *,
    invalid_actions: Mask | None = None,
    max_depth: int | None = None,
    qtransform: Callable[..., QTransform] = qtransform_completed_by_mix_value,
    max_num_considered_actions: int = 16,
    gumbel_scale: float = 1.0,
    gumbel: Float[Tensor, "B A"] | None = None,
    generator: torch.Generator | None = None,
) -> PolicyOutput:
    """Search by Sequential Halving with Gumbel at the root and by the improved policy below it.

    Danihelka et al. 2022: algorithm 2 at the root, equation 14 below it, and the improved policy of equation 11 as
    ``action_weights``. Without simulations it acts by the prior, by the Gumbel-max trick.

    Args:
        recurrent_fn: ``(action [B], embedding) -> (RecurrentOutput, embedding)``, called once for each simulation.
        invalid_actions: ones mark what must not be played at the root.
        max_depth: most actions from the root to a leaf, ``num_simulations`` where it is ``None``.
        max_num_considered_actions: the m actions that Sequential Halving starts from.
        gumbel_scale: factor of the noise; 0 plays greedily.
        gumbel: the noise itself, instead of a draw from Gumbel(0); ``gumbel_scale`` multiplies it too.
        generator: draws the noise, on its own device; the default one of the root's device where ``None``.

    Raises:
        ValueError: for tensors that no search can start from. ConfigurationError, which is one, for settings.
    """
    _check_settings(num_simulations, max_depth)
    if max_num_considered_actions < 1:
        raise ConfigurationError(f"max_num_considered_actions={max_num_considered_actions} must be at least 1.")
    if not 0 <= gumbel_scale < math.inf:
        raise ConfigurationError(f"gumbel_scale={gumbel_scale} must be 0 or a number above it.")
    described = describe(qtransform)
    root, is_invalid = _check_root(root, invalid_actions, "gumbel", gumbel, -math.inf)

    prior_logits = _mask(root.prior_logits, is_invalid)
    noise = _gumbel(prior_logits, generator) if gumbel is None else gumbel.float()
    noise = (gumbel_scale * noise).contiguous()

    num_actions = prior_logits.shape[1]
    num_considered = (~is_invalid).sum(dim=-1).clamp(max=max_num_considered_actions)
    # One column at the least: to a compiled kernel an array without any is of another type.
    table = considered_visits_table(min(max_num_considered_actions, num_actions), max(num_simulations, 1))
    schedule = table.to(prior_logits.device, non_blocking=True)[num_considered]

    tree = plant(prior_logits, root.value, root.embedding, is_invalid, num_simulations + 1)
    depth = num_simulations if max_depth is None else max_depth
    search = Search(tree, num_simulations, depth, described, gumbel=noise, considered_visits=schedule)
    search.run(recurrent_fn)

    action, completed_q_values = search.decide()
    action_weights = _mask(prior_logits + completed_q_values, is_invalid).softmax(dim=-1)
    return PolicyOutput(action, action_weights, tree)


def _mask(logits: Float[Tensor, "B A"], is_invalid: Bool[Tensor, "B A"]) -> Float[Tensor, "B A"]:
    """Shift logits to a maximum of 0 and take all probability from invalid actions."""
    return (logits - logits.amax(dim=-1, keepdim=True)).masked_fill(is_invalid, LOWEST_LOGIT)


def _gumbel(like: Float[Tensor, "B A"], generator: torch.Generator | None) -> Float[Tensor, "B A"]:
    """Draw from Gumbel(0), which is -log of an exponential draw."""
    device = like.device if generator is None else generator.device
    exponential = torch.empty(like.shape, device=device).exponential_(generator=generator)
    return -exponential.clamp(min=TINY).log().to(like.device, non_blocking=True)


def _dirichlet(
    is_invalid: Bool[Tensor, "B A"], alpha: float, generator: torch.Generator | None
) -> Float[Tensor, "B A"]:
    """Draw from a Dirichlet distribution over the valid actions: a draw over all, of which their part is taken."""
    device = is_invalid.device if generator is None else generator.device
    # What torch.distributions.Dirichlet calls; that class takes no generator.
    noise = torch._sample_dirichlet(torch.full(is_invalid.shape, alpha, device=device), generator)
    noise = (noise.to(is_invalid.device, non_blocking=True) + TINY).masked_fill(is_invalid, 0)
    return noise / noise.sum(dim=-1, keepdim=True)


def _check_settings(num_simulations: int, max_depth: int | None) -> None:
    if not isinstance(num_simulations, Integral) or num_simulations < 0:
        raise ConfigurationError(
            f"num_simulations={num_simulations} must be a whole number from 0 up; 0 acts by the prior without search."
        )
    if max_depth is not None and max_depth < 1:
        raise ConfigurationError(f"max_depth={max_depth} must be at least 1, or None for no limit.")


def _check_root(
    root: RootOutput,
    invalid_actions: Mask | None,
    noise_name: str,
    noise: Float[Tensor, "B A"] | None,
    lowest_noise: float,
) -> tuple[RootOutput, Bool[Tensor, "B A"]]:
    """Return the root in single precision and the mask as booleans, or raise ``ValueError``."""
    logits, value, embedding = root
    if logits.ndim != 2 or 0 in logits.shape:
        raise ValueError(f"root.prior_logits has shape {list(logits.shape)}; it must be [B, A] with both at least 1.")
    batch_size = len(logits)
    if value.shape != (batch_size,):
        raise ValueError(
            f"root.value has shape {list(value.shape)}; beside {batch_size} roots it must be [{batch_size}]."
        )
    for tensor in embedding if isinstance(embedding, tuple) else (embedding,):
        if tensor.shape[:1] != (batch_size,):
            raise ValueError(
                f"root.embedding has shape {list(tensor.shape)}; beside {batch_size} roots it must begin with "
                f"{batch_size}."
            )
    for name, given in (("invalid_actions", invalid_actions), (noise_name, noise)):
        if given is not None and given.shape != logits.shape:
            raise ValueError(
                f"{name} has shape {list(given.shape)}; it must be that of root.prior_logits, {list(logits.shape)}."
            )
    if logits.device.type not in LAUNCHERS:
        raise ValueError(f"root.prior_logits is on {logits.device}; a search runs on {' or '.join(LAUNCHERS)}.")

    logits, value = logits.float(), value.float()
    is_invalid = torch.zeros_like(logits, dtype=torch.bool) if invalid_actions is None else invalid_actions != 0
    is_invalid = is_invalid.contiguous()  # another layout would be another compilation of the kernels
    # -inf is a fair prior logit of an action that cannot be played, as long as one remains that can.
    is_playable = ~is_invalid & (logits > -math.inf)
    none_bad = torch.zeros_like(value, dtype=torch.bool)
    problems = torch.stack(
        [
            (logits.isnan() | (logits == math.inf)).any(dim=-1),
            ~value.isfinite(),
            is_invalid.all(dim=-1),
            ~is_playable.any(dim=-1),
            none_bad if noise is None else ~(noise.isfinite() & (noise >= lowest_noise)).all(dim=-1),
            none_bad if invalid_actions is None else invalid_actions.isnan().any(dim=-1),
        ]
    )
    if problems.any():  # waits for the device
        index = int(problems.any(dim=0).nonzero()[0])
        bad_logits, bad_value, all_invalid, none_playable, bad_noise, _ = problems[:, index].tolist()
        if bad_logits:
            problem = (
                f"root.prior_logits of root {index} are {logits[index].tolist()}; they must hold no NaN and no inf"
            )
        elif bad_value:
            problem = f"root.value of root {index} is {float(value[index])}; it must be finite"
        elif all_invalid:
            problem = f"invalid_actions of root {index} are all ones; leave it an action, or leave the root out"
        elif none_playable:
            problem = f"root.prior_logits of root {index} are -inf for all valid actions; one must be finite"
        elif bad_noise:
            allowed = "finite and not negative" if lowest_noise == 0 else "finite"
            problem = f"{noise_name} of root {index} is {noise[index].tolist()}; it must be {allowed}"  # type: ignore[index]
        else:
            problem = f"invalid_actions of root {index} holds NaN; it must be ones and zeros"
        raise ValueError(f"{problem}.")
    return RootOutput(logits, value, embedding), is_invalid
