"""The jobs of a command line: every one is composed, and every name checked, before anything starts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import ConfigTypeError, OmegaConfBaseException, ValidationError

from triptych.command.habits import HABITS, instead
from triptych.command.names import read_option
from triptych.command.params import with_params
from triptych.command.plugins import check_plugin_settings, not_installed
from triptych.command.search_path import KEY, check_own_files, own_folders, split
from triptych.command.suggest import unknown
from triptych.command.sweeps import for_each_job, is_left_to_hydra, parse_with_options, sweep_jobs
from triptych.envs import atari
from triptych.provenance.identity import leaves
from triptych.types import ConfigurationError

GROUPS = ("algo", "env", "protocol", "trainer", "logger", "callbacks")  # of components; the others only patch them
# What may be taken away: keywords for others, loggers and callbacks of one's own.
OPEN_KEYS = ("*kwargs*", "*wrappers*", "logger.*", "callbacks.extra", "callbacks.extra.*")
UNWRITTEN = ("algo.network.torso", "algo.network.hidden_sizes")  # keys that no file has, for what is seen decides


def register_options(conf: Path, *own: Path) -> None:
    """Offer what needs no file: every playable ROM as an ``env``, and the tuned numbers of a preset's base.

    Args:
        conf: this project's configuration.
        own: folders of the user's own.
    """
    folders, store = (conf, *own), ConfigStore.instance()
    for game in atari.games():
        if not any((folder / "env" / f"{game}.yaml").exists() for folder in folders):
            store.store(group="env", name=game, node={"defaults": ["atari", "_self_"], "game": game})
    tuned = {path.stem for folder in folders for path in (folder / "tuned").glob("*.yaml")}
    for algo in sorted({path.stem for folder in folders for path in (folder / "algo").glob("*.yaml")}):
        for base in bases_of(algo, folders):
            for name in sorted(one for one in tuned if one.startswith(f"{base}-")):
                inherited = f"{algo}-{name.removeprefix(f'{base}-')}"
                if inherited not in tuned:
                    tuned.add(inherited)
                    store.store(group="tuned", name=inherited, node={"defaults": [name]}, package="_global_")


def bases_of(algo: str, folders: Sequence[Path]) -> list[str]:
    """Return the algorithms on which a preset builds, the nearest first: ``defaults: [dqn, _self_]``."""
    found: list[str] = []
    waiting = [algo]
    while waiting:
        name = waiting.pop()
        path = next((one for folder in folders if (one := folder / "algo" / f"{name}.yaml").is_file()), None)
        try:
            defaults = read_option(path)["defaults"] if path is not None else []
        except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError):  # told where somebody chooses it
            continue
        names = [one for one in defaults if isinstance(one, str) and one not in ("_self_", algo, *found)]
        found += names
        waiting += reversed(names)
    return found


class Job(NamedTuple):
    """One job of a command line."""

    overrides: list[str]
    cfg: DictConfig
    choices: dict[str, str]  # the option of each group


def compose_jobs(arguments: Sequence[str], conf: Path) -> list[Job]:
    """Compose what a command line asks for, every job of a sweep that can be known beforehand.

    Folders of the user's own are searched as Hydra searches them.

    Raises:
        ConfigurationError: one sentence about the first name that does not exist, or choice that cannot be meant.
    """
    line = split(arguments)
    try:
        parsed = OverridesParser.create().parse_overrides(line.overrides)
    except OverrideParseException as error:
        raise ConfigurationError(f"{error.override} cannot be read as key=value; quote special characters.") from error
    for override in parsed:
        _check_override(override, conf)
    check_plugin_settings(parsed)
    if not line.is_sweep:
        swept = [override for override in parsed if override.is_sweep_override()]
        if swept:
            raise ConfigurationError(f"{swept[0].input_line} asks for several values; add -m to run them as a sweep.")
    check_own_files(own_folders(line, conf), conf)
    with hydra_ready(conf, line.config_dir):
        jobs = [line.overrides]
        if line.is_sweep:
            parsed = parse_with_options(with_params(line.overrides, line.config_name))
            jobs = sweep_jobs(parsed)
        composed = for_each_job(
            jobs, lambda position: Job(jobs[position], *compose_with_choices(jobs[position], conf, line.config_name))
        )
    for override in parsed:  # of a key that there is, or it had not been composed
        if override.is_delete() and not any(fnmatchcase(override.key_or_group, one) for one in (*OPEN_KEYS, "algo.*")):
            raise ConfigurationError(f"{override.input_line}: it cannot be left out; give it another value.")
    _check_folders([job.cfg for job in composed], parsed)
    return composed


@contextmanager
def hydra_ready(conf: Path, config_dir: Path | None = None) -> Iterator[None]:
    """Initialize Hydra to compose; the folder of ``--config-dir`` is searched where its own command searches it."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf.resolve()), version_base="1.3"):
        if config_dir is not None:
            loader = GlobalHydra.instance().config_loader()
            path = loader.get_search_path()
            path.prepend("command-line", f"file://{config_dir.resolve()}", SearchPathQuery(provider="schema"))
            loader.repository.initialize_sources(path)  # type: ignore[attr-defined]
        yield


def for_sweeper(arguments: Sequence[str]) -> list[str]:
    """Write a sweep so that Hydra can compose it where the swept option decides which keys there are.

    Hydra composes the overrides that are not swept once by themselves, with the defaults in place of what is swept:
    with ``algo=ppo,a2c algo.rollout_length=16`` it would look for the key in the default algorithm. As a sweep over one
    value it is left to the jobs.
    """
    line = split(arguments)
    if not line.is_sweep:
        return list(arguments)
    parsed = OverridesParser.create().parse_overrides(line.overrides)
    swept = {one.key_or_group for one in parsed if one.is_sweep_override()}
    depends = {
        one.input_line
        for one in parsed
        if "." in one.key_or_group and not one.is_sweep_override() and not one.is_hydra_override()
        if one.key_or_group.partition(".")[0] in swept or "experiment" in swept  # which may choose any option
        if not one.is_delete()
    }
    written = []
    for argument in arguments:
        key, _, value = argument.partition("=")
        written.append(f"{key}=choice({value})" if argument in depends else argument)
    return written


def _check_folders(configs: Iterable[DictConfig], parsed: list[Override]) -> None:
    """Refuse a ``run_dir`` that several jobs share."""
    # A folder that is the same for values which only Hydra's sweeper knows.
    is_shared = any(override.key_or_group == "run_dir" and "${" not in str(override.input_line) for override in parsed)
    is_shared = is_shared and any(is_left_to_hydra(override) for override in parsed)
    run_dirs: set[str] = set()
    for cfg in configs:
        run_dir = OmegaConf.select(cfg, "run_dir", throw_on_resolution_failure=False)
        if run_dir in run_dirs or is_shared:
            raise ConfigurationError(
                f"run_dir={run_dir} is the folder of one run and the sweep has several; leave run_dir out, "
                "each job has its own."
            )
        run_dirs |= {run_dir} - {None}


def _check_override(override: Override, conf: Path) -> None:
    """Refuse what composes and still cannot be meant."""
    key = override.key_or_group
    is_component = key in GROUPS
    if is_component and (override.is_delete() or override.value() is None):
        options = ", ".join(sorted(path.stem for path in (conf / key).glob("*.yaml")))
        raise ConfigurationError(f"{override.input_line}: {key} cannot be left out; it takes one of {options}.")
    if key == "tuned":
        raise ConfigurationError(
            f"{override.input_line}: tuned numbers follow from algo and env, as conf/tuned/<algo>-<env>.yaml; "
            "override single keys instead."
        )
    if key == "sweep":  # a folder of conf/, but of the search, whatever the value
        raise ConfigurationError(instead(key))
    is_params = key.startswith("hydra.sweeper.params")  # for which there is `-m key=1,2`, told with it
    if override.is_hydra_override() and override.is_sweep_override() and not is_params:
        raise ConfigurationError(
            f"{override.input_line} is not allowed: Hydra's own settings take one value in a sweep."
        )
    if key in ("experiment", "debug") and isinstance(override.value(), list):
        raise ConfigurationError(
            f"{override.input_line} is not allowed: {key} takes one name, of a file whose defaults may list several."
        )
    if key == "hydra.run.dir":
        raise ConfigurationError(f"{override.input_line} is not where a run's files go; instead: run_dir=...")
    if key in ("protocol.name", "env.protocol"):
        raise ConfigurationError(
            f"{override.input_line} would only rename the protocol; choose another with protocol=..., or change one "
            "of its settings."
        )


def compose_config(overrides: list[str], conf: Path, config_name: str = "train") -> DictConfig:
    """Compose one job's config; Hydra must be initialized.

    Raises:
        ConfigurationError: a name or a key does not exist.
    """
    return compose_with_choices(overrides, conf, config_name)[0]


def compose_with_choices(
    overrides: list[str], conf: Path, config_name: str = "train"
) -> tuple[DictConfig, dict[str, str]]:
    """Compose one job's config as `compose_config` does; also return the option of each group."""
    try:
        cfg = compose(config_name, overrides=overrides, return_hydra_config=True)
    except MissingConfigException as error:
        name = error.missing_cfg_file or ""
        group, _, option = name.rpartition("/")
        if group == "env" and option in atari.UNPLAYABLE:
            raise ConfigurationError(
                f"env={option} cannot be played: its ROM ends the whole process; choose another game."
            ) from error
        if group.startswith("hydra/"):
            raise ConfigurationError(not_installed(group, option, list(error.options or []))) from error
        options = error.options or [path.stem for path in (conf / group).glob("*.yaml")]
        raise ConfigurationError(unknown(f"{group}={option}", option, list(options))) from error
    except ConfigCompositionException as error:
        override = str(error).removeprefix("Error merging override ")
        if isinstance(error.__cause__, ValidationError):
            reason = str(error.__cause__).splitlines()[0]
            raise ConfigurationError(f"{override} is not allowed: {reason}.") from error
        if isinstance(error.__cause__, ConfigTypeError):
            key = override.partition("=")[0].lstrip("+")
            is_list = "object_type=list" in str(error.__cause__)
            form = "a list; write one" if is_list else "a node of keys; give one of them"
            example = f"{key}=[value]" if is_list else f"{key}.name=value"
            raise ConfigurationError(f"{override} is not allowed: {key} is {form}, as {example}.") from error
        if str(error).startswith(("Multiple values for ", "In '")):
            raise ConfigurationError(_fault_of_file(str(error))) from error
        if "Could not delete from config. The value of" in str(error):  # ~key=value with another value
            raise ConfigurationError(str(error).splitlines()[0]) from error
        there = re.search(r"item is already at '([^']+)'", str(error))
        if there:
            raise ConfigurationError(
                f"+{there[1]}=... cannot be added: {there[1]} is a key already; leave out the +."
            ) from error
        key = _offending_key(str(error), overrides)
        if key in HABITS:
            raise ConfigurationError(instead(key)) from error
        components = [override for override in overrides if override.partition("=")[0].strip("+") in (*GROUPS, KEY)]
        is_hydras = key.startswith("hydra.")
        if is_hydras:
            components += [override for override in overrides if override.startswith("hydra/")]
        try:
            composed = compose(config_name, overrides=components, return_hydra_config=is_hydras)
        except HydraException:  # the choice of a component is itself no name
            raise ConfigurationError(
                f"{' '.join(components)} cannot be composed; each group takes one name, as env=pong does."
            ) from error
        known = [key for key, _ in leaves(OmegaConf.to_container(composed, resolve=False))]
        known = [key for key in known if not key.startswith("where_known.")]
        if key in known:  # null, which Hydra takes for what is not there
            raise ConfigurationError(f"~{key}: it cannot be left out; give it another value.") from error
        groups = sorted(path.name for path in conf.iterdir() if path.is_dir())
        sentence = unknown(key, key, [*known, *UNWRITTEN, *groups], what="a key")
        raise ConfigurationError(f"{sentence} (A key of your own is added by a +, as +{key}=...)") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{mark.name}, line {mark.line + 1}" if mark is not None else "A file of the configuration"
        raise ConfigurationError(f"{where} is no YAML: {getattr(error, 'problem', error)}.") from error
    except RecursionError as error:
        raise ConfigurationError(
            f"{_chosen(overrides, conf)}: the defaults of one of these files lead back to itself."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{_chosen(overrides, conf)}: one of these files is no text in UTF-8 ({error.reason})."
        ) from error
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        reason = str(error).splitlines()[0]
        if reason.startswith("Config group override must be"):
            reason = "a group takes one name, as env=pong does."
        raise ConfigurationError(f"{_chosen(overrides, conf)}: {reason}") from error
    with open_dict(cfg):
        choices = dict(cfg.pop("hydra").runtime.choices)
    return cfg, choices


def _chosen(overrides: Sequence[str], conf: Path) -> str:
    """Return the overrides that choose an option of a group, or all of them where none does."""
    groups = {path.name for path in conf.iterdir() if path.is_dir()}
    chosen = [override for override in overrides if override.partition("=")[0].strip("+") in groups]
    return " ".join(chosen or overrides)


def _fault_of_file(message: str) -> str:
    """Say in one sentence what Hydra says of a file that cannot be composed with the others."""
    twice = re.match(r"Multiple values for ([^.]+)\.", message)
    if twice:
        group = twice[1].lstrip("/")
        return f"The defaults of a file choose {group} a second time; write `override /{group}: <name>` there."
    place, _, said = message.partition(":")
    reason = next((line for line in said.splitlines()[1:] if line), said.strip())
    return f"{place.removeprefix('In ')} cannot be composed: {reason}."


def _offending_key(message: str, overrides: list[str]) -> str:
    match = re.search(r"full_key: (\S+)|[Cc]ould not override '([^'=]+)|'([^'=]+)' does not exist", message)
    return (match[1] or match[2] or match[3]).strip("'") if match else " ".join(overrides)
