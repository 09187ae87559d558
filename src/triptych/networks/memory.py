"""Memory: features of single observations made into a summary of all that an episode has shown so far."""

from __future__ import annotations

import itertools

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class Memory(nn.Module):
    """A long short-term memory (Hochreiter & Schmidhuber 1997) over sequences in which episodes begin anywhere.

    The state of an environment is one row of ``2 · num_units`` numbers, output and cell. It computes in single
    precision, as its errors add up over an episode.

    Args:
        num_inputs: features of an observation.
        num_units: of the output, and of the cell.
    """

    def __init__(self, num_inputs: int, num_units: int) -> None:
        super().__init__()
        self.num_features, self.state_size = num_units, 2 * num_units
        self.lstm = nn.LSTM(num_inputs, num_units)
        for name, parameter in self.lstm.named_parameters():
            if name.startswith("weight"):
                nn.init.orthogonal_(parameter)
            else:
                nn.init.zeros_(parameter)

    def forward(
        self, features: Float[Tensor, "T N F"], state: Float[Tensor, "N S"], is_first: Bool[Tensor, "T N"]
    ) -> Float[Tensor, "T N H"]:
        """Return the summary after each observation; a first one meets a state of 0.

        Episodes have nothing to do with each other, so those of about the same length are read side by side.
        """
        num_steps, num_envs = is_first.shape
        begins = is_first.T.clone()  # [N, T]
        begins[:, 0] = True
        (begin,) = begins.flatten().nonzero(as_tuple=True)  # where in [N · T] each stretch of one episode begins
        length = begin.diff(append=begin.new_tensor([begins.numel()]))
        states = state.new_zeros(len(begin), self.state_size)
        goes_on = ~is_first[0]  # the first stretch of an environment may have begun before
        states[(begin % num_steps == 0).nonzero().flatten()[goes_on]] = state[goes_on]

        flat = features.transpose(0, 1).flatten(0, 1).float()  # [N · T, F]
        size = length.float().log2().ceil()  # each group is padded to at most twice its steps
        summaries, places = [], []
        for one in size.unique().tolist():
            (group,) = (size == one).nonzero(as_tuple=True)
            time = torch.arange(int(length[group].max()), device=flat.device)[:, None]
            place = begin[group] + time  # [longest, G]
            is_step = time < length[group]
            summary, _ = self._run(flat[place.clamp(max=len(flat) - 1)], states[group])
            summaries.append(summary[is_step])
            places.append(place[is_step])
        in_order = torch.cat(summaries)[torch.cat(places).argsort()]
        return in_order.view(num_envs, num_steps, -1).transpose(0, 1)

    def step(
        self, features: Float[Tensor, "N F"], state: Float[Tensor, "N S"]
    ) -> tuple[Float[Tensor, "N H"], Float[Tensor, "N S"]]:
        """Return the summary after one observation, and the state."""
        summary, state = self._run(features[None].float(), state)
        return summary[0], state

    def last_state(
        self, features: Float[Tensor, "T N F"], state: Float[Tensor, "N S"], is_first: Bool[Tensor, "T N"]
    ) -> Float[Tensor, "N S"]:
        """Return the state after the last observation; only the last episode of each environment is read."""
        times = torch.arange(len(is_first), device=is_first.device)[:, None]
        last_begin = torch.where(is_first, times, -1).amax(dim=0)  # [N], -1 where it has begun before
        borders = sorted({0, *last_begin.clamp(min=0).tolist(), len(is_first)})
        for start, end in itertools.pairwise(borders):
            state = state.masked_fill((last_begin == start)[:, None], 0.0)
            _, state = self._run(features[start:end].float(), state)
        return state

    def _run(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(features.device.type, enabled=False):
            output, cell = (part.contiguous()[None] for part in state.chunk(2, dim=1))
            summary, (output, cell) = self.lstm(features, (output, cell))
            return summary, torch.cat([output[0], cell[0]], dim=1)
