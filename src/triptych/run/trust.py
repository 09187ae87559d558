"""What a run's folder may name: a folder is data, and may be anybody's.

A configuration names classes to be imported and called. One from the command line is the user's own word; one from a
folder is not, so it may name only what this package has, unless the user says that the folder is trusted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from triptych.envs.extras import EXTRAS
from triptych.types import ConfigurationError

# A class in a file of a room, and nothing that is reached through it.
NAMES = {
    "algo.module": r"triptych\.algos\.\w+\.\w+",
    "algo.data": r"triptych\.data\.\w+\.\w+",
    "env._target_": r"triptych\.envs\.(atari\.Atari|gymnasium\.Gymnasium|openspiel\.OpenSpiel)",
}
# Those that record write files.
WRAPPERS = r"(triptych\.envs\.\w+|gymnasium\.wrappers|minigrid\.wrappers)\.(?!Record)[A-Z]\w+"
PACKAGES = frozenset(extra.module for extra in EXTRAS)  # that an environment's id may import


def check_names(config: Mapping[str, Any]) -> None:
    """Check the names in a configuration that was read from a folder.

    Raises:
        ConfigurationError: it names something that is not this package's own.
    """
    for key, pattern in NAMES.items():
        node, _, name = key.partition(".")
        _check(key, config.get(node, {}).get(name), pattern)
    network = config["algo"].get("network")
    if isinstance(network, dict) and "_target_" in network:  # a class of somebody's own by its nature
        raise _foreign("algo.network._target_", network["_target_"])
    env = config["env"]
    wrappers = env.get("wrappers") or []
    for wrapper in wrappers if isinstance(wrappers, list) else [wrappers]:
        _check("env.wrappers", wrapper.get("_target_") if isinstance(wrapper, dict) else wrapper, WRAPPERS)
    parameters = env.get("game_parameters") or {}
    for name, value in parameters.items() if isinstance(parameters, dict) else [("", parameters)]:
        if not isinstance(value, bool | int | float):  # a text may be a file that a game reads
            raise _foreign(f"env.game_parameters.{name}", value)
    package, colon, _ = str(env.get("id", "")).rpartition(":")
    if colon and package not in PACKAGES:
        raise _foreign("env.id", env["id"])


def _check(key: str, name: Any, pattern: str) -> None:
    if not isinstance(name, str) or re.fullmatch(pattern, name) is None:
        raise _foreign(key, name)


def _foreign(key: str, name: Any) -> ConfigurationError:
    return ConfigurationError(
        f"The folder's config.yaml names {key}={str(name)[:200]!r}, which is not of this package and would be run; "
        "if you trust whoever made the folder, say so with --trust."
    )
