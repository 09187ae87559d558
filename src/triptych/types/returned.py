"""What the methods of an algorithm return, looked at before it is used: one of the user's own may return anything."""

from __future__ import annotations

from numbers import Real
from typing import Any

from torch import Tensor

from triptych.types.errors import ConfigurationError
from triptych.types.learning import LossOutput


def check_actor_output(actor: object, output: Any, num_envs: int, action_shape: tuple[int, ...]) -> None:
    """Refuse what is no pair of actions ``[N, *action_shape]`` and extras.

    Raises:
        ConfigurationError: it is none.
    """
    is_pair = isinstance(output, tuple) and len(output) == 2
    action, extras = output if is_pair else (output, None)
    expected = (num_envs, *action_shape)
    if not isinstance(action, Tensor) or tuple(action.shape) != expected or not isinstance(extras, dict):
        found = f"{_name(action)} and {_name(extras)}" if is_pair else _name(output)
        raise ConfigurationError(
            f"algo: {type(actor).__name__}.act returned {found}; it takes ActorOutput(action, extras) with actions "
            f"{list(expected)} and a dict."
        )


def check_loss_output(algorithm: object, output: Any) -> None:
    """Refuse what is no `LossOutput` with a scalar loss; its metrics are looked at by `check_metrics`.

    Raises:
        ConfigurationError: it is none.
    """
    name = f"algo: {type(algorithm).__name__}.loss returned"
    if not isinstance(output, LossOutput):
        raise ConfigurationError(f"{name} {_name(output)}; it takes LossOutput(loss, metrics), or None.")
    if not isinstance(output.loss, Tensor) or output.loss.ndim:
        raise ConfigurationError(f"{name} a loss that is {_name(output.loss)}; it takes a scalar, such as its mean().")


def check_metrics(algorithm: object, metrics: dict[str, Any]) -> None:
    """Refuse metrics of which one is no single number.

    Raises:
        ConfigurationError: one is none.
    """
    for name, value in metrics.items():
        if not isinstance(value, Real) and not (isinstance(value, Tensor) and value.numel() == 1):
            said = f"algo: {type(algorithm).__name__} recorded {name}, {_name(value)}"
            raise ConfigurationError(f"{said}; it takes one number, such as a mean.")


def _name(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {list(value.shape)}"
    return "None" if value is None else f"a {type(value).__name__}"
