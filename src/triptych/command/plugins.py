"""Hydra's plugins: launchers, sweepers and ways to log that this project does not bring along."""

from __future__ import annotations

from collections.abc import Sequence

EXTRAS = {"joblib": "joblib", "submitit_local": "slurm", "submitit_slurm": "slurm"}  # launcher -> of pyproject.toml
PACKAGES = {
    "hydra/launcher": "hydra-{}-launcher",
    "hydra/sweeper": "hydra-{}-sweeper",
    "hydra/job_logging": "hydra-{}",
    "hydra/hydra_logging": "hydra-{}",
}


def not_installed(group: str, option: str, options: Sequence[str]) -> str:
    """Say in a sentence how to get an option of Hydra's own groups that is not there."""
    extra = EXTRAS.get(option) if group == "hydra/launcher" else None
    package = PACKAGES.get(group)
    if extra is not None:
        way_out = f'pip install -c requirements.lock -e ".[{extra}]"'
    elif package is not None:
        way_out = f"it comes with a plugin, such as {package.format(option)}, that pip installs"
    else:
        way_out = "choose another"
    return f"{group}={option} is not installed: {way_out}; there are {', '.join(sorted(options)) or 'none'}."
