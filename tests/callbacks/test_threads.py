"""Threads follow what other processes leave of the cores."""

import os
import subprocess
import sys
import time

import pytest
import torch

from triptych.callbacks.threads import PERIOD_S, CpuSeconds, Threads, read_cpu_seconds


class Machine:
    """Two cores; what others and this process use of them is told beforehand."""

    def __init__(self):
        self.now = self.total = self.own = 0.0

    def work(self, seconds, own, others):
        self.now += seconds
        self.own += own * seconds
        self.total += (own + others) * seconds

    def read(self):
        return CpuSeconds(self.total, self.own)


@pytest.fixture(autouse=True)
def threads_are_put_back():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def make(most=2, is_fixed=False, others_cores=0):
    machine, lines = Machine(), []
    threads = Threads(most, is_fixed, lines.append, machine.read, lambda: machine.now, others_cores)
    torch.set_num_threads(most)
    threads.on_train_start(None, None)
    return machine, threads, lines


def end_turn(threads):
    threads.on_train_batch_end(None, None, None, None, 0)
    return torch.get_num_threads()


@pytest.mark.parametrize("kind", ["validation", "test"])
def test_an_evaluation_goes_by_one_thread_and_learning_goes_on_as_before(kind):
    _, threads, _ = make()
    getattr(threads, f"on_{kind}_start")(None, None)
    assert torch.get_num_threads() == 1
    getattr(threads, f"on_{kind}_end")(None, None)
    assert torch.get_num_threads() == 2
    _, fixed, _ = make(is_fixed=True)
    getattr(fixed, f"on_{kind}_start")(None, None)
    assert torch.get_num_threads() == 2


def test_one_thread_while_others_are_busy_and_all_again_when_they_are_gone():
    machine, threads, lines = make()
    machine.work(PERIOD_S, own=2.0, others=0.0)
    assert end_turn(threads) == 2
    machine.work(PERIOD_S, own=1.0, others=1.0)
    assert end_turn(threads) == 1
    machine.work(PERIOD_S, own=1.0, others=1.0)
    assert end_turn(threads) == 1
    machine.work(PERIOD_S, own=1.0, others=0.1)
    assert end_turn(threads) == 2
    assert len(lines) == 1
    assert "1.0 cores" in lines[0]


def test_other_runs_of_a_sweep_have_their_part_of_the_cores():
    machine, threads, _ = make(others_cores=2)
    machine.work(PERIOD_S, own=2.0, others=2.0)
    assert end_turn(threads) == 2
    machine.work(PERIOD_S, own=2.0, others=2.5)
    assert end_turn(threads) == 1


def test_it_looks_only_now_and_then():
    machine, threads, _ = make()
    machine.work(PERIOD_S / 2, own=1.0, others=1.0)
    assert end_turn(threads) == 2


@pytest.mark.parametrize(("most", "is_fixed"), [(2, True), (1, False)])
def test_a_number_that_was_asked_for_stays(most, is_fixed):
    machine, threads, lines = make(most, is_fixed)
    machine.work(PERIOD_S, own=1.0, others=1.0)
    assert end_turn(threads) == most
    assert lines == []


def test_the_operating_system_counts_this_process_its_children_and_the_others():
    before = read_cpu_seconds()
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.2)
        started = time.process_time()
        while time.process_time() < started + 0.5:
            pass
        after = read_cpu_seconds()
    finally:
        child.kill()
        child.wait()
    assert after.own - before.own > 0.6
    assert after.total - before.total >= 0.9 * (after.own - before.own)
    assert after.total <= time.monotonic() * len(os.sched_getaffinity(0)) * 1.1
