"""A run in two processes: one folder, one evaluation, and it goes on as a run of one does."""

import os
import signal
import time

import psutil
import pytest
import pytorch_lightning as pl

from tests.front_door import Fork, frames_of, rows, summary, train
from triptych import ranks
from triptych.report.differences import count_differences

SMALL = ["env=catch", "trainer=ddp_sim", "logger=csv", "callbacks.video=false", "callbacks.progress=false",
         "stop_when_solved=false", "eval.episodes=2", "callbacks.metrics.period_frames=200"]  # fmt: skip
OFF_POLICY = ["algo.learning_starts_env_steps=160", "algo.env_steps_per_update=8", "algo.batch_size=16"]
PERIODS = ["eval.period_frames=400", "checkpoint.period_frames=130"]


def start_in_background(*arguments):
    process = Fork(*arguments)
    return psutil.Process(process.pid), process


def wait_for(condition, seconds=120):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def others_of(process):
    return [child for child in process.children() if "triptych.run.rank" in child.cmdline()]


def test_two_processes_write_one_run(tmp_path):
    quick = ["algo.env_steps_per_update=4", "algo.learning_starts_env_steps=400"]
    result = train("algo=dqn", *SMALL, *quick, "total_frames=800", "eval.episodes=20", f"run_dir={tmp_path / 'run'}")
    assert result.returncode == 0, result.stdout + result.stderr
    found = summary(tmp_path / "run")
    assert (found["status"], found["frames"], found["env_steps"]) == ("finished", 800, 800)
    assert found["updates"] == (800 - 400 + 8) // 4
    assert found["hardware"]["processes"] == 2
    episodes = rows(tmp_path / "run", "episodes.csv")
    assert {int(row["env_index"]) for row in episodes} == set(range(8))
    assert sum(int(row["length"]) for row in episodes) == pytest.approx(800, abs=8 * 10)
    order = [(int(row["frames"]), int(row["env_index"])) for row in episodes]
    assert order == sorted(order)
    assert frames_of(tmp_path / "run", "evaluations.csv") == [800] * 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


@pytest.mark.parametrize(
    "settings",
    [
        ["algo=nfsp", "env=kuhn_poker", *OFF_POLICY, "algo.num_envs=8", "algo.prioritized=true",
         "total_frames=800"],
        ["algo=ppo", "algo.normalize_rewards=true", "algo.rollout_length=8", "algo.num_minibatches=2",
         "total_frames=800"],
    ],
    ids=["off policy", "on policy"],
)  # fmt: skip
def test_a_run_whose_first_process_was_killed_is_the_run_that_never_was(settings, tmp_path):
    if "env=kuhn_poker" in settings:
        pytest.importorskip("pyspiel")
    arguments = [*SMALL, *settings, *PERIODS]
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    assert train(*arguments, f"run_dir={straight}").returncode == 0
    process, popen = start_in_background(*arguments, f"run_dir={killed}")
    wait_for(lambda: killed.exists() and summary_or_nothing(killed).get("frames", 0) >= 260)
    others = others_of(process)
    assert len(others) == 1
    process.kill()
    popen.wait()
    psutil.wait_procs(others, timeout=10)
    assert not any(one.is_running() for one in others)
    result = train(*arguments, f"run_dir={killed}")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "last.ckpt" in result.stdout
    assert "could not be played again" not in result.stdout
    found = count_differences(straight, killed)
    assert found["episodes"] > 20
    assert {key: count for key, count in found.items() if key.startswith("different_")} == {
        "different_episodes": 0,
        "different_numbers": 0,
        "different_values": 0,
    }


def summary_or_nothing(folder):
    return summary(folder) if (folder / "summary.json").exists() else {}


def test_signals_and_lost_processes(tmp_path):
    """SIGTERM, also to all, ends a run with everything saved; the death of one ends all with a sentence."""
    folder = tmp_path / "run"
    arguments = ["algo=dqn", *SMALL, *OFF_POLICY, *PERIODS, "total_frames=100000", f"run_dir={folder}"]
    process, popen = start_in_background(*arguments)
    wait_for(lambda: summary_or_nothing(folder).get("frames", 0) > 0)
    for one in (*others_of(process), process):
        one.send_signal(signal.SIGTERM)
    output = "".join(popen.communicate(timeout=90))
    assert popen.returncode == 130, output
    reached = summary(folder)
    assert reached["status"] == "interrupted"

    process, popen = start_in_background(*arguments)
    wait_for(lambda: summary_or_nothing(folder).get("frames", 0) > reached["frames"])
    (other,) = others_of(process)
    os.kill(other.pid, signal.SIGKILL)
    output = "".join(popen.communicate(timeout=90))
    assert popen.returncode == 1, output
    assert "Failed: ProcessLost: process 2 of 2 has ended: exit code -9" in output
    assert summary(folder)["status"] == "failed"

    result = train(*arguments, "trainer.devices=4")
    assert result.returncode == 2
    assert "holds another run" in result.stderr


class FaultInTheSecond(pl.Callback):
    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        if ranks.rank() == 1:
            raise ValueError("no more")


def test_an_error_of_the_second_process_is_told(tmp_path):
    fault = "+callbacks.extra.fault={_target_:tests.run.test_ddp.FaultInTheSecond}"
    result = train("algo=a2c", *SMALL, "total_frames=4000", fault, f"run_dir={tmp_path}")
    assert result.returncode == 1
    assert "process 2 of 2 has ended: ValueError: no more" in result.stdout
    assert "in on_train_batch_end" in (tmp_path / "train.log").read_text()
