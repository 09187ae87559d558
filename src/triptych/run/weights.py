"""The weights of another run: found, read as plain data, and loaded into a module that has places for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from triptych.files import check_seal
from triptych.types import ConfigurationError

SHOWN = 4  # tensors that a sentence names


def find_checkpoint(path: Path) -> Path:
    """Return the file of a checkpoint, of a run's folder its best one.

    Raises:
        ConfigurationError: there is none.
    """
    candidates = [path / "checkpoints" / f"{name}.ckpt" for name in ("best", "last")] if path.is_dir() else [path]
    found = next((one for one in candidates if one.is_file()), None)
    if found is None:
        what = "a run's folder without a checkpoint" if path.is_dir() else "neither a run's folder nor a checkpoint"
        raise ConfigurationError(f"{path} is {what}; give the folder of a run, as train.py prints it, or a .ckpt file.")
    return found


def read_state(path: Path) -> dict[str, Any]:
    """Read a module's state from a checkpoint; only tensors and plain data are accepted.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        check_seal(path)
        state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
        if not isinstance(state, dict):
            raise TypeError("its state is no dict")
    except Exception as error:  # a broken file may fail in any way
        raise ConfigurationError(
            f"Checkpoint {path} cannot be read ({type(error).__name__}): it is cut short, damaged or not of a run."
        ) from error
    return state


def differences(module: nn.Module, state: Mapping[str, Any]) -> str:
    """Say in which tensors a state does not fit a module; empty where it fits. Counters are left out."""
    here, there = _weights(module.state_dict()), _weights(state)
    found = [
        f"{name} is {_shape(there[name])} in it and {_shape(here[name])} here" if name in there else f"it has no {name}"
        for name in here
        if _shape(there.get(name)) != _shape(here[name])
    ]
    found += [f"there is no {name} here" for name in there if name not in here]
    rest = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return ", ".join([*found[:SHOWN], *rest])


def load_weights(module: nn.Module, path: Path) -> None:
    """Load the weights of a checkpoint, observation statistics included, but neither counters nor random numbers.

    Raises:
        ConfigurationError: it cannot be read, or does not fit.
    """
    state = read_state(path)
    found = differences(module, state)
    if found:
        raise ConfigurationError(
            f"ckpt_path={path} does not fit this algo and env: {found}; it takes a run of the same networks, "
            "observations and actions."
        )
    module.load_state_dict(_weights(state), strict=False)


def _weights(state: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in state.items() if not str(name).endswith("_extra_state")}


def _shape(value: Any) -> list[int] | str:
    return list(value.shape) if isinstance(value, Tensor) else "no tensor"
