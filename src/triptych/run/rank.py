"""A further process of a run: ``python -m triptych.run.rank PARENT RANK SIZE PORT``, as `run/others.py` starts it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import torch.distributed as dist

from triptych.run.others import HOST, POLL_S, SIGNALS, ready, take_part
from triptych.run.quiet import quiet_lightning
from triptych.types import ExitCode


def main(parent: int, rank: int, size: int, port: int) -> ExitCode:
    """Join the first process and take part in its run."""
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    quiet_lightning()
    store = dist.TCPStore(HOST, port, size, is_master=False)
    store.set(ready(rank), "")
    return take_part(rank, size, store)


def _end_with(parent: int) -> None:
    """End this process when the first has ended, however that came."""
    while os.getppid() == parent:
        time.sleep(POLL_S)
    os._exit(ExitCode.FAILED)


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:])))
