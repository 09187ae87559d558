"""Which torso an algorithm gets: by what is seen, by a name and sizes, or a class of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from triptych.networks.torsos import (
    ConvolutionalTorso,
    DataEfficientTorso,
    FlatPixelTorso,
    ImpalaTorso,
    NatureTorso,
    NipsTorso,
    SmallTorso,
    VectorTorso,
)
from triptych.types import ConfigurationError, EnvSpec
from triptych.types.bounds import Between

CONVOLUTIONAL = {
    "nature": NatureTorso,
    "nips": NipsTorso,
    "data_efficient": DataEfficientTorso,
    "impala": ImpalaTorso,
    "small": SmallTorso,
}
MIN_SIZES = {"nature": 36, "nips": 20, "data_efficient": 25}  # pixels of height and width; of fewer nothing is left


class Network(NamedTuple):
    """The settings of ``algo.network``; what is ``None`` the algorithm chooses.

    ``torso`` is ``nature`` (Mnih et al. 2015), ``nips`` (Mnih et al. 2013), ``data_efficient`` (van Hasselt et al.
    2019), ``impala`` (Espeholt et al. 2018), ``small`` (two convolutions) or ``mlp`` (none); ``hidden_sizes`` are the
    units of the layers after it, the last of which are the features.
    """

    torso: Literal["nature", "nips", "data_efficient", "impala", "small", "mlp"] | None = None
    hidden_sizes: list[Annotated[int, Between(1, 65_536)]] | None = None


OwnNetwork = Callable[[EnvSpec], nn.Module]


class OwnTorso(nn.Module):
    """A module of the user's own, whose features were counted, and which keeps its own initial weights.

    It is given float32 observations ``[B, *observation_shape]``, pixels as numbers from 0 to 1.

    Raises:
        ConfigurationError: it does not map them to features ``[B, F]``.
    """

    def __init__(self, module: nn.Module, spec: EnvSpec) -> None:
        super().__init__()
        self.module = module
        self.pixel_max = (spec.pixel_max or 255.0) if spec.is_image else 1.0
        wanted = f"it must map observations {_shape('B', *spec.observation_shape)} to features [B, F]"
        was_training = module.training
        try:
            with torch.no_grad():
                features = module.eval()(torch.zeros((2, *spec.observation_shape)))
        except Exception as error:  # a module of anybody's may raise anything
            said = str(error).strip().splitlines()
            raise ConfigurationError(
                f"algo.network ({type(module).__name__}) does not fit: {wanted}, but fails "
                f"({type(error).__name__}: {said[0] if said else 'no message'})."
            ) from error
        if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != 2 or features.shape[1] == 0:
            is_tensor = isinstance(features, Tensor)
            gave = _shape(*features.shape) if is_tensor else type(features).__name__
            raise ConfigurationError(
                f"algo.network ({type(module).__name__}) does not fit: {wanted}, but makes {gave} of 2 observations."
            )
        module.train(was_training)
        self.num_features = features.shape[1]

    def forward(self, observation: Tensor) -> Float[Tensor, "B F"]:
        return self.module(observation.float() / self.pixel_max)


Torso = ConvolutionalTorso | VectorTorso | OwnTorso


def make_torso(
    spec: EnvSpec,
    network: Network | OwnNetwork | None = None,
    *,
    layer_norm: bool = False,
    vector_sizes: Sequence[int] = (128, 128),
    activation: type[nn.Module] = nn.ReLU,
) -> Torso:
    """Make a torso for the observations of an environment.

    Where nothing is chosen, it is the Nature network for images from 36 pixels, two convolutions for smaller ones and
    hidden layers for vectors.

    Args:
        spec: of the environments.
        network: what the user chose, or makes a module of the user's own from the ``spec``.
        layer_norm: normalise the layers; not those of the user's own.
        vector_sizes, activation: of the hidden layers where there are no convolutions.

    Raises:
        ConfigurationError: the choice does not fit what is seen.
    """
    if callable(network):
        return OwnTorso(network(spec), spec)
    name, sizes = network or Network()
    shape = spec.observation_shape
    num_pixels = min(shape[1:]) if spec.is_image else 0  # of the shorter side
    if name is None:
        name = "nature" if num_pixels >= MIN_SIZES["nature"] else "small" if spec.is_image else "mlp"
    if name == "mlp":
        mlp_sizes = vector_sizes if sizes is None else sizes
        if spec.is_image:
            return FlatPixelTorso(shape, mlp_sizes, layer_norm, activation, pixel_max=spec.pixel_max)
        return VectorTorso(shape, mlp_sizes, layer_norm, activation)
    if not spec.is_image:
        raise ConfigurationError(
            f"algo.network.torso={name} is for images, but {spec.name} shows vectors; use algo.network.torso=mlp."
        )
    if num_pixels < MIN_SIZES.get(name, 1):
        raise ConfigurationError(
            f"algo.network.torso={name} is for images from {MIN_SIZES[name]} pixels, but {spec.name} shows "
            f"{shape[1]} x {shape[2]}; use small, impala or mlp."
        )
    given = {} if sizes is None else {"hidden_sizes": sizes}
    return CONVOLUTIONAL[name](shape, layer_norm=layer_norm, pixel_max=spec.pixel_max, **given)


def _shape(*sizes: object) -> str:
    return f"[{', '.join(map(str, sizes))}]"
