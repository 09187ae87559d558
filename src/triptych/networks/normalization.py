"""Running statistics as part of a module: saved with it, frozen in evaluation."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from triptych import ranks


class RunningNormalization(nn.Module):
    """Bring vectors to mean 0 and variance 1 as counted so far, and clip them to ±``limit``.

    The counting is explicit (`update`), so that what acts and what learns see the same numbers.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, shape: tuple[int, ...], limit: float = 10.0) -> None:
        super().__init__()
        self.limit = limit
        self.register_buffer("mean", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(shape, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    def forward(self, values: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        scale = (self.variance + 1e-8).rsqrt().float()
        return ((values - self.mean.float()) * scale).clamp(-self.limit, self.limit)

    @torch.no_grad()
    def update(self, values: Float[Tensor, "B ..."]) -> None:
        """Count values in, those of all processes (Chan, Golub & LeVeque 1983, equation 2.1)."""
        values = ranks.concatenate(values.to(self.mean.dtype))
        mean, variance, count = values.mean(dim=0), values.var(dim=0, correction=0), len(values)
        total = self.count + count
        delta = mean - self.mean
        squares = self.variance * self.count + variance * count + delta.square() * self.count * count / total
        self.mean += delta * count / total
        self.variance.copy_(squares / total)
        self.count.copy_(total)
