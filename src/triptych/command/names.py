"""The names that users type for what has another one here: other cases, public ids, whole numbers as 1e6."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from triptych.envs import atari
from triptych.types import ConfigurationError

NAMED = ("algo", "env", "experiment", "logger", "protocol", "trainer", "callbacks", "debug")
ATARI_ID = re.compile(r"(?:ALE/)?(\w+?)(?:NoFrameskip|Deterministic)?-v\d+(?:-ram)?", re.ASCII)
# Whole numbers with an exponent among the values of a key, and what is quoted, which is left as it is.
WHOLE = re.compile(r"""'(?:\\.|[^'])*'|"(?:\\.|[^"])*"|(?<![^=,(\[{:\s])[+-]?\d+(\.\d+)?[eE]\+?\d+(?![^,)\]}\s])""")
# What Hydra reads as a number, a flag or nothing.
NO_TEXT = re.compile(r"[+-]?\d[\d_]*(\.\d*)?([eE][+-]?\d+)?|true|false|null|nan|inf", re.IGNORECASE)


def canonical(arguments: Sequence[str], *folders: Path) -> list[str]:
    """Write a command line in the names of the options in these folders; what has none there is left as it is."""
    return [word for argument in arguments for word in _canonical(argument, folders)]


def _canonical(argument: str, folders: Sequence[Path]) -> list[str]:
    key, equals, value = argument.partition("=")
    if not equals or argument.startswith("-") or not value:
        return [argument]
    if key == "algo.network" or key.startswith("algo.network."):
        return [f"++{key}={_numbers(value)}"]
    if key == "env.make_kwargs" or key.startswith(("env.make_kwargs.", "callbacks.extra.")):
        return [f"++{argument}"]  # keywords of others: there is no list of those that may be given
    if key in ("run_dir", "ckpt_path"):
        return [f"{key}={_path(value)}"]
    group = key.lstrip("+")  # every group is there already, to be chosen from
    if group in NAMED and not re.fullmatch(r"[\w/:.,-]+", value):
        return [f"{group}={value}"]
    if group in NAMED:
        found = [_option(group, one, folders) for one in value.split(",")]
        ids = [one for one in found if one.startswith("gym env.id=")]
        if ids and len(found) == 1:
            return ["env=gym", ids[0].removeprefix("gym ")]
        return [f"{group}={value}"] if ids else [f"{group}={','.join(found)}"]
    return [f"{key}={_numbers(value)}"]


def _path(value: str) -> str:
    """Quote a path for Hydra, whose grammar has its own meaning for ``~``, blanks, ``=`` and accents."""
    if value == "null" or "${" in value or "," in value or value[0] in "'\"([{":
        return value
    try:
        path = str(Path(value).expanduser())
    except RuntimeError as error:
        raise ConfigurationError(f"{value} is in a home that is not known here; write the whole path.") from error
    is_plain = re.fullmatch(r"[\w./:-]+", path, re.ASCII) is not None and NO_TEXT.fullmatch(path) is None
    return path if is_plain else "'" + path.replace("'", "\\'") + "'"


def _option(group: str, name: str, folders: Sequence[Path]) -> str:
    name = posixpath.normpath(name).lstrip("/").removesuffix(".yaml")  # as a shell completes the path of a file
    if name.startswith(".."):
        raise ConfigurationError(f"{group}={name} is not allowed: it takes the name of an option, without a folder.")
    options = {path.stem for folder in folders for path in (folder / group).glob("*.yaml")}
    if group == "env":
        options |= {*atari.games(), *atari.UNPLAYABLE}
    if name in options:
        return name
    folded = {option.replace("_", "").lower(): option for option in options}
    if name.replace("_", "").replace("-", "").lower() in folded:
        return folded[name.replace("_", "").replace("-", "").lower()]
    if group != "env" or not re.search(r"-v\d+", name):
        return name
    option = ids_of(folders).get(name)
    if option is not None:
        return option
    match = ATARI_ID.fullmatch(name)
    game = folded.get(match.group(1).lower()) if match else None
    return game if game in atari.games() else f"gym env.id={name}"


def _numbers(value: str) -> str:
    """Write the whole numbers of a value without an exponent.

    >>> _numbers("choice(1e6,2.5e6,'1e3')")
    "choice(1000000,2500000,'1e3')"
    """
    return WHOLE.sub(lambda match: _number(match[0]), value)


def _number(text: str) -> str:
    is_whole = text[0] not in "'\"" and float(text).is_integer() and abs(float(text)) < 2**63
    return str(int(float(text))) if is_whole else text


def read_option(path: Path) -> Any:
    """Read a file of the configuration as it is written, by the parser in C where there is one: it is far faster.

    Raises:
        OSError, ValueError, yaml.YAMLError: it cannot be read.
    """
    return yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def ids_of(folders: Sequence[Path]) -> dict[str, str]:
    """Return the Gymnasium ids that have an option of their own; the first folder's comes before the others'."""
    found: dict[str, str] = {}
    for path in [path for folder in reversed(folders) for path in sorted((folder / "env").glob("*.yaml"))]:
        try:
            node = read_option(path)
        except (OSError, ValueError, yaml.YAMLError):  # told where somebody chooses it
            continue
        if isinstance(node, dict) and isinstance(node.get("id"), str) and node["id"] != "???":
            found[node["id"]] = path.stem
    return found
