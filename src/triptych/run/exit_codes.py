"""How a command ends: an exit code, and a sentence where something went wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable

from triptych.types import ConfigurationError, ExitCode, NoPicture, NotFinite, RunInterrupted


def exit_code_of(work: Callable[[], ExitCode | None]) -> ExitCode:
    """Do the work of a command, and say in a sentence what went wrong.

    Return what the work returns, by default 0; 2 for input that cannot be used, or a picture without Matplotlib; 130
    after Ctrl-C, and 1 for the rest.
    """
    try:
        return work() or ExitCode.DONE
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.BAD_INPUT
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        print("error: Pictures need matplotlib: pip install 'triptych[plots]'.", file=sys.stderr)
        return ExitCode.BAD_INPUT
    except (OSError, NotFinite, NoPicture) as error:  # no room for a file, an observation that is no number
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.FAILED
    except (RunInterrupted, KeyboardInterrupt):
        print("Interrupted.")
        return ExitCode.INTERRUPTED


def is_stop_of_run(error: BaseException, is_requested: bool) -> bool:
    """Whether somebody stopped the run, by a signal that came (``is_requested``) or by Ctrl-C.

    Lightning makes exits of its own of SIGTERM and of a second Ctrl-C.
    """
    is_exit = isinstance(error, SystemExit) and (is_requested or isinstance(error.__context__, KeyboardInterrupt))
    return is_exit or isinstance(error, RunInterrupted | KeyboardInterrupt)


def without_exit(error: BaseException) -> Exception:
    """Return an error as it is, and an exit of the process, as by an environment, as an error."""
    if isinstance(error, Exception):
        return error
    code = getattr(error, "code", None)
    return RuntimeError(f"the environment, or other code of the run, ended the process by sys.exit({code!r})")
