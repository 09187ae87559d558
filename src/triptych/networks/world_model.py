"""World models: a state from an observation, the next state from an action, and what a state promises.

The three functions of Schrittwieser et al. 2020, figure 1: representation h, dynamics g, prediction f.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, one_hot

from triptych.networks.torsos import PixelConvolution, SmallTorso, VectorTorso, hidden_layers
from triptych.types import EnvSpec


class Prediction(NamedTuple):
    """What the model says of a state."""

    policy_logits: Float[Tensor, "B A"]
    value_logits: Float[Tensor, "B S"]


def scale_to_unit(state: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
    """Bring each state to [0, 1], the range of the encoded action (Schrittwieser et al. 2020, appendix G).

    In single precision, whatever the precision of the layers: a search hands states on from step to step.
    """
    state = state.float()
    flat = state.flatten(1)
    low, high = (extreme.view(-1, *[1] * (state.ndim - 1)) for extreme in torch.aminmax(flat, dim=1))
    return (state - low) / (high - low).clamp(min=1e-5)


def normalized_layers(*sizes: int) -> nn.Sequential:
    """Return linear layers, each normalised and rectified."""
    return nn.Sequential(*hidden_layers(sizes, layer_norm=True, activation=functools.partial(nn.ReLU, inplace=True)))


class Head(nn.Module):
    """Hidden layers and one linear layer that starts at zero: uniform policies, values and rewards of zero."""

    def __init__(self, num_inputs: int, hidden_size: int, num_outputs: int) -> None:
        super().__init__()
        self.hidden = normalized_layers(num_inputs, hidden_size)
        self.out = nn.Linear(hidden_size, num_outputs)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, features: Float[Tensor, "B F"]) -> Float[Tensor, "B O"]:
        hidden = self.hidden(features)
        with torch.autocast(features.device.type, enabled=False):
            return self.out(hidden.float())


class RewardHead(nn.Module):
    """The reward of each step on its own; it remembers nothing."""

    def __init__(self, num_inputs: int, hidden_size: int, num_outputs: int) -> None:
        super().__init__()
        self.head = Head(num_inputs, hidden_size, num_outputs)

    def initial_memory(self, features: Tensor) -> tuple[Tensor, ...]:
        return ()

    def forward(
        self, features: Float[Tensor, "B F"], memory: tuple[Tensor, ...]
    ) -> tuple[Float[Tensor, "B S"], tuple[Tensor, ...]]:
        return self.head(features), memory


class ValuePrefixHead(nn.Module):
    """The sum of the rewards since the memory was empty (Ye et al. 2021, section 4.2).

    When exactly within a few steps a reward comes is hard to say; that it comes is easier.
    """

    def __init__(self, num_inputs: int, hidden_size: int, num_outputs: int, memory_size: int = 512) -> None:
        super().__init__()
        self.memory_size = memory_size
        self.cell = nn.LSTMCell(num_inputs, memory_size)
        self.head = Head(memory_size, hidden_size, num_outputs)

    def initial_memory(self, features: Tensor) -> tuple[Tensor, ...]:
        zeros = features.new_zeros(len(features), self.memory_size, dtype=torch.float32)
        return zeros, zeros

    def forward(
        self, features: Float[Tensor, "B F"], memory: tuple[Tensor, ...]
    ) -> tuple[Float[Tensor, "B S"], tuple[Tensor, ...]]:
        hidden, cell = self.cell(features, memory)
        hidden, cell = hidden.float(), cell.float()
        return self.head(hidden), (hidden, cell)


class Projection(nn.Module):
    """Where states are compared: a projector and a predictor (Ye et al. 2021, appendix A.1; Chen & He 2021)."""

    def __init__(self, num_inputs: int, size: int = 512) -> None:
        super().__init__()
        self.projector = nn.Sequential(nn.Flatten(), *normalized_layers(num_inputs, size, size), nn.Linear(size, size))
        self.predictor = nn.Sequential(*normalized_layers(size, size), nn.Linear(size, size))

    def forward(self, imagined: Float[Tensor, "B ..."], seen: Float[Tensor, "B ..."]) -> Float[Tensor, " B"]:
        """Return how alike, from -1 to 1, imagined states are to those of what was then seen, taken as given."""
        with torch.no_grad():
            target = self.projector(seen)
        return cosine_similarity(self.predictor(self.projector(imagined)).float(), target.float(), dim=-1)


class VectorModel(nn.Module):
    """States ``[B, state_size]``, for vectors and for images too small for a picture of their own.

    Args:
        spec: of the environments; actions must be discrete.
        num_value_bins, num_reward_bins: S of the categorical supports.
        value_prefix: sum rewards up instead of telling each.
        state_size, hidden_size: units.
    """

    def __init__(
        self,
        spec: EnvSpec,
        num_value_bins: int,
        num_reward_bins: int,
        value_prefix: bool,
        state_size: int = 64,
        hidden_size: int = 128,
    ) -> None:
        super().__init__()
        assert spec.num_actions is not None
        self.num_actions = spec.num_actions
        self.torso: nn.Module
        if spec.is_image:
            self.torso = SmallTorso(spec.observation_shape, (hidden_size,), pixel_max=spec.pixel_max)
        else:
            self.torso = VectorTorso(spec.observation_shape, (hidden_size, hidden_size))
        self.encoder = nn.Linear(hidden_size, state_size)
        self.transition = normalized_layers(state_size + self.num_actions, hidden_size, hidden_size)
        self.next_state = nn.Linear(hidden_size, state_size)
        self.reward = (ValuePrefixHead if value_prefix else RewardHead)(hidden_size, hidden_size, num_reward_bins)
        self.state_size = state_size
        self.policy = Head(state_size, hidden_size, self.num_actions)
        self.value = Head(state_size, hidden_size, num_value_bins)

    def represent(self, observation: Tensor) -> Float[Tensor, "B F"]:
        return scale_to_unit(self.encoder(self.torso(observation)))

    def step(
        self, state: Float[Tensor, "B F"], action: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B F"], Float[Tensor, "B H"]]:
        """Return the next state, and the features from which `reward` tells the reward."""
        encoded = one_hot(action, self.num_actions).to(state.dtype)
        features = self.transition(torch.cat([state, encoded], dim=-1))
        return scale_to_unit(state + self.next_state(features)), features

    def predict(self, state: Float[Tensor, "B F"]) -> Prediction:
        return Prediction(self.policy(state), self.value(state))


class NormalizedResidualBlock(nn.Module):
    """Two normalised 3x3 convolutions around a shortcut (He et al. 2016)."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(num_channels, num_channels, kernel_size=3, padding=1, bias=False),
            nn.GroupNorm(1, num_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(num_channels, num_channels, kernel_size=3, padding=1, bias=False),
            nn.GroupNorm(1, num_channels),
        )

    def forward(self, features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        return torch.relu(features + self.layers(features))


def planes(num_channels: int) -> nn.Sequential:
    """Return a 1x1 convolution to 16 flattened channels."""
    return nn.Sequential(
        nn.Conv2d(num_channels, 16, kernel_size=1), nn.GroupNorm(1, 16), nn.ReLU(inplace=True), nn.Flatten()
    )


class PlaneHead(nn.Module):
    """A 1x1 convolution to 16 channels, then a `Head` of 32 hidden units (Ye et al. 2021, appendix A.1)."""

    def __init__(self, state_shape: tuple[int, int, int], num_outputs: int) -> None:
        super().__init__()
        num_channels, height, width = state_shape
        self.planes = planes(num_channels)
        self.head = Head(16 * height * width, 32, num_outputs)

    def forward(self, state: Float[Tensor, "B C H W"]) -> Float[Tensor, "B O"]:
        return self.head(self.planes(state))


def nature_layers(num_channels: int, pixel_max: float | None) -> list[nn.Module]:
    """Return the convolutions of Mnih et al. 2015: 84 pixels to 7, in few operations."""
    return [
        PixelConvolution(num_channels, 32, kernel_size=8, stride=4, pixel_max=pixel_max),
        nn.GroupNorm(1, 32),
        nn.ReLU(inplace=True),
        nn.Conv2d(32, 64, kernel_size=4, stride=2),
        nn.GroupNorm(1, 64),
        nn.ReLU(inplace=True),
        nn.Conv2d(64, 64, kernel_size=3),
    ]


def efficientzero_layers(num_channels: int, pixel_max: float | None) -> list[nn.Module]:
    """Return the downsampling of Ye et al. 2021, appendix A.1: 96 pixels to 6, with residual blocks on the way."""
    return [
        PixelConvolution(num_channels, 32, kernel_size=3, stride=2, padding=1, bias=False, pixel_max=pixel_max),
        nn.GroupNorm(1, 32),
        nn.ReLU(inplace=True),
        NormalizedResidualBlock(32),
        nn.Conv2d(32, 64, kernel_size=3, stride=2, padding=1, bias=False),
        nn.GroupNorm(1, 64),
        nn.ReLU(inplace=True),
        NormalizedResidualBlock(64),
        nn.AvgPool2d(kernel_size=3, stride=2, padding=1),
        NormalizedResidualBlock(64),
        nn.AvgPool2d(kernel_size=3, stride=2, padding=1),
        NormalizedResidualBlock(64),
    ]


def board_layers(num_channels: int, pixel_max: float | None) -> list[nn.Module]:
    """Return convolutions that leave a board its size (Schrittwieser et al. 2020, appendix F, with fewer blocks)."""
    return [
        PixelConvolution(num_channels, 64, kernel_size=3, padding=1, bias=False, pixel_max=pixel_max),
        nn.GroupNorm(1, 64),
        nn.ReLU(inplace=True),
        NormalizedResidualBlock(64),
        NormalizedResidualBlock(64),
    ]


class PictureModel(nn.Module):
    """States ``[B, 64, H, W]``, small pictures of what is seen.

    Args:
        spec: of the environments; actions must be discrete.
        num_value_bins, num_reward_bins: S of the categorical supports.
        representation: ``nature``, ``efficientzero`` or ``board``.
        value_prefix: sum rewards up instead of telling each.
    """

    def __init__(
        self, spec: EnvSpec, num_value_bins: int, num_reward_bins: int, value_prefix: bool, representation: str
    ) -> None:
        super().__init__()
        assert spec.num_actions is not None
        self.num_actions = spec.num_actions
        layers = {"nature": nature_layers, "efficientzero": efficientzero_layers, "board": board_layers}[representation]
        self.representation = nn.Sequential(*layers(spec.observation_shape[0], spec.pixel_max))
        with torch.no_grad():
            shape = self.representation(torch.zeros((1, *spec.observation_shape), dtype=torch.uint8)).shape
        channels, height, width = shape[1:]
        # The action enters as one plane for each action, all ones or all zeros.
        self.transition = nn.Sequential(
            nn.Conv2d(channels + self.num_actions, channels, kernel_size=3, padding=1, bias=False),
            nn.GroupNorm(1, channels),
        )
        self.dynamics = NormalizedResidualBlock(channels)
        self.prediction = NormalizedResidualBlock(channels)
        state_shape = (channels, height, width)
        self.reward_planes = planes(channels)
        self.reward = (ValuePrefixHead if value_prefix else RewardHead)(16 * height * width, 32, num_reward_bins)
        self.state_size = channels * height * width
        self.policy = PlaneHead(state_shape, self.num_actions)
        self.value = PlaneHead(state_shape, num_value_bins)

    def represent(self, observation: Tensor) -> Float[Tensor, "B C H W"]:
        return scale_to_unit(self.representation(observation))

    def step(
        self, state: Float[Tensor, "B C H W"], action: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B C H W"], Float[Tensor, "B F"]]:
        """Return the next state, and the features from which `reward` tells the reward."""
        encoded = one_hot(action, self.num_actions).to(state.dtype)[:, :, None, None].expand(-1, -1, *state.shape[2:])
        features = torch.relu(state + self.transition(torch.cat([state, encoded], dim=1)))
        features = self.dynamics(features)
        return scale_to_unit(features), self.reward_planes(features)

    def predict(self, state: Float[Tensor, "B C H W"]) -> Prediction:
        features = self.prediction(state)
        return Prediction(self.policy(features), self.value(features))


def make_world_model(
    spec: EnvSpec, num_value_bins: int, num_reward_bins: int, value_prefix: bool, representation: str
) -> VectorModel | PictureModel:
    """Choose by what is seen: states are pictures for images from 36 pixels and for boards, vectors for the rest."""
    is_board, spec = spec.seen.is_image and not spec.shows_pictures, spec.seen
    if is_board:
        return PictureModel(spec, num_value_bins, num_reward_bins, value_prefix, "board")
    if spec.is_image and min(spec.observation_shape[1:]) >= 36:
        return PictureModel(spec, num_value_bins, num_reward_bins, value_prefix, representation)
    return VectorModel(spec, num_value_bins, num_reward_bins, value_prefix)
