"""How a command ends: an exit code, and a sentence where something went wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable

from triptych.types import ConfigurationError, ExitCode, NoPicture, NotFinite, RunInterrupted


def exit_code_of(work: Callable[[], ExitCode | None]) -> ExitCode:
    """Do the work of a command, and say in a sentence what went wrong.

    Return what the work returns, by default 0; 2 for input that cannot be used, 130 after Ctrl-C, and 1 for the rest.
    """
    try:
        return work() or ExitCode.DONE
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.BAD_INPUT
    except (OSError, NotFinite, NoPicture) as error:  # no room for a file, an observation that is no number
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.FAILED
    except (RunInterrupted, KeyboardInterrupt):
        print("Interrupted.")
        return ExitCode.INTERRUPTED
