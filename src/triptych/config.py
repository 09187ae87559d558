"""The command line's conscience: every name, key and value is checked before anything starts."""

from __future__ import annotations

import difflib
import itertools
import math
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, ValueType
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from triptych.envs import atari
from triptych.envs.extras import require_extra
from triptych.rules import check_values, keys_of
from triptych.types import ConfigurationError

GROUPS = ("algo", "env", "protocol", "trainer", "logger", "callbacks")  # of components; the others only patch them
# What the configuration need not name beforehand: keywords for others, loggers and callbacks of one's own.
OPEN_KEYS = ("*kwargs*", "*wrappers*", "logger.*", "callbacks.extra", "callbacks.extra.*")


def register_games(conf: Path) -> None:
    """Offer every playable ROM as an ``env`` option; those with a file of their own have it already."""
    store = ConfigStore.instance()
    for game in atari.games():
        if not (conf / "env" / f"{game}.yaml").exists():
            store.store(group="env", name=game, node={"defaults": ["atari", "_self_"], "game": game})


def check_command_line(arguments: Sequence[str], conf: Path) -> None:
    """Compose what a command line asks for, every job of a sweep, and check it.

    Raises:
        ConfigurationError: one sentence about the first thing that is wrong.
    """
    is_sweep = bool({"-m", "--multirun"} & set(arguments))
    overrides = [argument for argument in arguments if not argument.startswith("-")]
    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
    except OverrideParseException as error:
        raise ConfigurationError(f"{error.override} cannot be read as key=value; quote special characters.") from error
    for override in parsed:
        _check_override(override, conf)
    if is_sweep:
        jobs = _sweep_jobs(parsed)
    else:
        swept = [override for override in parsed if override.is_sweep_override()]
        if swept:
            raise ConfigurationError(f"{swept[0].input_line} asks for several values; add -m to run them as a sweep.")
        jobs = [overrides]
    # A folder that is the same for values which only Hydra's sweeper knows.
    is_shared = any(override.key_or_group == "run_dir" and "${" not in str(override.input_line) for override in parsed)
    is_shared = is_shared and any(_is_left_to_hydra(override) for override in parsed)
    run_dirs: set[str] = set()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf.resolve()), version_base="1.3"):
        for job in jobs:
            cfg = compose_config(job, conf)
            check_values(cfg)
            if "id" in cfg.env:
                require_extra(cfg.env.id)
            if cfg.run_dir in run_dirs or is_shared:
                raise ConfigurationError(
                    f"run_dir={cfg.run_dir} is the folder of one run and the sweep has several; leave run_dir out, "
                    "each job has its own."
                )
            run_dirs |= {cfg.run_dir} - {None}


def _check_override(override: Override, conf: Path) -> None:
    """Refuse what composes and still cannot be meant."""
    key = override.key_or_group
    is_component = key in GROUPS
    if is_component and (override.is_delete() or override.value() is None):
        options = ", ".join(sorted(path.stem for path in (conf / key).glob("*.yaml")))
        raise ConfigurationError(f"{override.input_line}: {key} cannot be left out; it takes one of {options}.")
    if override.is_delete() and not any(fnmatchcase(key, pattern) for pattern in OPEN_KEYS):
        raise ConfigurationError(f"{override.input_line}: {key} cannot be left out; give it another value.")
    if key == "tuned":
        raise ConfigurationError(
            f"{override.input_line}: tuned numbers follow from algo and env, as conf/tuned/<algo>-<env>.yaml; "
            "override single keys instead."
        )
    if key in ("protocol.name", "env.protocol"):
        raise ConfigurationError(
            f"{override.input_line} would only rename the protocol; choose another with protocol=..., or change one "
            "of its settings."
        )


def compose_config(overrides: list[str], conf: Path) -> DictConfig:
    """Compose one job's config; Hydra must be initialized.

    Raises:
        ConfigurationError: a name or a key does not exist.
    """
    try:
        cfg = compose("train", overrides=overrides, return_hydra_config=True)
        choices = cfg.hydra.runtime.choices
        with open_dict(cfg):
            del cfg["hydra"]
        components = [f"{group}={choices[group]}" for group in (*GROUPS, "debug") if choices[group] is not None]
        pristine = compose("train", overrides=components)
    except MissingConfigException as error:
        name = error.missing_cfg_file or ""
        group, _, option = name.rpartition("/")
        if group == "env" and option in atari.UNPLAYABLE:
            raise ConfigurationError(
                f"env={option} cannot be played: its ROM ends the whole process; choose another game."
            ) from error
        raise ConfigurationError(_unknown(f"{group}={option}", option, list(error.options or []))) from error
    except ConfigCompositionException as error:
        key = _offending_key(str(error), overrides)
        components = [override for override in overrides if override.partition("=")[0] in GROUPS]
        try:
            known = _writable(compose("train", overrides=components))
        except HydraException:  # the choice of a component is itself no name
            raise ConfigurationError(
                f"{' '.join(components)} cannot be composed; each group takes one name, as env=pong does."
            ) from error
        groups = sorted(path.name for path in conf.iterdir() if path.is_dir())
        raise ConfigurationError(_unknown(key, key, [*known, *groups], what="a key")) from error
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise ConfigurationError(f"{' '.join(overrides)}: {str(error).splitlines()[0]}") from error
    _check_keys(cfg, pristine, f"algo={choices['algo']} env={choices['env']}")
    return cfg


def _check_keys(cfg: DictConfig, pristine: DictConfig, component: str) -> None:
    """Compare the keys with those that the chosen components have: all are read, and no other is."""
    found, known = (
        {key for key in keys_of(one) if not any(fnmatchcase(key, pattern) for pattern in OPEN_KEYS)}
        for one in (cfg, pristine)
    )
    for key in sorted(known - found):
        raise ConfigurationError(f"{key} cannot be left out; give this key a value, not the node that it is in.")
    for key in sorted(found - known):
        raise ConfigurationError(_unknown(key, key, _writable(pristine), what=f"a key of {component}"))


def _writable(cfg: DictConfig) -> list[str]:
    """List the keys that a command line should name; the nodes of the constructors follow from them."""
    return [key for key in keys_of(cfg) if not key.startswith(("algo.module.", "algo.data."))]


def _offending_key(message: str, overrides: list[str]) -> str:
    match = re.search(r"full_key: (\S+)", message) or re.search(r"[Cc]ould not override '([^'=]+)", message)
    return match.group(1).strip("'") if match else " ".join(overrides)


def _unknown(text: str, name: str, known: list[str], what: str = "an option") -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if not near and "." in name:  # the right leaf in the wrong place
        near = [key for key in known if key.rsplit(".", 1)[-1] == name.rsplit(".", 1)[-1]][:3]
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(known)[:12])}, ..."
    return f"{text} is not {what}; {hint}"


def _is_left_to_hydra(override: Override) -> bool:
    """Say whether only Hydra's sweeper knows what an override stands for: a glob, or an interval."""
    return override.value_type in (ValueType.GLOB_CHOICE_SWEEP, ValueType.INTERVAL_SWEEP)


def _sweep_jobs(parsed: list[Override]) -> list[list[str]]:
    choices: list[list[str]] = []
    has_sweeper = any(override.key_or_group == "hydra/sweeper" for override in parsed)
    for override in parsed:
        if override.value_type in (ValueType.CHOICE_SWEEP, ValueType.SIMPLE_CHOICE_SWEEP, ValueType.RANGE_SWEEP):
            key = override.get_key_element()
            values = [f"{key}={value}" for value in override.sweep_string_iterator()]
            if not values:
                raise ConfigurationError(f"{override.input_line} stands for no value at all; give it one.")
            choices.append(values)
        elif override.value_type == ValueType.INTERVAL_SWEEP and not has_sweeper:
            raise ConfigurationError(
                f"{override.input_line} needs a sweeper that searches intervals, chosen by hydra/sweeper=...; "
                f"without one list the values: {override.key_or_group}=a,b,c."
            )
        elif override.is_sweep_override() or override.key_or_group.startswith("hydra"):
            continue  # only the sweeper knows what it stands for
        else:
            choices.append([override.input_line or ""])
    if math.prod(len(values) for values in choices) <= 32:
        return [list(job) for job in itertools.product(*choices)]
    first = [values[0] for values in choices]
    one_changed = [
        (*first[:position], value, *first[position + 1 :])
        for position, values in enumerate(choices)
        for value in values
    ]
    return [list(job) for job in dict.fromkeys(one_changed)]
