"""Running statistics as part of a module: saved with it, frozen in evaluation."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from triptych import ranks
from triptych.types import ConfigurationError, EnvSpec


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


def make_normalization(spec: EnvSpec, is_wanted: bool) -> RunningNormalization | None:
    """Make what brings vectors to mean 0 and variance 1 as seen so far, where it is wanted.

    Raises:
        ConfigurationError: images were to be normalised.
    """
    if is_wanted and spec.is_image:
        raise ConfigurationError(
            f"algo.normalize_observations=true is for vectors, but {spec.name} shows images, whose pixels are "
            "scaled already; leave it false."
        )
    return RunningNormalization(spec.observation_shape) if is_wanted else None


class ObservationNormalization(nn.Module):
    """What networks see of observations: as they are, or brought to mean 0 and variance 1 as seen so far.

    Raises:
        ConfigurationError: images were to be normalised.
    """

    def __init__(self, spec: EnvSpec, is_wanted: bool) -> None:
        super().__init__()
        self.statistics = make_normalization(spec, is_wanted)

    def forward(self, observation: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        return observation if self.statistics is None else self.statistics(observation)

    def observe(self, observation: Float[Tensor, "K B ..."]) -> None:
        """Count the observations of a turn's minibatches into the running statistics, where they are used."""
        if self.statistics is not None and len(observation):
            self.statistics.update(observation.flatten(0, 1))
