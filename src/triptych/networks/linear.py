"""A linear layer that mixed precision costs less."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Linear(nn.Linear):
    """A linear layer whose weights are rounded for autocast once for many passes from which nothing is learned.

    Autocast rounds all weights in every pass, which for the widest layer of a network for images takes about as long
    as its product. A target network's stay the same for hundreds of passes, those that act for a whole rollout or
    search. Results are the same to the last bit. Of weights that are learned a rounding is kept only where
    `tell_of_steps` has been called for their optimizer.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self._rounded: dict[str, tuple[object, Tensor]] = {}  # of each parameter, and what it is the rounding of

    def forward(self, x: Float[Tensor, "*batch I"]) -> Float[Tensor, "*batch O"]:
        return nn.functional.linear(x, self.rounded("weight"), self.rounded("bias"))

    def rounded(self, name: str) -> Tensor:
        """Return a parameter as a product under autocast needs it, or as it is."""
        parameter: Tensor = getattr(self, name)
        if torch.compiler.is_compiling():  # which makes one pass of rounding and product
            return parameter
        device_type = parameter.device.type
        if parameter.requires_grad and not getattr(parameter, "tells_of_steps", False):
            self._rounded.pop(name, None)
            return parameter
        is_learned_from = parameter.requires_grad and torch.is_grad_enabled()
        if is_learned_from or parameter.is_inference() or not torch.is_autocast_enabled(device_type):
            return parameter
        dtype = torch.get_autocast_dtype(device_type)
        # What writes into a tensor raises its version; what moves a module gives the parameter other memory. A tensor
        # made in inference mode cannot be used where there are gradients.
        of = dtype, parameter._version, parameter.data_ptr(), torch.is_inference_mode_enabled()
        kept = self._rounded.get(name)
        if kept is None or kept[0] != of:
            self._rounded[name] = kept = of, parameter.detach().to(dtype)
        return kept[1]

    def __getstate__(self) -> dict[str, object]:
        """Copy and save without what can be made again."""
        return super().__getstate__() | {"_rounded": {}}


def tell_of_steps(optimizer: torch.optim.Optimizer) -> None:
    """Raise the version of an optimizer's parameters with each of its steps, which fused ones do not do themselves."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for parameter in parameters:
        parameter.tells_of_steps = True
    optimizer.register_step_post_hook(lambda *_: torch.autograd.graph.increment_version(parameters))
