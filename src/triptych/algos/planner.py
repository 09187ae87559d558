"""What MuZero and AlphaZero share: how a search is asked, and how the agent acts by it.

Silver et al. 2018 and Schrittwieser et al. 2020 search by PUCT, Danihelka et al. 2022 with Gumbel at the root.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from triptych.algos.base import Algorithm
from triptych.functional.masks import mask_out
from triptych.functional.schedules import linear_schedule
from triptych.planning import PolicyOutput, RootOutput, gumbel_muzero_policy, muzero_policy
from triptych.planning.search import RecurrentFn
from triptych.types import EVALUATE, EXPLORE, ConfigurationError, EnvSpec, Explanation
from triptych.types.bounds import AtLeast, Coefficient, Count, CountOrZero, Fraction

WITHOUT_SEARCH = f"{EVALUATE}_without_search"


class Planner(Algorithm):
    """Acts by a search in a model, which a subclass brings in `plan`.

    Args:
        spec: of the environments; actions must be discrete, and players must have no secrets.
        num_simulations: model calls per decision; 0 acts by the prior policy.
        search: ``gumbel`` or ``puct``.
        max_num_considered_actions: at the root, with ``gumbel``.
        dirichlet_alpha, dirichlet_fraction: noise in the root's prior while training, with ``puct``.
        temperature_start, temperature_end, temperature_decay_env_steps: of the visit counts, with ``puct``.
        kwargs: see `Algorithm`.
    """

    respects_masks = True
    evaluation_modes = (EVALUATE, WITHOUT_SEARCH)

    def __init__(
        self,
        spec: EnvSpec,
        *,
        num_simulations: CountOrZero,
        search: Literal["gumbel", "puct"],
        max_num_considered_actions: Count,
        dirichlet_alpha: Annotated[float, AtLeast(1e-6)],
        dirichlet_fraction: Fraction,
        temperature_start: Coefficient,
        temperature_end: Coefficient,
        temperature_decay_env_steps: CountOrZero,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec, **kwargs)
        self.num_simulations, self.search = num_simulations, search
        self.max_num_considered_actions = max_num_considered_actions
        self.dirichlet_alpha, self.dirichlet_fraction = dirichlet_alpha, dirichlet_fraction
        self.temperature_start, self.temperature_end = temperature_start, temperature_end
        self.temperature_decay_env_steps = temperature_decay_env_steps

    @classmethod
    def check(cls, spec: EnvSpec) -> None:
        super().check(spec)
        if not spec.is_perfect_information:
            raise ConfigurationError(
                f"algo: {cls.__name__} searches from what a player sees, but in env={spec.name} players have secrets; "
                "choose algo=ppo."
            )

    def temperature(self, mode: str) -> float:
        """Return that of the visit counts, now; evaluation takes the most visited action."""
        if mode != EXPLORE:
            return 0.0
        start, end = self.temperature_start, self.temperature_end
        return linear_schedule(self.env_steps, start, end, self.temperature_decay_env_steps)

    def plan(
        self,
        observation: Tensor,
        num_simulations: int,
        mode: str = EXPLORE,
        generator: torch.Generator | None = None,
    ) -> PolicyOutput:
        """Search from every observation ``[B, ...]`` in one batch; chance comes from ``generator``, or the mode's."""
        raise NotImplementedError(f"{type(self).__name__} plans nothing")

    def explain_search(self, observation: Tensor, prior_logits: Tensor, value: Tensor) -> Explanation:
        """Search from ``[T, ...]`` as in evaluations, and say what was found beside the network's policy and value."""
        output = self.plan(observation, self.num_simulations, EVALUATE, torch.Generator().manual_seed(0))  # of ties
        found = output.search_tree.summary()
        legal = self.spec.legal_actions(observation)
        priors = (prior_logits if legal is None else mask_out(prior_logits, legal)).softmax(dim=-1)
        searched = {"visit_counts": found.visit_counts, "prior_probs": priors, "search_value": found.value}
        return Explanation(value, action_probs=output.action_weights, **searched)

    def search_from(
        self,
        root: RootOutput,
        model: RecurrentFn,
        num_simulations: int,
        observation: Tensor,
        mode: str,
        generator: torch.Generator | None,
    ) -> PolicyOutput:
        """Search in a model from the roots of observations ``[B, ...]``, which say what is allowed there."""
        legal = self.spec.legal_actions(observation)
        invalid_actions = None if legal is None else ~legal
        generator = generator or self.generator(mode)
        if self.search == "gumbel":
            return gumbel_muzero_policy(
                root,
                model,
                num_simulations,
                invalid_actions=invalid_actions,
                max_num_considered_actions=self.max_num_considered_actions,
                gumbel_scale=1.0 if mode == EXPLORE else 0.0,
                generator=generator,
            )
        return muzero_policy(
            root,
            model,
            num_simulations,
            invalid_actions=invalid_actions,
            dirichlet_alpha=self.dirichlet_alpha,
            dirichlet_fraction=self.dirichlet_fraction if mode == EXPLORE else 0.0,
            temperature=self.temperature(mode),
            generator=generator,
        )
