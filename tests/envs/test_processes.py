"""Environments in processes of their own, and the signals that stop a run."""

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from triptych.envs.gymnasium import Gymnasium
from triptych.envs.processes import ProcessVectorEnv

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = 2


class Sleeper(gymnasium.Env):
    """Takes as many tenths of a second for a step as its action says; leaves a file where it is closed."""

    def __init__(self, folder=None):
        self.observation_space, self.action_space, self.folder = Box(-1, 1, (1,)), Discrete(600), folder

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        if isinstance(action, Exception):
            raise action
        time.sleep(action / 10)
        return np.zeros(1, np.float32), 1.0, False, False, {"process": os.getpid()}

    def close(self):
        if self.folder is not None:
            (self.folder / f"closed-{os.getpid()}").touch()


class Stop(Exception):
    pass


@pytest.fixture
def envs(tmp_path):
    envs = ProcessVectorEnv([lambda: Sleeper(tmp_path)] * ENVIRONMENTS)
    envs.reset()
    yield envs
    for process in envs.processes:
        process.kill()


@pytest.fixture
def stop_after():
    """Raise `Stop` in the main thread after so many seconds."""

    def raise_stop(number, frame):
        raise Stop

    earlier = signal.signal(signal.SIGALRM, raise_stop)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, earlier)


@pytest.mark.parametrize("actions", [[0, 300], [300, 0], [300, 300]])
def test_what_was_cut_off_in_the_midst_of_reading_can_be_closed(envs, stop_after, actions):
    stop_after(0.5)
    with pytest.raises(Stop):
        envs.step(np.array(actions))
    stop_after(20.0)  # a close that waits fails the test
    envs.close()
    assert not any(process.is_alive() for process in envs.processes)


def test_a_step_that_nobody_has_read_is_finished_before_the_environments_are_closed(envs, tmp_path):
    envs.step_async(np.array([2, 3]))
    envs.close()
    workers = {f"closed-{process.pid}" for process in envs.processes}
    assert workers < {path.name for path in tmp_path.iterdir()}  # the run's own process closed one that it asked


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_workers_leave_signals_to_the_run(envs, number):
    workers = [process.pid for process in envs.processes]
    for worker in workers:
        os.kill(worker, number)
    *_, info = envs.step(np.array([1, 1]))
    assert info["process"].tolist() == workers


@pytest.mark.parametrize("error", [ValueError("a bad move"), ConnectionError("no server"), EOFError("no level")])
def test_an_error_of_one_environment_arrives_and_the_others_are_closed(envs, stop_after, tmp_path, error):
    stop_after(20.0)
    with pytest.raises(type(error), match=str(error)) as raised, warnings.catch_warnings(action="error"):
        envs.step(np.array([0, error]))
    assert "Worker-1" in raised.value.__notes__[0]
    assert "raise action" in raised.value.__notes__[0]
    envs.close()
    assert {f"closed-{process.pid}" for process in envs.processes} < {path.name for path in tmp_path.iterdir()}
    assert not any(process.is_alive() for process in envs.processes)


@pytest.mark.parametrize("when", ["before it is asked", "while it steps"])
def test_a_worker_that_was_killed_is_told_in_a_sentence(envs, stop_after, when):
    stop_after(20.0)
    if when == "while it steps":
        envs.step_async(np.array([1, 5]))
    envs.processes[1].kill()
    envs.processes[1].join()
    with pytest.raises(RuntimeError, match="a process of an environment has ended"):
        envs.step_wait() if when == "while it steps" else envs.step(np.array([1, 1]))
    envs.close()
    assert not any(process.is_alive() for process in envs.processes)


def test_a_worker_that_was_killed_between_two_calls_is_closed(envs, stop_after):
    stop_after(20.0)
    envs.processes[0].kill()
    envs.processes[0].join()
    envs.close()
    assert not any(process.is_alive() for process in envs.processes)


class Server(Sleeper):
    """Starts a program, and ends it where it is closed."""

    def __init__(self):
        super().__init__()
        self.program = subprocess.Popen(["sleep", "60"])

    def close(self):
        self.program.terminate()
        self.program.wait()


def test_what_an_environment_started_can_be_terminated(stop_after):
    envs = ProcessVectorEnv([Server] * ENVIRONMENTS)
    envs.reset()
    stop_after(20.0)
    envs.close()


@pytest.mark.parametrize(("ending", "exit_code"), [("", 0), ("raise ValueError", 1), ("sys.exit(3)", 3)])
def test_a_program_that_closes_nothing_still_ends(ending, exit_code):
    program = (
        "import sys\n"
        "import numpy as np\n"
        "from triptych.envs.gymnasium import Gymnasium\n"
        "game = Gymnasium('CartPole-v1', 2, use_processes=True)\n"
        "game.reset(np.arange(2), np.ones(2, bool))\n"
        f"game.send(np.zeros(2, np.int64))\n{ending}\n"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, timeout=60)
    assert result.returncode == exit_code, result.stderr


def test_a_game_in_processes_can_be_closed_after_an_interrupted_reset(stop_after):
    game = Gymnasium("CartPole-v1", 2, use_processes=True)
    for process in game._envs.processes:
        os.kill(process.pid, signal.SIGSTOP)  # as slow as can be
    stop_after(0.5)
    with pytest.raises(Stop):
        game.reset(np.arange(2), np.ones(2, bool))
    stop_after(20.0)
    game.close()


RUN = """
import gymnasium, time
from triptych.envs.processes import ProcessVectorEnv
if __name__ == "__main__":
    envs = ProcessVectorEnv([lambda: gymnasium.make("CartPole-v1")] * 2)
    print(*(process.pid for process in envs.processes), flush=True)
    time.sleep(60)
"""


def test_workers_end_with_a_run_that_is_killed():
    process = subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE, text=True)
    workers = [int(word) for word in process.stdout.readline().split()]
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while any(is_running(worker) for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
