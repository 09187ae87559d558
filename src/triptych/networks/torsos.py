"""Torsos: from an observation to features."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from triptych.networks.linear import Linear


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
        channels_last = torch.channels_last
        is_wanted = self.weight.is_contiguous(memory_format=channels_last)
        if is_wanted and not pixels.is_contiguous(memory_format=channels_last):
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


def hidden_layers(
    sizes: Sequence[int], layer_norm: bool = False, activation: Callable[[], nn.Module] = nn.ReLU
) -> list[nn.Module]:
    """Return linear layers from ``sizes[0]`` numbers to ``sizes[-1]`` features."""
    modules: list[nn.Module] = []
    for num_inputs, num_outputs in itertools.pairwise(sizes):
        norm = [nn.LayerNorm(num_outputs)] if layer_norm else []
        modules += [Linear(num_inputs, num_outputs), *norm, activation()]
    return modules


def rectified(layers: Sequence[nn.Conv2d], layer_norm: bool) -> list[nn.Module]:
    """Return convolutions, each followed by a rectifier.

    ``layer_norm`` normalises what each gives over all its units (Ba et al. 2016) before it.
    """
    modules: list[nn.Module] = []
    for layer in layers:
        modules.append(layer)
        if layer_norm:  # one group: over channels and positions, with a scale and a shift for each channel
            modules.append(nn.GroupNorm(1, layer.out_channels))
        modules.append(nn.ReLU(inplace=True))
    return modules


class ConvolutionalTorso(nn.Module):
    """Convolutions and hidden layers.

    Args:
        observation_shape: ``(C, H, W)``.
        modules: the convolutions and what is between them, the first of them over pixels.
        hidden_sizes: units of the hidden layers; the last number is that of the features.
        layer_norm: normalise what each hidden layer gives before the rectifier.
    """

    def __init__(
        self,
        observation_shape: tuple[int, ...],
        modules: Sequence[nn.Module],
        hidden_sizes: Sequence[int],
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(*modules, nn.Flatten())
        with torch.no_grad():
            flat_size = self.convolutions(torch.zeros((1, *observation_shape), dtype=torch.uint8)).shape[1]
        sizes = (flat_size, *hidden_sizes)
        self.hidden = nn.Sequential(*hidden_layers(sizes, layer_norm, functools.partial(nn.ReLU, inplace=True)))
        self.num_features = sizes[-1]

    def forward(self, observation: Num[Tensor, "B C H W"]) -> Float[Tensor, "B F"]:
        return self.hidden(self.convolutions(observation))


class Convolution(NamedTuple):
    """One layer of a `StackedTorso`."""

    num_channels: int
    kernel_size: int
    stride: int
    padding: int = 0


class StackedTorso(ConvolutionalTorso):
    """Rectified convolutions, one after the other, and hidden layers.

    Attributes:
        layers: the convolutions, the first of them over pixels.
        sizes: units of the hidden layers where none are given.
    """

    layers: ClassVar[tuple[Convolution, ...]]
    sizes: ClassVar[tuple[int, ...]]

    def __init__(
        self,
        observation_shape: tuple[int, ...],
        hidden_sizes: Sequence[int] | None = None,
        layer_norm: bool = False,
        pixel_max: float | None = None,
    ) -> None:
        modules: list[nn.Conv2d] = [PixelConvolution(observation_shape[0], *self.layers[0], pixel_max=pixel_max)]
        modules += [nn.Conv2d(before.num_channels, *layer) for before, layer in itertools.pairwise(self.layers)]
        sizes = self.sizes if hidden_sizes is None else hidden_sizes
        super().__init__(observation_shape, rectified(modules, layer_norm), sizes, layer_norm)


class NatureTorso(StackedTorso):
    """The network of Mnih et al. 2015 (Methods, model architecture) up to its last hidden layer."""

    layers = (Convolution(32, 8, stride=4), Convolution(64, 4, stride=2), Convolution(64, 3, stride=1))
    sizes = (512,)


class NipsTorso(StackedTorso):
    """The network of Mnih et al. 2013 (arXiv 1312.5602, section 4.1) up to its last hidden layer."""

    layers = (Convolution(16, 8, stride=4), Convolution(32, 4, stride=2))
    sizes = (256,)


class DataEfficientTorso(StackedTorso):
    """The network of data-efficient Rainbow (van Hasselt et al. 2019, appendix E) up to its last hidden layer."""

    layers = (Convolution(32, 5, stride=5), Convolution(64, 5, stride=5))
    sizes = (256,)


class SmallTorso(StackedTorso):
    """Two 3x3 convolutions for images too small for the Nature network."""

    layers = (Convolution(16, 3, stride=1, padding=1), Convolution(16, 3, stride=2, padding=1))
    sizes = (128,)


class ResidualBlock(nn.Module):
    """Two rectified 3x3 convolutions around which the input is carried (He et al. 2016)."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(num_channels, num_channels, kernel_size=3, padding=1)
        self.second = nn.Conv2d(num_channels, num_channels, kernel_size=3, padding=1)

    def forward(self, planes: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        return planes + self.second(torch.relu(self.first(torch.relu(planes))))


class ImpalaTorso(ConvolutionalTorso):
    """The residual network of Espeholt et al. 2018 (IMPALA, figure 3, right) up to its last hidden layer."""

    def __init__(
        self,
        observation_shape: tuple[int, ...],
        hidden_sizes: Sequence[int] = (256,),
        layer_norm: bool = False,
        pixel_max: float | None = None,
    ) -> None:
        modules: list[nn.Module] = []
        sizes = (observation_shape[0], 16, 32, 32)
        for num_inputs, num_outputs in itertools.pairwise(sizes):
            kind = nn.Conv2d if modules else functools.partial(PixelConvolution, pixel_max=pixel_max)
            modules.append(kind(num_inputs, num_outputs, kernel_size=3, padding=1))
            modules += [nn.GroupNorm(1, num_outputs)] if layer_norm else []
            modules.append(nn.MaxPool2d(kernel_size=3, stride=2, padding=1))
            modules += [ResidualBlock(num_outputs), ResidualBlock(num_outputs)]
        super().__init__(observation_shape, [*modules, nn.ReLU()], hidden_sizes, layer_norm)


class VectorTorso(nn.Module):
    """Hidden layers for vector observations, two unless ``hidden_sizes`` says otherwise."""

    def __init__(
        self,
        observation_shape: tuple[int, ...],
        hidden_sizes: Sequence[int] = (128, 128),
        layer_norm: bool = False,
        activation: type[nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        sizes = (math.prod(observation_shape), *hidden_sizes)
        self.num_features = sizes[-1]
        self.layers = nn.Sequential(nn.Flatten(), *hidden_layers(sizes, layer_norm, activation))

    def forward(self, observation: Float[Tensor, "B ..."]) -> Float[Tensor, "B F"]:
        return self.layers(observation)


class FlatPixelTorso(VectorTorso):
    """Hidden layers for the pixels of images, read as numbers from 0 to 1."""

    def __init__(self, observation_shape: tuple[int, ...], *args: Any, pixel_max: float | None, **kwargs: Any) -> None:
        super().__init__(observation_shape, *args, **kwargs)
        self.pixel_max = pixel_max or 255.0

    def forward(self, observation: Num[Tensor, "B C H W"]) -> Float[Tensor, "B F"]:
        return self.layers(observation.float() / self.pixel_max)
