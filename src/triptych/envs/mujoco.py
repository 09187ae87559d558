"""What MuJoCo is told before it steps."""

from __future__ import annotations

import os
import warnings

from triptych.types import ConfigurationError


def warn_through_python() -> None:
    """Hand MuJoCo's warnings to Python, which shows each once; else they go to the screen and to ./MUJOCO_LOG.TXT.

    Raises:
        ConfigurationError: MuJoCo cannot be imported, as with a ``MUJOCO_GL`` whose library is missing.
    """
    try:
        import mujoco
    except Exception as error:  # what the graphics libraries raise is of any kind
        renderer = os.environ.get("MUJOCO_GL", "")
        raise ConfigurationError(f"MuJoCo cannot be imported with MUJOCO_GL={renderer}: {error}") from error

    def warn(text: str) -> None:
        category = DeprecationWarning if "deprecated" in text else RuntimeWarning
        warnings.warn(f"MuJoCo: {text}", category, stacklevel=1)

    mujoco.set_mju_user_warning(warn)
