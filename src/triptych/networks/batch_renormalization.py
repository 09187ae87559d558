"""Batch renormalisation (Ioffe 2017): layers normalised by a batch, corrected to what running statistics would give."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

MAX_SCALE, MAX_SHIFT = 3.0, 5.0  # r_max and d_max of Ioffe 2017, section 4.1
EPSILON, DECAY = 1e-3, 0.99  # added to the variance, and of the running statistics, as in CrossQ's code


class BatchRenormalization(nn.Module):
    """Brings features to mean 0 and variance 1 over the rows of a batch, then scales and shifts them.

    Args:
        shape: of the scale, with a 1 where the rows are: ``(1, F)``, or ``(H, 1, F)`` of H layers side by side.
        warmup_updates: batches before which the correction is left out: it is batch normalisation until then.
    """

    mean: Tensor
    variance: Tensor
    num_batches: Tensor

    def __init__(self, shape: tuple[int, ...], warmup_updates: int) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(shape)), nn.Parameter(torch.zeros(shape))
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("variance", torch.ones(shape))
        self.register_buffer("num_batches", torch.zeros((), dtype=torch.int64))
        self.warmup_updates = warmup_updates

    def forward(
        self, x: Float[Tensor, "*batch F"], is_batch: bool = False, is_frozen: bool = False
    ) -> Float[Tensor, "*batch F"]:
        """Return the features normalised: by these rows, which are then counted in, or by the running statistics."""
        x = x.float()  # mixed precision brings bfloat16, too coarse for statistics
        scale, shift = (self.scale.detach(), self.shift.detach()) if is_frozen else (self.scale, self.shift)
        if not is_batch:
            factor = scale * (self.variance + EPSILON).rsqrt()
            return torch.addcmul(shift - self.mean * factor, x, factor)
        with torch.no_grad():
            mean = x.mean(dim=-2, keepdim=True)
            variance = (x - mean).square_().mean(dim=-2, keepdim=True)
            std, running_std = (variance + EPSILON).sqrt(), (self.variance + EPSILON).sqrt()
            is_warm = (self.num_batches >= self.warmup_updates).to(x.dtype)
            r = 1.0 + is_warm * ((std / running_std).clamp(1.0 / MAX_SCALE, MAX_SCALE) - 1.0)
            d = is_warm * ((mean - self.mean) / running_std).clamp(-MAX_SHIFT, MAX_SHIFT)
            self.mean.lerp_(mean, 1.0 - DECAY)
            self.variance.lerp_(variance, 1.0 - DECAY)
            self.num_batches += 1
        # y = ((x - mean) / std · r + d) · scale + shift: batch normalisation with another scale and shift.
        scales, shifts = (scale * r).flatten(end_dim=-2), (shift + d * scale).flatten(end_dim=-2)  # each [H, F]
        layers = x.unbind() if x.dim() == 3 else (x,)
        each = [batch_norm(rows, scales[i], shifts[i]) for i, rows in enumerate(layers)]
        return torch.stack(each) if x.dim() == 3 else each[0]


def batch_norm(x: Float[Tensor, "B F"], scale: Float[Tensor, " F"], shift: Float[Tensor, " F"]) -> Float[Tensor, "B F"]:
    """Return the features normalised by these rows, scaled and shifted, in one pass forward and one backward."""
    return nn.functional.batch_norm(x, None, None, scale, shift, training=True, eps=EPSILON)
