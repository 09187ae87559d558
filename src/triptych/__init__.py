"""Triptych: the three ways of reinforcement learning on PyTorch Lightning and Hydra."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

# Where libraries keep caches and staged files, below the home.
FOLDERS_OF_LIBRARIES = {
    "XDG_CACHE_HOME": ".cache",
    "XDG_DATA_HOME": ".local/share",
    "MPLCONFIGDIR": ".config/matplotlib",
}


def give_libraries_room() -> None:
    """Where the home cannot be written, as in many containers, let libraries use a temporary folder of this process."""
    home = Path(os.path.expanduser("~"))
    missing = [
        name for name, below in FOLDERS_OF_LIBRARIES.items() if name not in os.environ and _is_shut(home / below)
    ]
    if missing:
        folder = tempfile.mkdtemp(prefix="triptych-")  # of a name that nobody else can have prepared
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ |= {name: str(Path(folder, name.lower())) for name in missing}


def _is_shut(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return True
    return not os.access(folder, os.W_OK)


give_libraries_room()  # before any of them is imported
