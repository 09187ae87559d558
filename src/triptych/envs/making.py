"""Why a Gymnasium environment cannot be made, told by the setting that is wrong."""

from __future__ import annotations

import contextlib
import inspect
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gymnasium

from triptych.types import ConfigurationError


@contextlib.contextmanager
def told_by_setting(id: str, make_kwargs: Mapping[str, Any]) -> Iterator[None]:
    """Turn what ``gymnasium.make`` raises over its settings into a `ConfigurationError` that names them.

    Args:
        id: ``env.id``, with the module that registers it where that is not Gymnasium itself.
        make_kwargs: ``env.make_kwargs``.

    Raises:
        ConfigurationError: it cannot be made by these settings.
    """
    if id.count(":") > 1:
        raise ConfigurationError(f"env.id={id} is not allowed: it takes <id> or <module>:<id>.")
    module = id.rpartition(":")[0]
    if ":" in id and not all(part.isidentifier() for part in module.split(".")):
        raise ConfigurationError(f"env.id={id} is not allowed: before the colon stands a module, as my_package.envs.")
    try:
        yield
    except ConfigurationError:
        raise
    except TypeError as error:
        given = f"env.make_kwargs={make_kwargs}" if make_kwargs else "no env.make_kwargs"
        raise ConfigurationError(
            f"env.id={id} cannot be made with {given}: {str(error).splitlines()[0].rstrip('.')}. Its constructor "
            f"takes {', '.join(_keywords(id)) or 'no keywords'}, as env.make_kwargs.x=1."
        ) from error
    except (gymnasium.error.Error, ImportError, AssertionError, SystemExit) as error:
        if isinstance(error, AssertionError) and not _is_of_checker(error):
            raise
        raise ConfigurationError(
            f"env.id={id} cannot be made by Gymnasium: {error} (The module that registers an id of your own stands "
            "before it, my_envs:Name-v0, with PYTHONPATH=. before the command where it lies in this folder.)"
        ) from error
    except Exception as error:
        if not make_kwargs or isinstance(error, OSError):  # a file may be there another time
            raise
        raise ConfigurationError(
            f"env.make_kwargs={make_kwargs} does not fit env.id={id}, whose constructor raises "
            f"{type(error).__name__}: {error}"
        ) from error


def _keywords(id: str) -> list[str]:
    """Return the keywords of an environment's constructor but for how it is drawn; none where it does not tell."""
    try:
        entry_point: Any = gymnasium.spec(id.rpartition(":")[2]).entry_point
        if isinstance(entry_point, str):
            entry_point = gymnasium.envs.registration.load_env_creator(entry_point)
        return [name for name in inspect.signature(entry_point).parameters if name != "render_mode"]
    except (gymnasium.error.Error, ImportError, AttributeError, TypeError, ValueError):
        return []


def _is_of_checker(error: AssertionError) -> bool:
    """Whether it is Gymnasium's checker of environments that asserts, not the environment."""
    *_, last = traceback.extract_tb(error.__traceback__)
    return "gymnasium" in Path(last.filename).parts and Path(last.filename).name.endswith("env_checker.py")
