"""How things end: the errors that cross rooms, and the exit codes of a process."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command returns to its shell; a sweep returns the worst of its jobs."""

    DONE = 0
    FAILED = 1
    BAD_INPUT = 2
    INTERRUPTED = 130


class ConfigurationError(ValueError):
    """A setting cannot work; the message is one sentence that names the key, the value and the way out."""

    def __str__(self) -> str:
        return " ".join(super().__str__().splitlines())  # what others say may have several lines


class NoPicture(RuntimeError):
    """An environment cannot be drawn on this machine, or not the episode that is to be seen."""


class RunInterrupted(BaseException):
    """Someone asked the run to stop; like `KeyboardInterrupt` no error, so that nobody takes it for one."""


class NotFinite(ArithmeticError):
    """A number that must be finite is not.

    Attributes:
        offender: what it was computed from, arrays or tensors, for inspection.
    """

    def __init__(self, message: str, offender: object) -> None:
        super().__init__(message)
        self.offender = offender
