"""Random changes of images that leave what they show."""

from __future__ import annotations

import torch
from jaxtyping import Float32, UInt8
from torch import Tensor
from torch.nn.functional import pad

SHIFT_FRACTION = 4 / 84  # of the image's size: 4 pixels of 84
INTENSITY_SCALE = 0.05

Images = UInt8[Tensor, "B C H W"] | Float32[Tensor, "B C H W"]


def random_shift(images: Images, num_pixels: int, generator: torch.Generator) -> Images:
    """Shift each image by up to ``num_pixels`` in both directions, its borders repeated (Yarats et al. 2021, DrQ)."""
    batch_size, num_channels, height, width = images.shape
    padded = pad(images.float(), (num_pixels,) * 4, mode="replicate").to(images.dtype)
    offsets = torch.randint(2 * num_pixels + 1, (2, batch_size), generator=generator)
    top, left = offsets.to(images.device, non_blocking=True)
    rows = top[:, None] + torch.arange(height, device=images.device)  # [B, H]
    columns = left[:, None] + torch.arange(width, device=images.device)  # [B, W]
    batch = torch.arange(batch_size, device=images.device)
    channels = torch.arange(num_channels, device=images.device)
    return padded[batch[:, None, None, None], channels[:, None, None], rows[:, None, :, None], columns[:, None, None]]


def augment(images: Images, generator: torch.Generator, shift_fraction: float = SHIFT_FRACTION) -> Images:
    """Shift each image by up to a fraction of its size, and change its intensity (Schwarzer et al. 2021, SPR)."""
    shifted = random_shift(images, round(shift_fraction * images.shape[-1]), generator)
    return random_intensity(shifted, INTENSITY_SCALE, generator)


def random_intensity(images: Images, scale: float, generator: torch.Generator) -> Images:
    """Multiply each image by 1 + ``scale`` · ε, ε from a normal clipped to ±2 (Schwarzer et al. 2021, SPR).

    Bytes are rounded and stay bytes.
    """
    noise = torch.randn((len(images), 1, 1, 1), generator=generator).clamp_(-2, 2)
    factor = 1 + scale * noise.to(images.device, non_blocking=True)
    scaled = images.float() * factor
    return scaled if images.is_floating_point() else scaled.clamp_(0, 255).round_().to(images.dtype)
