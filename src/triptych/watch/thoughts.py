"""What a module thinks of the observations of a game, what in them it follows, and what its first layer gives."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from triptych.types import Explanation

PIECE = 32  # observations that are looked at together


class Thoughts(NamedTuple):
    """What was thought at each of T steps; the tensors of ``said`` are on the CPU and without gradients."""

    said: Explanation
    saliency: np.ndarray | None  # [T, H, W] float32 from 0: |∂V/∂pixel|, summed over the channels; of pictures alone
    filters: np.ndarray | None  # [F, C, h, w] float32, the weights of the first convolution
    activations: dict[int, np.ndarray]  # of some steps, [F, h, w] float32: what it gives, before the rectifier


def think(module: nn.Module, observations: np.ndarray, is_image: bool, steps: Collection[int] = ()) -> Thoughts:
    """Ask a module for its `Explanation` of ``[T, *observation_shape]``, in the order of the game.

    Args:
        module: with ``explain``, on the CPU.
        observations: of one game.
        is_image: whether they are pictures.
        steps: of which the activations are kept.
    """
    module.eval()
    said: list[Explanation] = []
    saliency: list[np.ndarray] = []
    activations: dict[int, np.ndarray] = {}
    with FirstLayer(module) as first:
        for start in range(0, len(observations), PIECE):
            seen = torch.from_numpy(observations[start : start + PIECE])
            seen = seen.float().requires_grad_() if is_image else seen
            with torch.set_grad_enabled(is_image):
                explanation = module.explain(seen)  # type: ignore[operator]
            if is_image and (salient := saliency_of(explanation, seen)) is not None:
                saliency.append(salient)
            output = first.take()
            if output is not None and len(output) == len(seen):
                inside = [step for step in steps if start <= step < start + len(seen)]
                activations |= {step: output[step - start].numpy() for step in inside}
            said.append(Explanation(*(field if field is None else field.detach().cpu() for field in explanation)))
        filters = None if first.layer is None or not activations else first.layer.weight.detach().float().numpy()
    return Thoughts(_joined(said), np.concatenate(saliency) if saliency else None, filters, activations)


def saliency_of(explanation: Explanation, seen: Tensor) -> np.ndarray | None:
    """Return ``[T, H, W]``: how much each pixel of ``[T, C, H, W]`` moves what is expected of the game.

    That is the value, or the largest Q-value; where there is neither, the probability of the likeliest action.
    ``None`` where none of them has a gradient.
    """
    largest = [field.amax(dim=-1) for field in (explanation.q_values, explanation.action_probs) if field is not None]
    found = next((one for one in [explanation.value, *largest] if one is not None and one.requires_grad), None)
    if found is None:
        return None
    (gradient,) = torch.autograd.grad(found.sum(), seen)
    return gradient.abs().sum(dim=1).numpy()


def _joined(said: list[Explanation]) -> Explanation:
    fields: dict[str, Tensor | None] = {}
    for name, parts in zip(Explanation._fields, zip(*said, strict=True), strict=True):
        if parts[0] is None:
            fields[name] = None
        else:  # a support is the same at every step
            fields[name] = parts[0] if name == "atoms" and parts[0].ndim == 1 else torch.cat(parts)
    return Explanation(**fields)


class FirstLayer:
    """Keeps what the first convolution that is reached gives, while it is entered.

    Attributes:
        layer: that convolution, once it was reached.
    """

    def __init__(self, module: nn.Module) -> None:
        self.layer: nn.Conv2d | None = None
        self._output: Tensor | None = None
        self._layers = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]

    def __enter__(self) -> FirstLayer:
        self._handles = [layer.register_forward_hook(self._keep) for layer in self._layers]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _keep(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d)
        if self._output is None:  # a rectifier after it may write over the output
            self.layer, self._output = layer, output.detach().float().clone()

    def take(self) -> Tensor | None:
        """Return what it gave since the last call, ``[T, F, h, w]``; ``None`` without a convolution."""
        output, self._output = self._output, None
        return output
