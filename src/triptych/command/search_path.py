"""Where a command line's configuration lies: this project's folder and those of the user's own."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from triptych.types import ConfigurationError

KEY = "hydra.searchpath"
# Hydra's flags that take the next word.
FLAGS = {"--config-dir": "dir", "-cd": "dir", "--config-name": "name", "-cn": "name"} | dict.fromkeys(
    ["--package", "-p", "--cfg", "-c", "--info", "-i"], ""
)
TAKES = {"dir": "folder", "name": "name"}
# That take none.
SWITCHES = {"--multirun", "-m", "--run", "-r", "--resolve", "--hydra-help", "--version", "--shell-completion", "-sc"}
NOT_SERVED = ("--config-path", "-cp")
MODES = {"--run", "-r", "--multirun", "-m", "--cfg", "-c", "--info", "-i", "--shell-completion", "-sc"}  # one of them
INFO = ("--info", "-i")  # which may also stand alone
SHOWN = dict.fromkeys(("--cfg", "-c"), ("job", "hydra", "all")) | dict.fromkeys(
    INFO, ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
)


class CommandLine(NamedTuple):
    """The parts of a command line; flags that decide nothing about the configuration are left out."""

    overrides: list[str]
    config_dir: Path | None
    config_name: str
    is_sweep: bool


def split(arguments: Sequence[str]) -> CommandLine:
    """Split a command line as Hydra does.

    Raises:
        ConfigurationError: ``--config-dir`` is no folder, or a flag is given that cannot be served.
    """
    overrides: list[str] = []
    given: dict[str, list[str]] = {"dir": [], "name": [], "": []}
    words = iter(arguments)
    for word in words:
        flag, equals, value = word.partition("=")
        if flag in FLAGS:
            taken = value if equals else next(words, "")
            is_another = not equals and ("=" in taken or taken.startswith("-")) and not Path(taken).exists()
            if FLAGS[flag] and (is_another or not taken):
                raise ConfigurationError(f"{flag} takes a {TAKES[FLAGS[flag]]}; write it behind the flag.")
            given[FLAGS[flag]].append(taken)
        elif flag in NOT_SERVED:
            raise ConfigurationError(
                f"{flag} would replace this project's own configuration; give a folder of yours with --config-dir."
            )
        elif not word.startswith("-"):
            overrides.append(word)
    for flag, found in (("--config-dir", given["dir"]), ("--config-name", given["name"])):
        if len(found) > 1:
            raise ConfigurationError(f"{flag} is given twice; further folders go into '{KEY}=[file://...,pkg://...]'.")
    config_dir = Path(given["dir"][0]) if given["dir"] else None
    if config_dir is not None and not config_dir.is_dir():
        raise ConfigurationError(f"--config-dir {config_dir} is not a folder.")
    is_sweep = bool({"-m", "--multirun"} & set(arguments)) or "hydra.mode=MULTIRUN" in overrides
    name = (given["name"] or ["train"])[0].removesuffix(".yaml")
    return CommandLine(overrides, config_dir, name, is_sweep)


def flags_first(arguments: Sequence[str]) -> list[str]:
    """Put the flags before the overrides, as Hydra takes no flag between two of them.

    Raises:
        ConfigurationError: there is no such flag, two exclude each other, or a word is no text.
    """
    for one in arguments:
        if any("\ud800" <= letter <= "\udfff" for letter in one):
            raise ConfigurationError(f"{one!a} is no text in UTF-8, in which files and folders are named.")
    flags: list[str] = []
    overrides: list[str] = []
    words = iter(arguments)
    while (word := next(words, None)) is not None:
        flag, equals, value = word.partition("=")
        if not word.startswith("-"):
            overrides.append(word)
        elif flag in INFO and not equals:
            following = next(words, "all")
            is_alone = "=" in following or following.startswith("-")
            flags.append(f"--info={'all' if is_alone else following}")
            _check_value(*flags[-1].split("=", 1))
            words = itertools.chain([following], words) if is_alone else words
        elif flag in FLAGS or flag in NOT_SERVED:  # which `split` tells
            following = value if equals else next(words, "")
            _check_value(flag, following)
            flags += [word] if equals else [word, following]
        elif word in SWITCHES:
            flags.append(word)
        else:
            raise ConfigurationError(f"{word} is no flag; settings are given as key=value, and --help tells of both.")
    is_shown = any(one.partition("=")[0] in ("--cfg", "-c") for one in flags)
    for flag in (one.partition("=")[0] for one in flags):
        if flag in ("--resolve", "--package", "-p") and not is_shown:
            raise ConfigurationError(f"{flag} is for what --cfg=job shows; add that, or leave it out.")
    modes = list(dict.fromkeys(name for one in flags if (name := one.partition("=")[0]) in MODES))
    if len(modes) > 1:
        raise ConfigurationError(f"{modes[0]} and {modes[1]} cannot be asked for at once; leave one out.")
    return flags + overrides


def _check_value(flag: str, value: str) -> None:
    values = SHOWN.get(flag)
    if values is not None and value not in values:
        raise ConfigurationError(f"{flag}={value} is not allowed: it takes one of {', '.join(values)}.")


def own_folders(line: CommandLine, conf: Path) -> list[Path]:
    """Return the folders of the user's own, in the order in which Hydra searches them.

    They are those of ``--config-dir`` and of ``hydra.searchpath``, on the command line or else in the file that
    ``--config-name`` names.

    Raises:
        ConfigurationError: one of them does not exist, or the search path is no list of texts.
    """
    folders = [line.config_dir] if line.config_dir is not None else []
    found = [override for override in line.overrides if override.partition("=")[0].strip("+") == KEY]
    try:
        if found:
            paths = OverridesParser.create().parse_override(found[0]).value()
        else:
            paths = _in_primary_file(line, [conf, *folders])
    except OverrideParseException as error:
        raise ConfigurationError(f"{found[0]} cannot be read as key=value; quote special characters.") from error
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise ConfigurationError(f"{KEY}={paths} is not allowed: it takes a list, '{KEY}=[file://...,pkg://...]'.")
    return folders + [_folder_of(path) for path in paths]


def check_own_files(folders: Sequence[Path], conf: Path) -> None:
    """Refuse a file of the user's own that has the name of one of this project, which Hydra would take instead.

    Raises:
        ConfigurationError: there is one, and it holds something else.
    """
    for ours in sorted(conf.rglob("*.yaml")) if folders else ():
        name = ours.relative_to(conf)
        for path in (folder / name for folder in folders):
            if path.is_file() and path.read_bytes() != ours.read_bytes():
                raise ConfigurationError(
                    f"{path} would not be read: this project has a {name} of its own; give yours another name."
                )


def _in_primary_file(line: CommandLine, folders: Sequence[Path]) -> Any:
    """Read the search path in the file of ``--config-name``; an unreadable file is told where it is composed."""
    path = next((one for folder in folders if (one := folder / f"{line.config_name}.yaml").is_file()), None)
    if path is None:
        raise ConfigurationError(
            f"--config-name {line.config_name}: there is no {line.config_name}.yaml in "
            f"{' or '.join(str(folder) for folder in folders)}."
        )
    try:
        found = OmegaConf.select(OmegaConf.load(path), KEY)
    except (OSError, ValueError, YAMLError, OmegaConfBaseException):
        return []
    return OmegaConf.to_container(found) if OmegaConf.is_list(found) else [] if found is None else found


def _folder_of(path: str) -> Path:
    scheme, separator, name = path.rpartition("://")
    if scheme == "pkg":
        folder = _package_folder(name.replace("/", "."))
    elif scheme in ("file", "") and bool(scheme) == bool(separator):
        folder = Path(name)
    else:
        raise ConfigurationError(f"{KEY}: {path} is not allowed: it takes file://FOLDER or pkg://PACKAGE.")
    if folder is None or not folder.is_dir():
        what = "package that can be imported" if scheme == "pkg" else "folder"
        raise ConfigurationError(f"{KEY}: {path} is not a {what}.")
    return folder


def _package_folder(name: str) -> Path | None:
    """Find where a package lies; the packages around it are imported."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    places = list(spec.submodule_search_locations or []) if spec is not None else []
    return Path(places[0]) if places else None
