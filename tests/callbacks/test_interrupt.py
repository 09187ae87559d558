"""Signals at moments that only a callback can choose, on the real command line."""

import signal
import time

import pytest
import pytorch_lightning as pl

from tests.front_door import fork, rows, summary, train
from triptych.callbacks.interrupt import Interrupt


class SignalAt(pl.Callback):
    """Sends a signal to its own process at one hook, in training once ``frames`` are played."""

    def __init__(self, hook, number, frames):
        def send(trainer, *_, **__):
            if trainer.datamodule.clock.frames >= frames or trainer.state.fn != "fit":
                signal.raise_signal(number)

        setattr(self, hook, send)


SETTINGS = ["algo=dqn", "env=catch", "debug=tiny", "total_frames=800", "eval.period_frames=400", "eval.episodes=2",
            "trainer.num_threads=1"]  # fmt: skip


def interrupted(folder, *arguments):
    """Run in a process of its own, which the signal does not outlive."""
    return fork(*SETTINGS, f"run_dir={folder}", *arguments)


def gone_on_with(folder, *arguments):
    return train(*SETTINGS, f"run_dir={folder}", *arguments)


@pytest.mark.parametrize(
    ("hook", "number", "frames"),
    [
        ("on_train_batch_start", signal.SIGTERM, 8),
        ("on_validation_end", signal.SIGTERM, 400),
        ("on_validation_end", signal.SIGINT, 800),
        ("on_train_end", signal.SIGTERM, 800),
        ("on_test_start", signal.SIGTERM, 800),
        ("on_test_epoch_end", signal.SIGINT, 800),
        ("on_train_batch_start", signal.SIGHUP, 8),
        ("on_train_batch_start", signal.SIGUSR1, 8),
        ("on_test_start", signal.SIGXCPU, 800),
    ],
)
def test_a_signal_is_never_forgotten(tmp_path, monkeypatch, hook, number, frames):
    folder = tmp_path / "run"
    monkeypatch.setenv("SLURM_JOB_ID", "7")  # Lightning would save a checkpoint of its own on SIGUSR1
    monkeypatch.setenv("SLURM_NTASKS", "1")
    when = f"hook:{hook},number:{number.value},frames:{frames}"
    extra = f"+callbacks.extra.stop={{_target_:tests.callbacks.test_interrupt.SignalAt,{when}}}"
    result = interrupted(folder, extra)
    assert result.returncode == 130, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    found = summary(folder)
    assert found["status"] == "interrupted"
    assert found["eval_returns"] is None
    assert found["frames"] == frames
    assert (folder / "checkpoints" / "last.ckpt").exists()
    assert gone_on_with(folder).returncode == 0
    found = summary(folder)
    assert (found["status"], found["frames"], len(found["eval_returns"])) == ("finished", 800, 2)


def test_a_signal_at_the_end_of_a_run_without_final_evaluation_ends_the_sweep(tmp_path):
    extra = (
        "+callbacks.extra.stop={_target_:tests.callbacks.test_interrupt.SignalAt,hook:on_train_end,number:2,frames:8}"
    )
    result = fork("-m", *SETTINGS, "test=false", "seed=1,2", extra, cwd=tmp_path)
    assert result.returncode == 130, result.stdout + result.stderr
    (found,) = (summary(path.parent) for path in tmp_path.rglob("summary.json"))
    assert (found["status"], found["frames"], found["seed"]) == ("finished", 800, 1)


class TwoSlowSignals(pl.Callback):
    """Sends SIGINT to its own process twice in one moment, as two keys; what a slow save makes of a second Ctrl-C."""

    def __init__(self, frames):
        self.frames = frames

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if trainer.datamodule.clock.frames == self.frames:
            signal.raise_signal(signal.SIGINT)
            time.sleep(1.2)
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(("frames", "saved"), [(8, None), (304, 200)])
def test_a_second_signal_that_leaves_no_checkpoint_does_not_say_that_it_did(tmp_path, frames, saved):
    folder = tmp_path / "run"
    extra = f"+callbacks.extra.stop={{_target_:tests.callbacks.test_interrupt.TwoSlowSignals,frames:{frames}}}"
    result = interrupted(folder, "checkpoint.period_frames=200", extra)
    assert result.returncode == 130, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    what = f"the last is of {saved} frames" if saved else "there is none"
    assert f"Interrupted without a new checkpoint; {what}" in result.stdout
    assert (summary(folder)["status"], summary(folder)["frames"]) == ("interrupted", saved or 0)
    assert (folder / "checkpoints" / "last.ckpt").exists() == (saved is not None)


def test_a_signal_while_the_video_is_drawn_is_not_forgotten(tmp_path, monkeypatch):
    folder, wrapper = tmp_path / "run", "env.wrappers=[tests.broken_env.Signalling]"
    monkeypatch.setenv("SIGNAL_IN_RENDER", "1")
    result = interrupted(folder, wrapper)
    assert result.returncode == 130, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    assert summary(folder)["status"] == "interrupted"
    monkeypatch.delenv("SIGNAL_IN_RENDER")
    assert gone_on_with(folder, wrapper).returncode == 0
    assert summary(folder)["status"] == "finished"


class SignalAtUpdate(pl.Callback):
    """Sends SIGTERM to its own process before the update of this number."""

    def __init__(self, update):
        self.update = update

    def on_before_backward(self, trainer, module, loss):
        if module.updates == self.update:
            signal.raise_signal(signal.SIGTERM)


def test_a_turn_of_many_updates_is_cut_off_and_what_is_left_of_it_made_up_for(tmp_path):
    folder = tmp_path / "run"
    settings = ["eval.period_frames=800", "algo.env_steps_per_update=0.5", "algo.batch_size=4"]  # 16 in a turn of 8
    extra = "+callbacks.extra.stop={_target_:tests.callbacks.test_interrupt.SignalAtUpdate,update:17}"
    result = interrupted(folder, *settings, extra)
    assert result.returncode == 130, result.stdout + result.stderr
    found = summary(folder)
    assert (found["status"], found["frames"], found["updates"]) == (
        "interrupted",
        208,
        18,
    )  # the second turn of learning
    assert gone_on_with(folder, *settings).returncode == 0
    found = summary(folder)
    assert (found["status"], found["frames"], found["updates"]) == ("finished", 800, 16 * (800 - 200 + 8) // 8)


@pytest.mark.parametrize(
    ("algo", "frames"),
    [
        (["algo=dqn", "algo.num_envs=1", "algo.env_steps_per_update=16"], 301),  # in the middle of a turn of 16
        (["algo=ppo", "algo.num_envs=2", "algo.rollout_length=64"], 512),  # the end of the fourth rollout of 128
    ],
    ids=["dqn", "ppo"],
)
def test_a_signal_in_the_middle_of_a_turn_does_not_wait_for_its_end(tmp_path, monkeypatch, algo, frames):
    folder, wrapper = tmp_path / "run", "env.wrappers=[tests.broken_env.SignallingStep]"
    settings = [*algo, "eval.period_frames=1024", "total_frames=1024", wrapper]
    monkeypatch.setenv("SIGNAL_IN_STEP", "301")
    result = interrupted(folder, *settings)
    assert result.returncode == 130, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    assert (summary(folder)["status"], summary(folder)["frames"]) == ("interrupted", frames)
    before = rows(folder, "episodes.csv")
    assert sum(int(row["length"]) for row in before) > frames - 20  # none that ended is left out
    assert all(int(row["frames"]) <= frames for row in before)
    monkeypatch.delenv("SIGNAL_IN_STEP")
    assert gone_on_with(folder, *settings).returncode == 0
    found, after = summary(folder), rows(folder, "episodes.csv")
    assert (found["status"], found["frames"]) == ("finished", 1024)
    assert after[: len(before)] == before
    names = [(row["env_index"], row["episode_index"]) for row in after]
    assert len(set(names)) == len(names)


def test_after_a_run_signals_mean_what_they_meant_before():
    earlier = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Interrupt():
        assert all(signal.getsignal(number) not in earlier for number in (signal.SIGINT, signal.SIGTERM))
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as Lightning puts back, after an error, what it found
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == earlier


def test_what_was_ignored_stays_ignored_and_a_warning_may_be_repeated(monkeypatch, capsys):
    times = iter([10.0, 12.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    earlier = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupt():
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            signal.raise_signal(signal.SIGXCPU)
            signal.raise_signal(signal.SIGXCPU)
    finally:
        signal.signal(signal.SIGHUP, earlier)
    assert capsys.readouterr().out.count("Stopping") == 1


def test_a_second_signal_of_the_same_key_is_one_and_a_later_one_is_the_ordinary_one(monkeypatch, capsys):
    times = iter([10.0, 10.5, 12.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    with Interrupt():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert capsys.readouterr().out.count("Stopping") == 1
