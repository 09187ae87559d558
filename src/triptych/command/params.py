"""What a configuration sweeps by itself, in ``hydra.sweeper.params``, as ``experiment=stability`` does."""

from __future__ import annotations

from collections.abc import Sequence

from hydra import compose
from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from triptych.command.sweeps import parse_with_options


def with_params(overrides: Sequence[str], config_name: str) -> list[str]:
    """Put what the configuration of a sweep sweeps by itself before its overrides; Hydra must be initialized.

    What the command line says of a key counts, as for Hydra's own sweeper. Another sweeper's params are left to it.
    """
    parsed = parse_with_options(overrides)
    given = {override.key_or_group for override in parsed}
    if "hydra/sweeper" in given:
        return list(overrides)
    # Of which configuration they are, groups alone decide; keys may belong to an option that is swept.
    deciding = [override.input_line or "" for override in parsed if _decides(override)]
    try:
        cfg = compose(config_name, overrides=deciding, return_hydra_config=True)
        params = OmegaConf.to_container(cfg.hydra.sweeper, resolve=True).get("params")  # type: ignore[union-attr]
    except Exception:  # whatever is wrong is told where the jobs are composed
        params = None
    found = [f"{key}={value}" for key, value in (params or {}).items() if key not in given]
    return [*found, *overrides]


def _decides(override: Override) -> bool:
    key = override.key_or_group
    return not override.is_sweep_override() and ("." not in key or key.startswith("hydra."))
