"""Torsos: from an observation to features."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn


class PixelConvolution(nn.Conv2d):
    """A convolution that reads pixels from 0 to ``pixel_max`` as numbers from 0 to 1.

    It divides its few weights instead of the many pixels, which bfloat16 represents exactly.
    """

    def __init__(self, *args: Any, pixel_max: float | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pixel_max = pixel_max or 255.0

    def forward(self, pixels: Num[Tensor, "B C H W"]) -> Float[Tensor, "B F H2 W2"]:
        return self._conv_forward(self.to_float(pixels), self.weight / self.pixel_max, self.bias)

    def to_float(self, pixels: Num[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Bring pixels to the precision of the computation, channels last where the weights are."""
        device_type = pixels.device.type
        is_autocast = torch.is_autocast_enabled(device_type)
        dtype = torch.get_autocast_dtype(device_type) if is_autocast else self.weight.dtype
        if self.weight.is_contiguous(memory_format=torch.channels_last):
            # Moving bytes is cheaper than floats, and this is quicker than .contiguous(memory_format=...).
            pixels = torch.stack(pixels.unbind(1), dim=-1).movedim(-1, 1)
        return pixels.to(dtype)


@torch.no_grad()
def initialize_orthogonal(module: nn.Module, gain: float) -> None:
    """Give every layer orthogonal weights and no bias (Saxe et al. 2014)."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.orthogonal_(layer.weight, gain)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class ConvolutionalTorso(nn.Module):
    """Convolutions and one hidden layer.

    Args:
        observation_shape: ``(C, H, W)``.
        layers: the convolutions, the first of them over pixels; each is followed by a rectifier.
        hidden_size: units of the hidden layer, the number of features.
        layer_norm: normalise what each layer gives over all its units (Ba et al. 2016) before the rectifier.
    """

    def __init__(
        self,
        observation_shape: tuple[int, ...],
        layers: Sequence[nn.Conv2d],
        hidden_size: int,
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        modules: list[nn.Module] = []
        for layer in layers:
            modules.append(layer)
            if layer_norm:  # one group: over channels and positions, with a scale and a shift for each channel
                modules.append(nn.GroupNorm(1, layer.out_channels))
            modules.append(nn.ReLU(inplace=True))
        self.convolutions = nn.Sequential(*modules, nn.Flatten())
        with torch.no_grad():
            flat_size = self.convolutions(torch.zeros((1, *observation_shape), dtype=torch.uint8)).shape[1]
        norm = [nn.LayerNorm(hidden_size)] if layer_norm else []
        self.hidden = nn.Sequential(nn.Linear(flat_size, hidden_size), *norm, nn.ReLU(inplace=True))
        self.num_features = hidden_size

    def forward(self, observation: Num[Tensor, "B C H W"]) -> Float[Tensor, "B F"]:
        return self.hidden(self.convolutions(observation))


class NatureTorso(ConvolutionalTorso):
    """The network of Mnih et al. 2015 (Methods, model architecture) up to its last hidden layer."""

    def __init__(
        self,
        observation_shape: tuple[int, ...],
        hidden_size: int = 512,
        layer_norm: bool = False,
        pixel_max: float | None = None,
    ) -> None:
        layers = (
            PixelConvolution(observation_shape[0], 32, kernel_size=8, stride=4, pixel_max=pixel_max),
            nn.Conv2d(32, 64, kernel_size=4, stride=2),
            nn.Conv2d(64, 64, kernel_size=3, stride=1),
        )
        super().__init__(observation_shape, layers, hidden_size, layer_norm)


class SmallTorso(ConvolutionalTorso):
    """Two 3x3 convolutions for images too small for the Nature network."""

    def __init__(
        self,
        observation_shape: tuple[int, ...],
        hidden_size: int = 128,
        layer_norm: bool = False,
        pixel_max: float | None = None,
    ) -> None:
        layers = (
            PixelConvolution(observation_shape[0], 16, kernel_size=3, padding=1, pixel_max=pixel_max),
            nn.Conv2d(16, 16, kernel_size=3, stride=2, padding=1),
        )
        super().__init__(observation_shape, layers, hidden_size, layer_norm)


class VectorTorso(nn.Module):
    """Two hidden layers for vector observations."""

    def __init__(
        self,
        observation_shape: tuple[int, ...],
        hidden_size: int = 128,
        layer_norm: bool = False,
        activation: type[nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        self.num_features = hidden_size
        sizes = (torch.Size(observation_shape).numel(), hidden_size, hidden_size)
        modules: list[nn.Module] = [nn.Flatten()]
        for num_inputs, num_outputs in itertools.pairwise(sizes):
            norm = [nn.LayerNorm(num_outputs)] if layer_norm else []
            modules += [nn.Linear(num_inputs, num_outputs), *norm, activation()]
        self.layers = nn.Sequential(*modules)

    def forward(self, observation: Float[Tensor, "B ..."]) -> Float[Tensor, "B F"]:
        return self.layers(observation)


def make_torso(
    observation_shape: tuple[int, ...], is_image: bool, layer_norm: bool = False, pixel_max: float | None = None
) -> ConvolutionalTorso | VectorTorso:
    """Choose by what is seen: the Nature network for images from 36 pixels, smaller ones for the rest.

    ``pixel_max`` is the largest number of a pixel, ``None`` for 255.
    """
    if not is_image:
        return VectorTorso(observation_shape, layer_norm=layer_norm)
    if min(observation_shape[1:]) >= 36:
        return NatureTorso(observation_shape, layer_norm=layer_norm, pixel_max=pixel_max)
    return SmallTorso(observation_shape, layer_norm=layer_norm, pixel_max=pixel_max)
