"""What a job and its folder are called."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from triptych.build import plain
from triptych.provenance.identity import deciding_settings, identity_hash

BY_ID = ("gym", "openspiel")  # options of env that stand for many environments


def env_name(cfg: DictConfig, choices: dict[str, str]) -> str:
    """Name the environment as the command line does, and those of ``env=gym`` and ``env=openspiel`` by their id."""
    return cfg.env.id.rpartition(":")[2].replace("/", "_") if choices["env"] in BY_ID else choices["env"]


def identity_of(cfg: DictConfig) -> str:
    """Hash what decides the learning."""
    return identity_hash(deciding_settings(plain(cfg)))


def folder_of(cfg: DictConfig, choices: dict[str, str]) -> Path:
    """Name the run's folder: outputs/<algo>[-<experiment>]/<env>/<protocol>/seed<seed>-<hash8>.

    Those of debug=... lie in outputs/.debug.
    """
    if cfg.run_dir is not None:
        return Path(cfg.run_dir).expanduser()
    name = f"seed{cfg.seed}-{identity_of(cfg)}"
    root = Path("outputs", ".debug") if choices.get("debug") else Path("outputs")  # no report takes it for a run
    experiment = choices.get("experiment")
    algo = choices["algo"] + (f"-{experiment.replace('/', '_')}" if experiment else "")
    return root / algo / env_name(cfg, choices) / cfg.protocol.name / name
