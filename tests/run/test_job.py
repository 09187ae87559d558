"""Whole runs on the real command line: the folder's contract, resuming, sweeps, and what goes wrong on the way."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf

from tests.front_door import ROOT, Fork, command, frames_of, rows, start, summary, train
from triptych.algos.dqn import DQN
from triptych.build import build
from triptych.command import environments
from triptych.command.compose import compose_jobs, register_options
from triptych.provenance.code import versions
from triptych.report.runs import find_runs
from triptych.run import job
from triptych.run.naming import env_name, folder_of
from triptych.run.restore import load_config

TINY = [
    "stop_when_solved=false",
    "env=catch",
    "logger=csv",
    "eval.episodes=2",
    "eval.period_frames=1000",
    "checkpoint.period_frames=500",
    "checkpoint.keep_replay=true",
    "callbacks.metrics.period_frames=200",
    "callbacks.metrics.least_rows=0",
    "algo.learning_starts_env_steps=200",
    "algo.env_steps_per_update=8",
    "trainer.num_threads=1",
]
CONTRACT = [
    "config.yaml",
    "metrics.csv",
    "episodes.csv",
    "summary.json",
    "train.log",
    "checkpoints/last.ckpt",
    "checkpoints/best.ckpt",
    "checkpoints/replay",
    "videos/evaluation.mp4",
]


def replay_chunks(folder, name):
    """List what the saved replay of this name is made of: files with the rows that they hold."""
    index = torch.load(folder / "checkpoints" / "replay" / f"index-{name}.pt", weights_only=True)
    return json.loads(index["chunks"])


def wait_for_rows(process, folder, num_rows):
    deadline = time.monotonic() + 120
    while not (folder / "metrics.csv").exists() or len(rows(folder)) < num_rows:
        assert process.poll() is None, "the run ended too soon"
        assert time.monotonic() < deadline, "the run made no progress"
        time.sleep(0.05)


def start_and_wait_for_rows(folder, num_rows, *arguments):
    process = Fork(*arguments)
    wait_for_rows(process, folder, num_rows)
    return process


def kill_after_rows(folder, num_rows, *arguments):
    process = start_and_wait_for_rows(folder, num_rows, *arguments)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert summary(folder)["status"] == "running"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    result = train(*TINY, "total_frames=3000", f"run_dir={folder}")
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed") / "run"
    kill_after_rows(folder, 12, *TINY, "total_frames=8000", f"run_dir={folder}")
    return folder


def copy_of(folder, tmp_path):
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_a_run_that_fails_before_its_first_checkpoint_keeps_what_it_had_reached(finished, tmp_path, monkeypatch):
    folder = copy_of(finished, tmp_path)

    def fail(*_, **__):
        raise OSError("no room")

    monkeypatch.setattr(pl.Trainer, "fit", fail)
    result = train(*TINY, "total_frames=6000", f"run_dir={folder}")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    before, after = summary(finished), summary(folder)
    assert after["status"] == "failed"
    for name in ("eval_return_mean", "eval_returns", "frames", "updates"):
        assert after[name] == before[name]


def test_a_finished_run_keeps_the_contract_of_its_folder(finished):
    for name in CONTRACT:
        assert (finished / name).exists(), name
    found = summary(finished)
    assert found["status"] == "finished"
    assert found["frames"] >= 3000
    assert len(found["eval_returns"]) == 2
    assert found["eval_return_mean"] == pytest.approx(sum(found["eval_returns"]) / 2)
    assert found["protocol"] == "none"
    assert {"updates", "human_normalized_score", "frames_per_second", "wall_time_s", "versions", "error"} <= set(found)
    first = rows(finished)[0]
    assert list(first)[:4] == ["frames", "env_steps", "updates", "wall_time_s"]
    names = set().union(*(row.keys() for row in rows(finished)))
    assert {
        "collect/return_mean",
        "collect/episode_length_mean",
        "train/loss",
        "train/q_value_mean",
        "train/grad_norm",
        "train/frames_per_second",
        "train/epsilon",
        "eval/return_mean",
        "eval/return_std",
    } <= names
    assert frames_of(finished) == sorted(frames_of(finished))
    assert list(rows(finished, "episodes.csv")[0]) == [
        "frames", "env_index", "episode_index", "seed", "length", "return",
    ]  # fmt: skip


def test_updates_keep_their_ratio_to_env_steps(finished):
    for row in rows(finished):
        assert int(row["updates"]) == max(0, (int(row["env_steps"]) - 192) // 8)


def test_checkpoints_hold_plain_data(finished):
    for name in ("last.ckpt", "best.ckpt"):
        checkpoint = torch.load(finished / "checkpoints" / name, weights_only=True)
        assert "state_dict" in checkpoint
        assert (finished / "checkpoints" / name).stat().st_size < 50e6


def test_the_same_command_again_says_that_it_is_finished(finished):
    before = (finished / "summary.json").read_text()
    result = train(*TINY, "total_frames=3000", f"run_dir={finished}")
    assert result.returncode == 0
    assert "is finished" in result.stdout
    assert (finished / "summary.json").read_text() == before


def test_more_frames_go_on_from_the_end(finished, tmp_path):
    folder = copy_of(finished, tmp_path)
    before = rows(folder)
    planner = summary(folder) | {"eval_return_mean_without_search": 0.5}
    (folder / "summary.json").write_text(json.dumps(planner))
    result = train(*TINY, "total_frames=5000", f"run_dir={folder}")
    assert result.returncode == 0, result.stderr
    after = rows(folder)
    assert after[: len(before)] == before
    assert summary(folder)["frames"] >= 5000
    assert summary(folder)["eval_return_mean_without_search"] is None, "it is of the parameters before"
    assert frames_of(folder) == sorted(frames_of(folder))
    assert float(after[-1]["wall_time_s"]) > float(before[-1]["wall_time_s"])


def test_a_finished_run_drops_its_replay_and_fills_it_again_where_it_goes_on(tmp_path):
    arguments = [*TINY, "checkpoint.keep_replay=false", f"run_dir={tmp_path}"]
    assert train(*arguments, "total_frames=1000").returncode == 0
    assert not (tmp_path / "checkpoints" / "replay").exists()
    assert summary(tmp_path)["replay_kept"] is False
    result = train(*arguments, "checkpoint.keep_replay=true", "total_frames=2000")
    assert result.returncode == 0, result.stderr
    (line,) = [line for line in result.stdout.splitlines() if "replay was not kept" in line]
    assert "(checkpoint.keep_replay=true keeps it): 200 env steps are played" in line
    assert (tmp_path / "checkpoints" / "replay").exists()
    found = summary(tmp_path)
    assert found["replay_kept"] is True
    assert found["updates"] == (1000 - 192) // 8 + (2000 - 1192) // 8
    updates = {int(row["frames"]): int(row["updates"]) for row in rows(tmp_path)}
    assert updates[1000] == (1000 - 192) // 8
    assert updates[1200] == updates[1000] + 1
    result = train(*arguments, "total_frames=2400")
    assert "replay was not kept" not in result.stdout
    assert summary(tmp_path)["updates"] == found["updates"] + 400 // 8


@pytest.mark.parametrize(
    ("choices", "name"), [({}, "dqn"), ({"experiment": None}, "dqn"), ({"experiment": "pong_fast"}, "dqn-pong_fast")]
)
def test_a_folder_is_named_after_the_experiment(choices, name):
    cfg = OmegaConf.create({"run_dir": None, "seed": 1, "protocol": {"name": "nature"}})
    path = folder_of(cfg, {"algo": "dqn", "env": "pong"} | choices)
    assert path.parent == Path("outputs", name, "pong", "nature")


def test_fresh_moves_the_old_run_aside(finished, tmp_path):
    folder = copy_of(finished, tmp_path)
    result = train(*TINY, "total_frames=600", f"run_dir={folder}", "fresh=true")
    assert result.returncode == 0, result.stderr
    assert summary(folder)["frames"] < 1000
    assert summary(tmp_path / "copy.old1")["frames"] >= 3000


def test_fresh_leaves_the_old_run_where_it_is_if_the_new_one_cannot_start(finished, tmp_path):
    folder = copy_of(finished, tmp_path)
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    result = train("env=gym", "env.id=Pendulum-v1", "logger=csv", f"run_dir={folder}", "fresh=true")
    assert result.returncode == 2
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before
    assert summary(folder)["status"] == "finished"
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_fresh_puts_the_old_run_back_where_the_environment_cannot_be_made(finished, tmp_path):
    folder = copy_of(finished, tmp_path)
    before = summary(folder)
    make = ["env=gym", "env.id=LunarLander-v3", "+env.make_kwargs.gravity=5"]  # it must be negative
    result = train(*make, "logger=csv", f"run_dir={folder}", "fresh=true")
    assert result.returncode == 1
    assert "Traceback" not in result.stdout + result.stderr
    assert "Failed to start" in result.stdout
    assert "is back in" in result.stdout
    assert summary(folder) == before
    assert "Traceback" in (folder / "train.log").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_a_file_that_an_environment_misses_fails_its_start_alone(tmp_path):
    make = ["env=gym", "env.id=Hopper-v5", "+env.make_kwargs.xml_file=/nowhere/level7.xml"]
    result = train("algo=ppo", *make, "logger=csv", cwd=tmp_path)
    assert result.returncode == 1
    assert "Failed to start" in result.stdout
    (path,) = tmp_path.glob("outputs/*/*/*/*/summary.json")
    assert summary(path.parent)["status"] == "failed"
    assert summary(path.parent)["frames"] == summary(path.parent)["updates"] == 0
    assert "level7" in summary(path.parent)["error"]
    assert "Traceback" in (path.parent / "train.log").read_text()


LAUNCHERS = {
    "RANK": "1", "LOCAL_RANK": "1", "NODE_RANK": "1", "GROUP_RANK": "1", "WORLD_SIZE": "2", "SLURM_PROCID": "1",
    "SLURM_LOCALID": "1", "SLURM_NODEID": "1", "SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "train", "SLURM_NTASKS": "4",
    "SLURM_NTASKS_PER_NODE": "4", "JSM_NAMESPACE_RANK": "1",
}  # fmt: skip


def test_the_variables_of_a_launcher_change_nothing(finished, tmp_path):
    """In a process of its own: Lightning reads some of them when it is imported."""
    folder = tmp_path / "run"
    logger = "+logger.mine={_target_:pytorch_lightning.loggers.CSVLogger,name:mine}"
    result = start(*TINY, "total_frames=3000", f"run_dir={folder}", logger, env=os.environ | LAUNCHERS)
    assert result.returncode == 0, result.stderr + result.stdout
    assert list(folder.glob("mine/*/metrics.csv"))
    for name in CONTRACT:
        assert (folder / name).exists(), name
    assert rows(folder, "episodes.csv") == rows(finished, "episodes.csv")
    assert frames_of(folder) == frames_of(finished)
    assert summary(folder)["eval_returns"] == summary(finished)["eval_returns"]


GRAVITY = ["env=gym", "env.id=LunarLander-v3"]  # it must lie between 0 and -12


def test_what_an_environment_says_when_it_is_made_is_told_in_a_sentence(tmp_path):
    tiny = [argument for argument in TINY if not argument.startswith("env=")]
    result = train(*GRAVITY, "+env.make_kwargs.gravity=5", "total_frames=400", *tiny, cwd=tmp_path)
    assert result.returncode == 1
    assert "Traceback" not in result.stdout + result.stderr
    assert "Failed to start: AssertionError: gravity" in result.stdout
    (path,) = tmp_path.glob("outputs/*/*/*/*/summary.json")
    assert summary(path.parent)["status"] == "failed"


def test_a_sweep_does_not_start_where_one_of_its_environments_cannot_be_played(tmp_path):
    result = train("-m", *GRAVITY, "+env.make_kwargs.gravity=-10,5", "seed=1,2", "logger=csv", cwd=tmp_path)
    assert result.returncode == 2
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "gravity=5 seed=1" in line
    assert "AssertionError: gravity" in line
    assert "no job was started" in line
    assert list(tmp_path.iterdir()) == []


def test_each_environment_of_a_sweep_is_made_once_before_it_starts(monkeypatch):
    made = []
    monkeypatch.setattr(environments, "make_spec", lambda make_game: made.append(make_game))
    register_options(ROOT / "conf")
    sweep = ["-m", "env=catch,cartpole", "algo=dqn,ppo", "seed=1,2,3", "env.num_envs=4,8"]
    environments.check_environments(compose_jobs(sweep, ROOT / "conf"))
    assert len(made) == 2


def test_a_truncated_best_checkpoint_gives_way_to_the_last(finished, tmp_path):
    folder = copy_of(finished, tmp_path)
    best = folder / "checkpoints" / "best.ckpt"
    best.write_bytes(best.read_bytes()[:1000])
    # Killed before its final evaluation:
    (folder / "summary.json").write_text(json.dumps(summary(folder) | {"status": "running"}))
    result = train(*TINY, "total_frames=3000", f"run_dir={folder}")
    assert result.returncode == 0, result.stderr
    assert "best.ckpt cannot be read" in result.stdout
    assert summary(folder)["status"] == "finished"
    torch.load(best, weights_only=True)


def test_an_evaluation_after_the_last_checkpoint_is_cut_and_played_again(tmp_path):
    folder = tmp_path / "run"
    periods = ["eval.period_frames=800", "checkpoint.period_frames=800"]
    arguments = [*[argument for argument in TINY if "period_frames=" not in argument], *periods, f"run_dir={folder}"]
    # The second row is of the evaluation, the checkpoint is from just before it.
    kill_after_rows(folder, 2, *arguments, "total_frames=100000", "callbacks.metrics.period_frames=800")
    saved = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["ReplayDataModule"]["turns"] == 100
    result = train(*arguments, "total_frames=1600", "callbacks.metrics.period_frames=800")
    assert result.returncode == 0, result.stderr
    evaluations = [int(row["frames"]) for row in rows(folder) if row["eval/return_mean"]]
    assert evaluations == [800, 1600]
    assert frames_of(folder) == [800, 800, 1600, 1600]


def test_a_running_run_tells_how_far_its_checkpoint_is(killed):
    found = summary(killed)
    assert found["frames"] >= 500
    assert found["frames"] % 8 == 0
    for name in ("eval_return_mean", "eval_returns", "human_normalized_score", "stop_reason"):
        assert found[name] is None
    assert {"updates", "env_steps", "wall_time_s", "frames_per_second"} <= set(found)


def test_a_run_that_ends_before_its_first_update_has_everything(tmp_path):
    result = train(*TINY, "total_frames=100", f"run_dir={tmp_path / 'run'}")
    assert result.returncode == 0, result.stderr
    for name in CONTRACT:
        assert (tmp_path / "run" / name).exists(), name
    assert summary(tmp_path / "run")["updates"] == 0


def test_kill_and_the_same_command_goes_on(killed, tmp_path):
    folder = copy_of(killed, tmp_path)
    saved = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    module_state = next(value for key, value in saved["state_dict"].items() if key.endswith("_extra_state"))
    chunks_before = replay_chunks(folder, saved["ReplayDataModule"]["replay"])
    assert chunks_before

    result = train(*TINY, "total_frames=8000", f"run_dir={folder}")
    assert result.returncode == 0, result.stderr
    assert "last.ckpt" in result.stdout
    found = rows(folder)
    frames = frames_of(folder)
    assert frames == sorted(frames)
    assert max(frames.count(frame) for frame in frames) <= 2  # a training row and an evaluation row
    training = [row for row in found if row["train/epsilon"]]
    epsilons = [float(row["train/epsilon"]) for row in training]
    assert epsilons == sorted(epsilons, reverse=True)
    resumed = next(row for row in training if int(row["env_steps"]) > module_state["env_steps"])
    ratio = (int(resumed["updates"]) - module_state["updates"]) / (
        int(resumed["env_steps"]) - module_state["env_steps"]
    )
    assert ratio == pytest.approx(1 / 8)
    episodes = [(row["env_index"], row["episode_index"]) for row in rows(folder, "episodes.csv")]
    assert len(set(episodes)) == len(episodes)
    assert summary(folder)["status"] == "finished"
    chunks_after = replay_chunks(folder, "8000")
    assert chunks_after[: len(chunks_before)] == chunks_before, "the replay still holds what was played before the kill"
    assert len(chunks_after) > len(chunks_before)


def test_ctrl_c_saves_and_names_the_command_that_goes_on(tmp_path):
    folder = tmp_path / "run"
    arguments = [*TINY, "total_frames=1000000", f"run_dir={folder}"]
    process = Fork(*arguments, "fresh=true")
    wait_for_rows(process, folder, 3)
    process.send_signal(signal.SIGINT)
    output = "".join(process.communicate(timeout=120))
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert "go on with: python train.py" in output
    assert f"run_dir={folder}" in output.split("go on with: ")[1]
    assert "fresh" not in output.split("go on with: ")[1]
    found = summary(folder)
    assert found["status"] == "interrupted"
    saved = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert next(v for k, v in saved["state_dict"].items() if k.endswith("_extra_state"))["updates"] == found["updates"]


def test_a_truncated_checkpoint_gives_way_to_the_one_before(finished, tmp_path):
    folder = copy_of(finished, tmp_path)
    last = folder / "checkpoints" / "last.ckpt"
    assert (folder / "checkpoints" / "previous.ckpt").exists()
    last.write_bytes(last.read_bytes()[:1000])
    result = train(*TINY, "total_frames=4000", f"run_dir={folder}")
    assert result.returncode == 0, result.stderr
    assert "last.ckpt cannot be read" in result.stdout
    assert "trying the one before it" in result.stdout
    assert "previous.ckpt" in result.stdout
    assert summary(folder)["frames"] >= 4000


def test_a_checkpoint_that_would_run_code_is_not_loaded(finished, tmp_path):
    folder = copy_of(finished, tmp_path)

    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "broken_into"),))

    for name in ("last.ckpt", "previous.ckpt"):
        torch.save({"state_dict": Evil()}, folder / "checkpoints" / name)
    result = train(*TINY, "total_frames=4000", f"run_dir={folder}")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "fresh=true" in result.stderr
    assert not (tmp_path / "broken_into").exists()
    assert train(*TINY, "total_frames=4000", f"run_dir={folder}").returncode == 1  # still, not from scratch


def test_an_evaluation_that_was_cut_off_is_played_after_all(tmp_path):
    folder = tmp_path / "run"
    arguments = [*TINY, "total_frames=1000", "eval.episodes=3000", "eval.final_episodes=2", f"run_dir={folder}"]
    process = start_and_wait_for_rows(folder, 5, *arguments)
    assert frames_of(folder) == [200, 400, 600, 800, 1000]
    time.sleep(0.5)  # into the evaluation
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=120) == 130
    assert not (folder / "checkpoints" / "best.ckpt").exists()
    result = train(*arguments[:-2], "eval.episodes=3", "eval.final_episodes=2", f"run_dir={folder}")
    assert result.returncode == 0, result.stderr + result.stdout
    assert rows(folder)[-1]["eval/return_mean"]
    assert frames_of(folder).count(1000) == 2
    assert summary(folder)["status"] == "finished"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_evaluation_in_processes_can_be_cut_off(tmp_path, number):
    """What a terminal and some schedulers do: the signal reaches the workers, too."""
    folder = tmp_path / "run"
    arguments = [*TINY[2:], "env=gym", "env.id=tests.broken_env:Uneven-v0", "env.use_processes=true", "env.num_envs=2",
                 "total_frames=1000", "eval.period_frames=40", "callbacks.metrics.period_frames=40",
                 "eval.episodes=3000", f"run_dir={folder}"]  # fmt: skip
    process = subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    wait_for_rows(process, folder, 1)
    time.sleep(2)  # into the evaluation
    os.killpg(process.pid, number)
    output, _ = process.communicate(timeout=60)  # also waits for the workers, who could still write
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert output.count("Stopping") == 1
    assert summary(folder)["status"] == "interrupted"
    assert (folder / "checkpoints" / "last.ckpt").exists()


def test_a_solved_run_stops_and_goes_on_only_when_asked(tmp_path):
    folder = tmp_path / "run"
    solved = [*TINY, "stop_when_solved=true", "env.solved_return=-1.0", f"run_dir={folder}"]
    assert train(*solved, "total_frames=3000").returncode == 0
    assert summary(folder)["stop_reason"] == "solved"
    assert summary(folder)["frames"] == 1000
    assert "is finished" in train(*solved, "total_frames=3000").stdout
    # Killed after it was solved and before its final evaluation:
    found = summary(folder)
    (folder / "summary.json").write_text(json.dumps(found | {"status": "running"}))
    assert train(*solved, "total_frames=3000").returncode == 0
    assert summary(folder)["status"] == "finished"
    assert summary(folder)["frames"] == 1000
    assert train(*solved, "total_frames=3000", "stop_when_solved=false").returncode == 0
    assert summary(folder)["frames"] >= 3000


def test_a_run_ends_by_the_clock_and_goes_on_when_it_is_given_more(tmp_path):
    folder = tmp_path / "run"
    endless = [*TINY, "total_frames=1_000_000", "eval.period_frames=1_000_000", f"run_dir={folder}"]
    assert train(*endless, "total_minutes=0.01").returncode == 0
    first = summary(folder)
    assert (first["status"], first["stop_reason"]) == ("finished", "total_minutes")
    assert 0.6 <= first["wall_time_s"] < 60
    assert first["eval_returns"]
    assert rows(folder)[-1]["eval/return_mean"]
    again = train(*endless, "total_minutes=0.01").stdout
    assert "is finished" in again
    assert "A larger total_minutes goes on" in again
    assert train(*endless, f"total_minutes={first['wall_time_s'] / 60 + 0.01}").returncode == 0
    assert summary(folder)["frames"] > first["frames"]
    more = [*TINY, f"total_frames={summary(folder)['frames'] + 1000}", f"run_dir={folder}"]
    assert train(*more).returncode == 0
    assert summary(folder)["stop_reason"] == "total_frames"


class WithoutLoss(DQN):
    """Somebody forgot to return it."""

    def loss(self, minibatch):
        super().loss(minibatch)


def test_losses_that_are_none_are_told(tmp_path):
    result = train(*TINY, "algo.module=tests.run.test_job.WithoutLoss", "total_frames=1000", f"run_dir={tmp_path}")
    assert result.returncode == 0, result.stderr
    assert "nothing was learned: the loss of all 101 minibatches was None" in result.stdout


def test_minutes_that_end_before_the_first_update_are_told(tmp_path):
    folder = tmp_path / "run"
    arguments = [*TINY, "total_frames=1_000_000", "algo.learning_starts_env_steps=900_000", f"run_dir={folder}"]
    result = train(*arguments, "total_minutes=0.001")
    assert result.returncode == 0
    assert "nothing was learned: the run ended before its first update; raise total_minutes" in result.stdout
    found = summary(folder)
    assert (found["updates"], found["total_minutes"]) == (0, 0.001)
    # Killed after its minutes were used up and before its final evaluation:
    (folder / "summary.json").write_text(json.dumps(found | {"status": "running"}))
    assert train(*arguments, "total_minutes=0.001").returncode == 0
    assert summary(folder)["status"] == "finished"
    assert summary(folder)["frames"] == found["frames"]


@pytest.mark.parametrize("minutes", ["0", "-1", "soon", "nan"])
def test_minutes_are_a_number_above_0(tmp_path, minutes):
    result = train(*TINY, f"total_minutes={minutes}", f"run_dir={tmp_path / 'run'}")
    assert result.returncode == 2
    assert f"total_minutes={minutes}" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("has_checkpoints", [True, False])
def test_another_run_in_the_same_folder_is_refused(finished, tmp_path, has_checkpoints):
    folder = copy_of(finished, tmp_path)
    if not has_checkpoints:
        shutil.rmtree(folder / "checkpoints")
    before = {name: (folder / name).read_bytes() for name in ("summary.json", "metrics.csv", "config.yaml")}
    result = train(*TINY, "total_frames=3000", "algo.n_step=3", f"run_dir={folder}")
    assert result.returncode == 2
    assert "holds another run" in result.stderr
    assert "algo.n_step 1 → 3;" in result.stderr
    assert "fresh=true" in result.stderr
    assert {name: (folder / name).read_bytes() for name in before} == before


@pytest.mark.parametrize("content", [None, "{}", '{"identity": "deadbeef", "algo": "ppo", "status": "running"}'])
def test_a_checkpoint_says_whose_it_is_where_the_summary_does_not(killed, tmp_path, content):
    folder = copy_of(killed, tmp_path)
    (folder / "config.yaml").unlink()
    if content is None:
        (folder / "summary.json").unlink()
    else:
        (folder / "summary.json").write_text(content)
    before = (folder / "metrics.csv").read_bytes()
    result = train(*TINY, "seed=2", "total_frames=8000", f"run_dir={folder}")
    assert result.returncode == 2
    assert "holds another run" in result.stderr
    assert "seed 1 → 2;" in result.stderr
    assert (folder / "metrics.csv").read_bytes() == before
    result = train(*TINY, "total_frames=4000", f"run_dir={folder}")
    assert result.returncode == 0, result.stderr
    assert "last.ckpt" in result.stdout
    assert "since the checkpoint" not in result.stdout


def test_a_checkpoint_of_another_run_is_refused_and_a_best_of_another_not_played(finished, tmp_path):
    folder, other = copy_of(finished, tmp_path), tmp_path / "other"
    assert train(*TINY, "seed=2", "total_frames=1500", f"run_dir={other}").returncode == 0
    shutil.copy(other / "checkpoints" / "best.ckpt", folder / "checkpoints" / "best.ckpt")
    result = train(*TINY, "total_frames=3000", "train=false", f"run_dir={folder}")
    assert result.returncode == 2
    assert "holds another run" in result.stderr
    (folder / "summary.json").write_text(json.dumps(summary(folder) | {"eval_return_mean": None}))
    result = train(*TINY, "total_frames=3000", f"run_dir={folder}")
    assert result.returncode == 0
    assert "best.ckpt cannot be read (it is of another run); last.ckpt takes its place." in result.stdout
    shutil.copy(other / "checkpoints" / "last.ckpt", folder / "checkpoints" / "last.ckpt")
    result = train(*TINY, "total_frames=5000", f"run_dir={folder}")
    assert result.returncode == 2
    assert "seed 2 → 1; choose another run_dir" in result.stderr


def test_what_alters_the_numbers_and_changed_since_the_checkpoint_is_told(killed, tmp_path, monkeypatch):
    folder = copy_of(killed, tmp_path)
    monkeypatch.setattr(job, "versions", lambda: versions() | {"torch": "9.9"})
    tiny = [argument for argument in TINY if "num_threads" not in argument]
    result = train(*tiny, "trainer.num_threads=2", "total_frames=3000", f"run_dir={folder}")
    assert result.returncode == 0, result.stderr
    (line,) = [line for line in result.stdout.splitlines() if "since the checkpoint" in line]
    assert f"torch {versions()['torch']} → 9.9, threads 1 → 2; what follows may differ" in line


def test_a_finished_run_without_its_checkpoints_is_not_begun_again(finished, tmp_path):
    folder = copy_of(finished, tmp_path)
    shutil.rmtree(folder / "checkpoints")
    before = {name: (folder / name).read_bytes() for name in ("summary.json", "metrics.csv", "config.yaml")}
    result = train(*TINY, "total_frames=5000", f"run_dir={folder}")
    assert result.returncode == 1
    assert "checkpoints are gone" in result.stderr
    assert "fresh=true" in result.stderr
    assert {name: (folder / name).read_bytes() for name in before} == before


@pytest.mark.parametrize("algo", ["prioritized_dqn", "ppo"])
def test_evaluations_leave_the_training_as_it_is(algo, tmp_path):
    weights = []
    for period in (300, 100_000):
        folder = tmp_path / f"every-{period}"
        arguments = [argument for argument in TINY if not argument.startswith(("algo.", "eval.period_frames"))]
        result = train(*arguments, f"algo={algo}", "debug=tiny", "total_frames=800", f"eval.period_frames={period}",
                       f"run_dir={folder}")  # fmt: skip
        assert result.returncode == 0, result.stderr
        saved = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        weights.append({name: value for name, value in saved.items() if isinstance(value, torch.Tensor)})
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_lightning_validates_a_checkpoint_and_returns_what_it_found(finished, tmp_path):
    cfg = load_config(finished)
    cfg.logger, cfg.callbacks.progress = {}, False
    experiment = build(cfg, tmp_path)
    best = finished / "checkpoints" / "best.ckpt"
    (found,) = experiment.trainer.validate(
        experiment.module, experiment.data, ckpt_path=best, weights_only=True, verbose=False
    )
    recorded = [float(row["eval/return_mean"]) for row in rows(finished) if row["eval/return_mean"]]
    assert found["eval/return_mean"] == max(recorded)


def test_a_callback_of_lightning_may_stop_a_run(tmp_path):
    folder = tmp_path / "run"
    early = (
        "+callbacks.extra.stop={_target_:pytorch_lightning.callbacks.EarlyStopping,"
        "monitor:eval/return_mean,mode:max,stopping_threshold:-2.0}"
    )
    keep = (
        "+callbacks.extra.keep={_target_:pytorch_lightning.callbacks.ModelCheckpoint,"
        f"dirpath:{tmp_path}/kept,monitor:eval/return_mean,mode:max}}"
    )
    arguments = [*TINY, "total_frames=5000", early, keep, f"run_dir={folder}"]
    result = train(*arguments)
    assert result.returncode == 0, result.stderr + result.stdout
    assert summary(folder)["frames"] == 1000
    assert summary(folder)["stop_reason"] == "callback"
    assert len(list((tmp_path / "kept").glob("*.ckpt"))) == 1
    assert "is finished" in train(*arguments).stdout


def test_a_missing_replay_file_gives_way_to_the_checkpoint_before(finished, tmp_path):
    folder = copy_of(finished, tmp_path)
    newest = max((folder / "checkpoints" / "replay").glob("index-*.pt"), key=lambda path: int(path.stem[6:]))
    newest.unlink()
    result = train(*TINY, "total_frames=4000", f"run_dir={folder}")
    assert result.returncode == 0, result.stderr
    assert "last.ckpt cannot be read" in result.stdout
    assert summary(folder)["frames"] >= 4000


def test_a_replay_that_was_deleted_is_filled_anew(finished, tmp_path):
    folder = copy_of(finished, tmp_path)
    shutil.rmtree(folder / "checkpoints" / "replay")
    result = train(*TINY, "total_frames=4000", f"run_dir={folder}")
    assert result.returncode == 0, result.stderr
    assert "The replay that the checkpoints refer to is gone." in result.stdout
    assert "200 env steps are played" in result.stdout
    assert summary(folder)["frames"] >= 4000


@pytest.mark.parametrize("what", ["last.ckpt", "replay/index-{}.pt", "replay/frames-{}.bin"])
def test_a_flipped_bit_is_found_and_the_save_before_takes_its_place(finished, tmp_path, what):
    folder = copy_of(finished, tmp_path)
    saved = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["ReplayDataModule"]["replay"]
    path = folder / "checkpoints" / what.format(saved)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    result = train(*TINY, "total_frames=4000", f"run_dir={folder}")
    assert result.returncode == 0, result.stderr
    assert f"last.ckpt cannot be read ({path} is damaged" in result.stdout
    assert "previous.ckpt takes its place; last.ckpt is kept as last.unreadable." in result.stdout
    assert summary(folder)["frames"] >= 4000


def test_a_second_process_is_refused(tmp_path):
    folder = tmp_path / "run"
    arguments = [*TINY, "total_frames=1000000", f"run_dir={folder}"]
    process = start_and_wait_for_rows(folder, 1, *arguments)
    try:
        result = train(*arguments)
        assert result.returncode == 1
        assert f"in use by process {process.pid}" in result.stderr
        assert "Traceback" not in result.stderr
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_a_full_disk_loses_nothing_that_was_written(finished, tmp_path):
    folder = copy_of(finished, tmp_path)
    before = {name: (folder / name).read_bytes() for name in ("checkpoints/last.ckpt", "checkpoints/best.ckpt")}

    def small_files_only():
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    result = start(*TINY, "total_frames=5000", f"run_dir={folder}", preexec_fn=small_files_only)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert summary(folder)["status"] == "failed"
    for name, content in before.items():
        assert (folder / name).read_bytes() == content
    result = train(*TINY, "total_frames=5000", f"run_dir={folder}")
    assert result.returncode == 0, result.stderr
    assert summary(folder)["status"] == "finished"


@pytest.mark.parametrize(
    ("choice", "env_id", "name"),
    [
        ("gym", "Acrobot-v1", "Acrobot-v1"),
        ("gym", "minigrid:MiniGrid-Empty-5x5-v0", "MiniGrid-Empty-5x5-v0"),
        ("gym", "phys2d/CartPole-v1", "phys2d_CartPole-v1"),
        ("openspiel", "liars_dice", "liars_dice"),
        ("labyrinth", "minigrid:MiniGrid-FourRooms-v0", "labyrinth"),
    ],
)
def test_a_folder_is_named_after_the_environment(choice, env_id, name):
    assert env_name(OmegaConf.create({"env": {"id": env_id}}), {"env": choice}) == name


def test_two_jobs_that_are_one_run_are_not_called_two(tmp_path):
    arguments = [argument for argument in TINY if not argument.startswith("trainer.")]
    result = train("-m", *arguments, "total_frames=100", "trainer.num_threads=1,2", cwd=tmp_path)
    assert result.returncode == 2
    assert "run_dir of its own" in result.stderr
    assert len(list(tmp_path.glob("outputs/*/*/*/*/summary.json"))) == 1


def test_a_start_that_fails_leaves_the_results_of_the_run_before(finished, tmp_path):
    folder = copy_of(finished, tmp_path)
    before = summary(folder)
    broken = "+logger.broken={_target_:tests.broken_env.cannot_be_reached}"
    result = train(*TINY, "total_frames=5000", f"run_dir={folder}", broken)
    assert result.returncode == 1
    assert "Failed to start" in result.stdout
    assert summary(folder) == before


@pytest.mark.parametrize("content", ["[1]", '{"status": "finished"}', "{", "\xff"])
def test_a_damaged_summary_costs_no_checkpoint(finished, tmp_path, content):
    folder = copy_of(finished, tmp_path)
    (folder / "summary.json").write_bytes(content.encode("latin-1"))
    result = train(*TINY, "total_frames=4000", f"run_dir={folder}")
    assert result.returncode == 0, result.stderr + result.stdout
    assert "last.ckpt" in result.stdout
    assert summary(folder)["status"] == "finished"


def test_a_file_that_is_no_checkpoint_gives_way_to_the_one_before(finished, tmp_path):
    folder = copy_of(finished, tmp_path)
    torch.save({"a": 1}, folder / "checkpoints" / "last.ckpt")
    result = train(*TINY, "total_frames=4000", f"run_dir={folder}")
    assert result.returncode == 0, result.stderr
    assert "previous.ckpt" in result.stdout
    assert summary(folder)["frames"] >= 4000


def test_a_sweep_where_nothing_can_be_written_is_told_in_a_sentence(tmp_path):
    (tmp_path / "outputs").write_text("a file")
    result = train("-m", *TINY, "seed=1,2", cwd=tmp_path)
    assert result.returncode == 2
    assert "outputs" in result.stderr
    assert "start it in a folder that can be written" in result.stderr


def test_a_sweep_runs_every_job_in_a_folder_of_its_own(tmp_path):
    tiny = [argument for argument in TINY if not argument.startswith("env=")]
    result = train("-m", "algo=dqn,double_dqn", "env=catch,cartpole", "total_frames=400", *tiny, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    folders = sorted(path.parent for path in tmp_path.glob("outputs/*/*/*/*/summary.json"))
    assert [folder.relative_to(tmp_path / "outputs").parts[:3] for folder in folders] == [
        ("double_dqn", "cartpole", "none"),
        ("double_dqn", "catch", "none"),
        ("dqn", "cartpole", "none"),
        ("dqn", "catch", "none"),
    ]
    assert all(summary(folder)["status"] == "finished" for folder in folders)
    again = train("-m", "algo=dqn,double_dqn", "env=catch,cartpole", "total_frames=400", *tiny, cwd=tmp_path)
    assert again.stdout.count("is finished") == 4


def test_a_failing_job_does_not_stop_the_others(tmp_path):
    tiny = [argument for argument in TINY if not argument.startswith("env=")]
    result = train("-m", "env=gym", "env.id=Pendulum-v1,CartPole-v1", "total_frames=400", *tiny, cwd=tmp_path)
    assert result.returncode != 0
    assert "Pendulum-v1 has continuous ones" in result.stderr
    (found,) = tmp_path.glob("outputs/dqn/CartPole-v1/none/*/summary.json")
    assert json.loads(found.read_text())["status"] == "finished"


def test_what_does_not_decide_the_learning_does_not_change_the_folder(tmp_path):
    base = ["env=catch", "logger=csv", "total_frames=100", "eval.episodes=1", "callbacks.video=false"]
    others = ["total_frames=200", "protocol.total_frames=300", "algo.replay.storage=disk", "trainer.num_threads=1"]
    for extra in ([], others):
        assert train(*base, *extra, cwd=tmp_path).returncode == 0
    assert len(list(tmp_path.glob("outputs/dqn/catch/none/*"))) == 1
    assert train(*base, "seed=0", cwd=tmp_path).returncode == 0
    assert len(list(tmp_path.glob("outputs/dqn/catch/none/seed0-*"))) == 1


@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_a_number_that_is_not_finite_stops_the_run_and_is_kept(algo, tmp_path):
    result = train(
        f"algo={algo}", "env=gym", "env.id=tests.broken_env:Broken-v0", "env.num_envs=4", "logger=csv",
        "total_frames=4000", "eval.period_frames=800", "checkpoint.period_frames=800", f"run_dir={tmp_path}",
    )  # fmt: skip
    assert result.returncode == 1
    assert "Traceback" not in result.stdout + result.stderr
    assert "its observation is not finite" in result.stdout
    found = summary(tmp_path)
    assert found["status"] == "failed"
    checkpoint = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert all(torch.isfinite(value).all() for value in checkpoint["state_dict"].values() if torch.is_tensor(value))
    kept = torch.load(tmp_path / "not_finite.pt", weights_only=True)
    assert torch.isnan(kept["observation"]).all()
    assert len(kept["actions"]) <= 11


def test_a_loss_that_is_not_finite_stops_the_run_and_its_batch_is_kept(tmp_path):
    arguments = [argument for argument in TINY if "algo." not in argument]
    result = train("algo=ppo", *arguments, "algo.learning_rate=1e30", "total_frames=4000", f"run_dir={tmp_path}")
    assert result.returncode == 1
    assert "a smaller algo.learning_rate" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr
    kept = torch.load(tmp_path / "not_finite.pt", weights_only=True)
    assert {"observation", "action", "target", "advantage", "is_known", "extras"} == set(kept)


def test_every_game_of_an_evaluation_is_kept_and_those_after_a_checkpoint_are_cut(finished, tmp_path):
    games = rows(finished, "evaluations.csv")
    assert list(games[0]) == ["frames", "episode_index", "seed", "length", "return", "is_truncated"]
    for row in rows(finished):
        if row["eval/return_mean"]:
            returns = [float(game["return"]) for game in games if game["frames"] == row["frames"]]
            assert sum(returns) / len(returns) == pytest.approx(float(row["eval/return_mean"]))
            assert len(returns) == 2
    folder = copy_of(finished, tmp_path)
    with (folder / "evaluations.csv").open("a") as file:
        file.write("999999,0,1,9,1,0\n")
    assert train(*TINY, "total_frames=5000", f"run_dir={folder}").returncode == 0
    assert "999999" not in frames_of(folder, "evaluations.csv")
    assert max(frames_of(folder, "evaluations.csv")) == 5000


def test_the_mean_of_an_interval_is_of_the_episodes_that_ended_in_it(finished):
    episodes = [(int(row["frames"]), float(row["return"])) for row in rows(finished, "episodes.csv")]
    before = 0
    for row in rows(finished):
        if row["collect/interval_return_mean"]:
            frames = int(row["frames"])
            returns = [value for at, value in episodes if before < at <= frames]
            assert float(row["collect/interval_return_mean"]) == pytest.approx(sum(returns) / len(returns), rel=1e-4)
            before = frames
    assert before > 2000


def test_runs_of_debug_lie_apart_and_no_report_takes_them_for_runs(tmp_path):
    assert train("env=catch", "debug=fdr", "callbacks=none", cwd=tmp_path).returncode == 0
    (folder,) = (path.parent for path in tmp_path.glob("outputs/.debug/dqn/catch/none/*/summary.json"))
    assert find_runs([tmp_path]) == ([], [])
    assert summary(folder)["status"] == "finished"


def test_a_home_in_run_dir_is_the_users(tmp_path):
    environment = os.environ | {"HOME": str(tmp_path)}
    result = train("env=catch", "debug=fdr", "callbacks=none", "run_dir=~/run", cwd=tmp_path, env=environment)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "run" / "summary.json").exists()
    assert not (tmp_path / "~").exists()


def test_overfit_learns_one_filling_of_the_replay(tmp_path):
    result = train("algo=dqn", "env=catch", "debug=overfit", f"run_dir={tmp_path}", "callbacks.video=false")
    assert result.returncode == 0, result.stderr
    losses = [float(row["train/loss"]) for row in rows(tmp_path) if row["train/loss"]]
    assert summary(tmp_path)["updates"] == 400 * len(losses) == 2000
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("algo", ["ppo", "a2c"])
def test_overfit_says_what_to_use_without_a_replay(algo, tmp_path):
    result = train(f"algo={algo}", "env=catch", "debug=overfit", cwd=tmp_path)
    assert result.returncode == 2
    assert f"triptych.algos.{algo}." in result.stderr
    assert "has no algo.env_steps_per_update: debug=overfit takes an algo with a replay" in result.stderr
