"""Hydra's plugins: launchers, sweepers and ways to log that this project does not bring along."""

from __future__ import annotations

from collections.abc import Sequence

EXTRAS = {"joblib": "joblib", "submitit_local": "slurm", "submitit_slurm": "slurm"}  # launcher -> of pyproject.toml
# Whose plugins need older versions of a package than requirements.lock has: which, and what serves instead.
UNFIT = {
    "hydra/launcher=ray": (
        "hydra-ray-launcher",
        "cloudpickle",
        "hydra/launcher=joblib runs jobs side by side, submitit_slurm on other machines",
    ),
    "hydra/sweeper=optuna": (
        "hydra-optuna-sweeper",
        "optuna",
        "python scripts/search.py sweep=optuna_dqn env=... searches with Optuna",
    ),
}
PACKAGES = {
    "hydra/launcher": "hydra-{}-launcher",
    "hydra/sweeper": "hydra-{}-sweeper",
    "hydra/job_logging": "hydra-{}",
    "hydra/hydra_logging": "hydra-{}",
}


def not_installed(group: str, option: str, options: Sequence[str]) -> str:
    """Say in a sentence how to get an option of Hydra's own groups that is not there."""
    if f"{group}={option}" in UNFIT:
        plugin, package, way_out = UNFIT[f"{group}={option}"]
        return f"{group}={option} cannot be had: {plugin} needs an older {package} than requirements.lock; {way_out}."
    extra = EXTRAS.get(option) if group == "hydra/launcher" else None
    found = PACKAGES.get(group)
    if extra is not None:
        way_out = f'pip install -c requirements.lock -e ".[{extra}]"'
    elif found is not None:
        way_out = f"it comes with a plugin, such as {found.format(option)}, that pip installs"
    else:
        way_out = "choose another"
    return f"{group}={option} is not installed: {way_out}; there are {', '.join(sorted(options)) or 'none'}."
