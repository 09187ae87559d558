"""What comes next of what is seen, in the features of a torso (Schwarzer et al. 2021, SPR)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, one_hot

from triptych.networks.torsos import ConvolutionalTorso
from triptych.networks.world_model import scale_to_unit


class LatentModel(nn.Module):
    """A transition of feature maps by an action, and where imagined and seen ones are compared (appendix C).

    Two convolutions of 64 channels, the action as one plane for each, all ones or all zeros. Maps are compared behind
    the torso's last hidden layer, the imagined ones through a linear predictor besides.

    Args:
        torso: whose maps they are.
        observation_shape: ``(C, H, W)``.
        num_actions: of the environments.
    """

    def __init__(self, torso: ConvolutionalTorso, observation_shape: tuple[int, ...], num_actions: int) -> None:
        super().__init__()
        self.num_actions = num_actions
        with torch.no_grad():
            num_channels = feature_map(torso, torch.zeros((1, *observation_shape), dtype=torch.uint8)).shape[1]
        self.transition = nn.Sequential(
            nn.Conv2d(num_channels + num_actions, 64, kernel_size=3, padding=1),
            nn.GroupNorm(1, 64),
            nn.ReLU(),
            nn.Conv2d(64, num_channels, kernel_size=3, padding=1),
            nn.ReLU(),
        )
        self.predictor = nn.Linear(torso.num_features, torso.num_features)

    def step(self, state: Float[Tensor, "B C H W"], action: Int[Tensor, " B"]) -> Float[Tensor, "B C H W"]:
        """Return the map that follows, each scaled to [0, 1]."""
        planes = one_hot(action, self.num_actions).to(state.dtype)[:, :, None, None].expand(-1, -1, *state.shape[2:])
        return scale_to_unit(self.transition(torch.cat([state, planes], dim=1)))

    def likeness(
        self, torso: ConvolutionalTorso, imagined: Float[Tensor, "B C H W"], seen: Float[Tensor, "B F"]
    ) -> Float[Tensor, " B"]:
        """Return how alike, from -1 to 1, imagined maps are to projections of what was seen."""
        return cosine_similarity(self.predictor(project(torso, imagined)).float(), seen.float(), dim=-1)


def feature_map(torso: ConvolutionalTorso, observation: Tensor) -> Float[Tensor, "B C H W"]:
    """Return what the convolutions make of images, each scaled to [0, 1]."""
    *layers, _ = torso.convolutions
    for layer in layers:
        observation = layer(observation)
    return scale_to_unit(observation)


def project(torso: ConvolutionalTorso, state: Float[Tensor, "B C H W"]) -> Float[Tensor, "B F"]:
    """Return what the hidden layers make of feature maps."""
    return torso.hidden(state.flatten(1))
