"""Hydra's plugins: launchers, sweepers and ways to log that this project does not bring along."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hydra.core.override_parser.types import Override

from triptych.types import ConfigurationError

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
# Whole numbers other than 0: the least, and which they may be.
NUMBERS = {
    "hydra.launcher.n_jobs": (-math.inf, "other than 0; -1 is for all cores"),
    "hydra.sweeper.max_batch_size": (1, "from 1"),
}
PACKAGES = {
    "hydra/launcher": "hydra-{}-launcher",
    "hydra/sweeper": "hydra-{}-sweeper",
    "hydra/job_logging": "hydra-{}",
    "hydra/hydra_logging": "hydra-{}",
}


def check_plugin_settings(overrides: Sequence[Override]) -> None:
    """Refuse settings of Hydra's launchers and sweepers that they would take and could not use.

    Raises:
        ConfigurationError: there is one.
    """
    has_sweeper = any(one.key_or_group == "hydra/sweeper" for one in overrides)
    for override in overrides:
        key, text = override.key_or_group, override.input_line
        if key in ("hydra.launcher", "hydra.sweeper"):
            raise ConfigurationError(f"{text} is not allowed: one is chosen by {key.replace('.', '/')}=...")
        if key.startswith("hydra.sweeper.params") and not has_sweeper:
            raise ConfigurationError(f"{text} is for a file of configuration; on the command line write -m key=1,2.")
        if key not in NUMBERS or override.is_delete():
            continue
        (least, takes), value = NUMBERS[key], override.value()
        if isinstance(value, bool) or not isinstance(value, int) or not value or value < least:
            raise ConfigurationError(f"{text} is not allowed: it takes a whole number {takes}.")


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
