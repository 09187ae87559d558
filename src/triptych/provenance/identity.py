"""The identity of a run: what decides its learning, as plain settings and as a hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

DECIDING = ("algo", "env", "protocol", "seed")  # top-level keys of a configuration
# Where these differ, runs still learn the same.
NOT_DECIDING = {"storage", "num_threads", "use_processes", "total_frames"}
# Keys that came later, with the value at which runs learn as before there were these: such a run is still the same.
LATER = {"epsilon_duration_exponent": None}


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """List every key of nested dicts with its value, dotted."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, f"{prefix}{key}.")
    else:
        yield prefix[:-1], node


def deciding_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that decide the learning, by dotted keys."""
    settings = {key: value for name in DECIDING for key, value in leaves(config.get(name, {}), f"{name}.")}
    if {"algo.num_envs", "env.num_envs"} <= settings.keys():  # the first is only what the second is by default
        settings["algo.num_envs"] = settings["env.num_envs"]
    start = config.get("ckpt_path")  # of weights from another run; most runs have none
    given = {} if start is None else {"ckpt_path": start}
    devices = config.get("trainer", {}).get("devices", 1)  # processes that share the work, each with chances of its own
    given |= {} if devices == 1 else {"trainer.devices": devices}
    named = {key: key.rpartition(".")[2] for key in settings}
    left_out = {key for key, name in named.items() if name in NOT_DECIDING}
    left_out |= {key for key, name in named.items() if name in LATER and settings[key] == LATER[name]}
    return given | {key: value for key, value in settings.items() if key not in left_out}


def identity_hash(settings: Mapping[str, Any]) -> str:
    """Return eight hexadecimal digits that differ where the settings do."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:8]
