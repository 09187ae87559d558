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
    ) -> tuple[Float[Tensor, "T N H"], Float[Tensor, "N S"]]:
        """Return the summary after each observation and the state after the last; a first one meets a state of 0."""
        starts = is_first.any(dim=1).nonzero().flatten().tolist()
        borders = sorted({0, *starts, len(features)})
        summaries = []
        with torch.autocast(features.device.type, enabled=False):
            for start, end in itertools.pairwise(borders):  # in between, no episode begins
                state = state.masked_fill(is_first[start][:, None], 0.0)
                output, cell = (part.contiguous()[None] for part in state.chunk(2, dim=1))
                summary, (output, cell) = self.lstm(features[start:end].float(), (output, cell))
                state = torch.cat([output[0], cell[0]], dim=1)
                summaries.append(summary)
        return torch.cat(summaries), state
