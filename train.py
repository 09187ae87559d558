"""The front door of a checkout, the command ``triptych`` without an installation of its own.

python train.py algo=dqn env=pong                             one run
python train.py -m algo=dqn,double_dqn env=pong seed=1,2,3    a sweep
"""

from __future__ import annotations

import sys

from triptych.command.main import console, main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(console())
