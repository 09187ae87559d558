"""What a checkpoint says of the run that wrote it, and what has changed since."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from triptych.callbacks.checkpoint import ORIGIN
from triptych.files import check_seal, read_yaml
from triptych.provenance.identity import deciding_settings
from triptych.types import ConfigurationError

SHOWN = 6  # settings that a sentence names


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint; a damaged file fails, and one that holds more than tensors and plain data."""
    check_seal(path)
    return torch.load(path, map_location="cpu", weights_only=True, mmap=True)


def origin_of(checkpoint: Path) -> dict[str, Any]:
    """Return what a checkpoint says of its run; nothing where it says nothing or cannot be read."""
    try:
        found = load(checkpoint)[ORIGIN]
    except Exception:  # a damaged file may fail in any way; one of an earlier version says nothing
        return {}
    return found if isinstance(found, dict) else {}


def check_is_this_run(
    folder: Path, origin: Mapping[str, Any], summary: Mapping[str, Any], identity: str, settings: Mapping[str, Any]
) -> None:
    """Check that a folder holds the run that a command asks for; what a checkpoint says counts more than the summary.

    Args:
        folder: of a run that has begun.
        origin: what its checkpoint says.
        summary: what its ``summary.json`` says.
        identity, settings: of the run that is asked for.

    Raises:
        ConfigurationError: it holds another.
    """
    if (origin.get("identity") or summary.get("identity") or identity) == identity:
        return
    what = changed_settings(origin.get("settings") or settings_in(folder), settings)
    command = summary.get("command")
    raise ConfigurationError(
        f"run_dir={folder} holds another run{f' ({command})' if command else ''}{f': {what}' if what else ''}; choose "
        "another run_dir, or move that run aside with fresh=true."
    )


def settings_in(folder: Path) -> dict[str, Any]:
    """Return the settings that decided the learning of the run in a folder, as its ``config.yaml`` has them."""
    try:
        return deciding_settings(read_yaml(folder / "config.yaml"))
    except (OSError, ValueError):
        return {}


def changed_settings(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Name the settings that differ, ``key old → new``; empty where the old ones are not known."""
    if not then:
        return ""
    keys = [key for key in {**now, **then} if then.get(key) != now.get(key)]
    found = [f"{key} {_text(then.get(key))} → {_text(now.get(key))}" for key in keys]
    return ", ".join([*found[:SHOWN], *([f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else [])])


def changes_since(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Name what alters the last digits of a run and is not what it was: versions, commit, hardware."""
    if not then:  # a checkpoint of an earlier version
        return ""
    pairs = [("commit", then.get("git_commit"), now.get("git_commit"))]
    for group in ("versions", "hardware"):
        before, after = then.get(group) or {}, now.get(group) or {}
        pairs += [(name, before[name], after.get(name)) for name in before]
    return ", ".join(f"{name} {_text(old)} → {_text(new)}" for name, old, new in pairs if old != new)


def _text(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
