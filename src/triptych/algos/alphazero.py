"""AlphaZero: Silver et al. 2018, "A general reinforcement learning algorithm that masters chess, shogi, and Go through
self-play", Science 362; by default with the search of Danihelka et al. 2022, "Policy improvement by planning with
Gumbel", ICLR.

The true rules are the model. One network plays both sides: what it thinks of a position is what the player to move is
to think. It searches; the search's policy, and who won, are what it learns next.

Differences from the paper:
 1. `search=gumbel` is Gumbel AlphaZero, which improves the policy with any number of simulations, with 0.1 as the
    weight of values beside the prior (Danihelka et al. on boards: 1). `search=puct` is the paper's but for values,
    which are scaled between the extremes of a node and its tried children; an action not tried yet counts as 0.
 2. All games advance together and are searched in one batch, by the process that learns; data per update is a number.
 3. Adam instead of SGD with momentum; no weight decay.
 4. The network is smaller and normalises over each layer instead of over the batch.
 5. With `n_step` shorter than the game, the value that the search found so many moves on stands for the outcome.
 6. Symmetries of the board, where the game has them, are used as in AlphaGo Zero: one is drawn for each position that
    is learned from.
"""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torch import Tensor

from triptych.algos.planner import WITHOUT_SEARCH, Planner
from triptych.functional.losses import cross_entropy
from triptych.functional.masks import mask_out
from triptych.functional.returns import n_step_returns
from triptych.networks.average import WeightAverage
from triptych.networks.policy_value_network import PolicyValueNetwork
from triptych.planning import PolicyOutput, RecurrentOutput, RootOutput
from triptych.types import (
    EXPLORE,
    ActorOutput,
    ConfigurationError,
    EnvSpec,
    Explanation,
    LossOutput,
    Minibatch,
    Segment,
)
from triptych.types.bounds import Between, Coefficient, Count, CountOrZero, Decay, Fraction


class AlphaZero(Planner):
    """Plans by the rules, and learns to foresee what planning finds.

    Args:
        spec: of the environments, which must have rules.
        discount: γ.
        n_step: moves after which the search's value stands for the outcome.
        num_blocks, num_channels: see `PolicyValueNetwork`.
        value_coef: weight of the value's squared error beside the policy's cross entropy.
        weight_average_decay: per update, of the average of the weights that plays evaluations.
        kwargs: see `Planner`.
    """

    turned_cells: Tensor  # [S, H · W], where each cell comes from in each of S symmetries
    turned_actions: Tensor  # [S, A], and each action

    def __init__(
        self,
        spec: EnvSpec,
        *,
        discount: Fraction,
        n_step: Annotated[int, Between(1, 255)],
        num_blocks: CountOrZero,
        num_channels: Count,
        value_coef: Coefficient,
        weight_average_decay: Decay,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec, **kwargs)
        assert spec.rules is not None
        self.rules = spec.rules
        self.discount, self.n_step, self.value_coef = discount, n_step, value_coef
        self.largest_value = self.largest_reward = 1.0  # what the network's values, and so the game's outcomes, reach
        self.network = PolicyValueNetwork(spec, num_blocks, num_channels)
        self.average_network = WeightAverage(self.network, weight_average_decay)
        for name, numbers in zip(("turned_cells", "turned_actions"), spec.symmetries or (), strict=False):
            self.register_buffer(name, torch.from_numpy(numbers), persistent=False)

    @classmethod
    def check(cls, spec: EnvSpec) -> None:
        super().check(spec)
        if spec.rules is None:
            raise ConfigurationError(
                f"algo: AlphaZero plans by the rules of a game without chance and secrets, but env={spec.name} gives "
                "none; choose env=tic_tac_toe, connect_four, hex or go, or algo=muzero."
            )

    def act(self, observation: Tensor, mode: str = EXPLORE) -> ActorOutput:
        output = self.plan(observation, 0 if mode == WITHOUT_SEARCH else self.num_simulations, mode)
        value = output.search_tree.summary().value
        return ActorOutput(output.action, {"value": value, "action_weights": output.action_weights})

    def loss(self, minibatch: Minibatch[Segment]) -> LossOutput:
        segment, weight = minibatch
        outcome = n_step_returns(segment.reward, segment.discount, segment.value, self.n_step)[:, 0]  # [B]
        observation, policy_target = segment.observation[:, 0], segment.action_weights[:, 0]
        seen, legal = self.spec.see(observation), self.spec.legal_actions(observation)
        assert legal is not None
        if self.spec.symmetries is not None:
            seen, legal, policy_target = self._turn(seen, legal, policy_target)
        logits, value = self.network.see(seen)
        policy_loss = cross_entropy(mask_out(logits, legal), policy_target)  # [B]
        value_loss = (outcome - value).square()  # [B]
        loss = (weight * (policy_loss + self.value_coef * value_loss)).mean()
        metrics: dict[str, Tensor | float] = {
            "policy_loss": policy_loss.mean(),
            "value_loss": value_loss.mean(),
            "value_mean": value.mean(),
            "target_mean": outcome.mean(),
        }
        return LossOutput(loss, metrics, priorities=(outcome - value).abs())

    def explain(self, observation: Tensor) -> Explanation:
        logits, value = self.average_network(observation)
        return self.explain_search(observation, logits, value)

    def plan(
        self,
        observation: Tensor,
        num_simulations: int,
        mode: str = EXPLORE,
        generator: torch.Generator | None = None,
    ) -> PolicyOutput:
        """Search from every position ``[B, ...]`` in one batch; chance comes from ``generator``, or the mode's."""
        network = self.network if mode == EXPLORE else self.average_network
        logits, value = network(observation)
        positions = torch.from_numpy(self.rules.set_up(observation.detach().cpu().numpy())).to(observation.device)

        def play(action: Tensor, positions: Tensor) -> tuple[RecurrentOutput, Tensor]:
            made = self.rules.play(positions.cpu().numpy(), action.cpu().numpy())
            new_positions, seen, reward, is_terminal, turn_passes = (
                torch.from_numpy(part).to(observation.device) for part in made
            )
            logits, value = network(seen)
            discount = self.discount * torch.where(turn_passes, -1.0, 1.0) * ~is_terminal
            return RecurrentOutput(reward, discount, logits, value * ~is_terminal), new_positions

        root = RootOutput(logits, value, positions)
        return self.search_from(root, play, num_simulations, observation, mode, generator)

    def after_turn(self, batch: Any) -> None:
        self.average_network.follow(self.network, self.updates)

    def _turn(self, seen: Tensor, legal: Tensor, policy_target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Turn and mirror each board, and what belongs to its actions, by a symmetry of its own."""
        cells, actions = self.turned_cells, self.turned_actions
        drawn = torch.randint(len(cells), (len(seen),), generator=self.learning_generator).to(seen.device)
        flat = seen.flatten(2)  # [B, C, H · W]
        turned = flat.gather(2, cells[drawn][:, None].expand_as(flat)).view_as(seen)
        return turned, legal.gather(1, actions[drawn]), policy_target.gather(1, actions[drawn])
