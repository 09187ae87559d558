"""Gymnasium's environments in processes of their own, in a run that a signal may stop at any moment."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize
from types import FrameType
from typing import Any

import gymnasium
from gymnasium.vector import AsyncVectorEnv
from gymnasium.vector.async_vector_env import AsyncState

from triptych.types.signals import STOPPING

SET_PARENT_DEATH_SIGNAL = 1  # prctl(2)


class ProcessVectorEnv(AsyncVectorEnv):
    """`AsyncVectorEnv` that can be closed after a signal has cut off the reading of its workers' answers.

    Ctrl-C in a terminal, and what many schedulers send, reaches every process of a run. The workers leave it to the
    run, which needs them until it has stopped. Answers that were read in part cannot be waited for again, so then,
    and where nobody closes them, the workers are killed. On Linux they end with the run, even if that is killed.

    Args:
        env_fns: each makes the environment of one worker.
        The rest: see `AsyncVectorEnv`.
    """

    def __init__(self, env_fns: Sequence[Callable[[], gymnasium.Env]], **kwargs: Any) -> None:
        self._is_cut_off = False
        super().__init__([functools.partial(_make, env_fn, os.getpid()) for env_fn in env_fns], **kwargs)
        # At exit Python only terminates what still runs, and waits for it.
        Finalize(self, _kill, (self.processes,), exitpriority=0)

    def reset_async(self, *args: Any, **kwargs: Any) -> None:
        with self._exchange():
            super().reset_async(*args, **kwargs)

    def reset_wait(self, *args: Any, **kwargs: Any) -> Any:
        with self._exchange():
            return super().reset_wait(*args, **kwargs)

    def step_async(self, *args: Any, **kwargs: Any) -> None:
        with self._exchange():
            super().step_async(*args, **kwargs)

    def step_wait(self, *args: Any, **kwargs: Any) -> Any:
        with self._exchange():
            return super().step_wait(*args, **kwargs)

    @contextlib.contextmanager
    def _exchange(self) -> Iterator[None]:
        self._is_cut_off = True
        try:
            yield
        except Exception as error:
            if self._has_told_an_error:
                self._is_cut_off = False
            elif isinstance(error, (EOFError, ConnectionError)):
                raise RuntimeError("a process of an environment has ended by itself, or was killed") from error
            raise
        self._is_cut_off = False

    def _raise_if_errors(self, successes: Iterable[bool]) -> None:
        """Raise what an environment raised, with the traceback of its process as a note and not as a warning."""
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                super()._raise_if_errors(successes)
            except Exception as error:
                error.add_note("\n".join(str(warning.message) for warning in told))
                raise

    @property
    def _has_told_an_error(self) -> bool:
        """Whether an environment raised an error: all answers were read then, and its worker has ended."""
        return None in self.parent_pipes

    def close_extras(self, timeout: float | None = None, terminate: bool = False) -> None:
        workers = zip(self.processes, self.parent_pipes, strict=False)
        is_one_dead = any(pipe is not None and not process.is_alive() for process, pipe in workers)
        if terminate or self._is_cut_off or is_one_dead:
            _kill(self.processes)
            self._state, terminate = AsyncState.DEFAULT, True
        elif self._state is AsyncState.WAITING_STEP:
            self.step_wait(timeout)  # a run ends with a step under way
        super().close_extras(timeout, terminate)


def _make(env_fn: Callable[[], gymnasium.Env], run_process: int) -> gymnasium.Env:
    if os.getpid() != run_process:
        for number in STOPPING:
            signal.signal(number, _leave_to_the_run)
        _end_with(run_process)
    return env_fn()


def _end_with(run_process: int) -> None:
    """Let the operating system kill this process when the one that started it ends."""
    with contextlib.suppress(AttributeError):  # no Linux
        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        try:
            os.kill(run_process, 0)
        except ProcessLookupError:  # it has ended already
            os._exit(1)


def _leave_to_the_run(number: int, frame: FrameType | None) -> None:
    """Do nothing. Unlike ``SIG_IGN`` a handler is not handed on to programs that an environment starts."""


def _kill(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.kill()
