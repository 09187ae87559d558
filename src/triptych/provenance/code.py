"""The code of a result: its commit and the versions it ran with."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import platform
import shlex
import subprocess
from pathlib import Path
from typing import Any

from triptych.files import write_text
from triptych.types import ConfigurationError

PACKAGES = (
    "triptych", "torch", "pytorch-lightning", "hydra-core", "gymnasium", "ale-py", "numpy", "mujoco", "minigrid",
    "vizdoom",
)  # fmt: skip
HERE = Path(__file__).parent
CHECKOUT = HERE.parents[2]


def git_commit(directory: Path = HERE) -> str | None:
    """Return the commit of the code, with ``+`` and a hash of what was changed or added since.

    ``None`` outside a checkout; ``docs`` are no code.
    """
    # Of another owner, as in a container, git reads no checkout; this one's code is running already.
    ours = ("-c", f"safe.directory={CHECKOUT}")

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(directory), *ours, *arguments]
        return subprocess.run(command, capture_output=True, text=True, errors="replace", check=True).stdout.strip()

    try:
        code = ("--", ":(top)", ":(top,exclude)docs")
        commit, changes = git("rev-parse", "HEAD"), git("diff", "HEAD", *code)
        root = Path(git("rev-parse", "--show-toplevel"))
        for name in git("ls-files", "--others", "--exclude-standard", "--full-name", *code).splitlines():
            if name.endswith((".py", ".yaml")):
                changes += name + (root / name).read_text(errors="replace")
        return commit + (f"+{hashlib.sha256(changes.encode()).hexdigest()[:8]}" if changes else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def versions() -> dict[str, str]:
    """Name the versions that a result depends on, of what is installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def write_measurement(path: Path | None, script: str, arguments: list[str], found: dict[str, Any]) -> str:
    """Return what a script found as JSON, with the command, commit and versions; write it where there is a path.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    command = shlex.join(["python", f"scripts/{script}", *arguments])
    text = json.dumps({"command": command, **found, "git_commit": git_commit(), "versions": versions()}, indent=2)
    if path is not None:
        try:
            write_text(path, f"{text}\n")
        except OSError as error:
            raise ConfigurationError(f"--out {path} cannot be written: {error}.") from error
    return f"{text}\n"
