"""Linear layers with learned noise, which explore by themselves (Fortunato et al. 2018, NoisyNet)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from triptych.networks.linear import Linear

NOISE_SCALE = 0.5  # Fortunato et al. 2018, section 3.2


class NoisyLinear(Linear):
    """y = (μʷ + σʷ ⊙ f(ε) f(ε')ᵀ) x + μᵇ + σᵇ ⊙ f(ε), with f(ε) = sign(ε)√|ε| (equations 9 to 11, factorised noise).

    ``weight`` and ``bias`` are the means μ. Until `draw_noise` is called it is a linear layer.

    Args:
        layer: whose weights are the means, as they are.
        scale: σ₀; each σ begins at σ₀/√inputs.
    """

    def __init__(self, layer: nn.Linear, scale: float = NOISE_SCALE) -> None:
        super().__init__(layer.in_features, layer.out_features)
        self.weight, self.bias = layer.weight, layer.bias
        sigma = scale / math.sqrt(self.in_features)
        self.weight_scale = nn.Parameter(torch.full_like(self.weight, sigma))
        self.bias_scale = nn.Parameter(torch.full_like(self.bias, sigma))
        self.noise: tuple[Tensor, Tensor] | None = None  # f(ε') [rows, inputs], f(ε) [rows, outputs]

    def forward(self, x: Float[Tensor, "B *rest I"]) -> Float[Tensor, "B *rest O"]:
        mean = super().forward(x)
        if self.noise is None:
            return mean
        inputs, outputs = (noise.unflatten(0, (-1, *(1,) * (x.ndim - 2))) for noise in self.noise)
        noise = nn.functional.linear(inputs * x, self.rounded("weight_scale"))
        return mean + outputs * noise + outputs * self.bias_scale

    def draw_noise(self, generator: torch.Generator, num_rows: int = 1) -> None:
        """Draw new noise: one for all rows of an input, or one for each of ``num_rows``."""
        noise = torch.randn((num_rows, self.in_features + self.out_features), generator=generator)
        noise = (noise.sign() * noise.abs().sqrt()).to(self.weight.device, non_blocking=True)
        self.noise = noise[:, : self.in_features], noise[:, self.in_features :]


def make_noisy(module: nn.Module) -> None:
    """Turn every linear layer in a module into a noisy one."""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            setattr(module, name, NoisyLinear(child))
        else:
            make_noisy(child)


def draw_noise(module: nn.Module, generator: torch.Generator, num_rows: int = 1) -> None:
    """Draw new noise for every noisy layer in a module, on the CPU; see `NoisyLinear.draw_noise`."""
    for layer in module.modules():
        if isinstance(layer, NoisyLinear):
            layer.draw_noise(generator, num_rows)
