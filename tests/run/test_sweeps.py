"""Sweeps that are killed, broken or refused, and started again."""

from __future__ import annotations

import json
import time

import pytest

from tests.front_door import Fork, frames_of, summary, train
from triptych.command import jobs
from triptych.run import job

TINY = [
    "env=catch", "logger=csv", "callbacks.video=false", "trainer.num_threads=1", "eval.episodes=1",
    "algo.learning_starts_env_steps=100", "eval.period_frames=100000",
]  # fmt: skip


def folders_of(place):
    return sorted(path.parent for path in place.glob("outputs/dqn/*/none/*/summary.json"))


@pytest.mark.slow
def test_a_killed_sweep_goes_on_with_what_is_not_finished(tmp_path):
    sweep = ["-m", *TINY, "seed=1,2,3", "total_frames=1600", "checkpoint.period_frames=125"]
    process = Fork(*sweep, cwd=tmp_path)
    try:
        deadline = time.monotonic() + 300
        while not list(tmp_path.glob("outputs/dqn/catch/none/seed2-*/checkpoints/last.ckpt")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    assert [summary(folder)["status"] for folder in folders_of(tmp_path)] == ["finished", "running"]
    result = train(*sweep, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("is finished: ") == 1
    assert result.stdout.count("last.ckpt") == 1
    assert result.stdout.count("from scratch") == 1
    assert [line.split()[:2] for line in result.stdout.splitlines()[-3:]] == [
        ["finished", f"seed={seed}"] for seed in (1, 2, 3)
    ]
    assert all(frames_of(folder)[-1] == 1600 for folder in folders_of(tmp_path))


NONSENSE = {"status": "finished", "frames": "many", "total_frames": [1], "eval_return_mean": "x", "command": 3}


@pytest.mark.parametrize(
    "text",
    ["[", json.dumps(NONSENSE), json.dumps(NONSENSE | {"frames": 10**6, "eval_return_mean": 1, "stop_reason": None})],
)
def test_a_broken_summary_of_one_job_does_not_stop_the_others(text, tmp_path):
    sweep = ["-m", *TINY, "seed=1,2"]
    assert train(*sweep, "total_frames=300", cwd=tmp_path).returncode == 0
    first, second = folders_of(tmp_path)
    (first / "summary.json").write_text(text)
    result = train(*sweep, "total_frames=400", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert summary(first)["status"] == "finished"
    assert (summary(first)["frames"], summary(second)["frames"]) == (400, 400)


def test_a_fault_in_one_job_does_not_stop_the_others_and_is_named_at_the_end(tmp_path, monkeypatch):
    whole_run = job.run

    def run(cfg, *arguments, **keywords):
        if cfg.seed == 1:
            raise AssertionError("nobody thought of this")
        return whole_run(cfg, *arguments, **keywords)

    monkeypatch.setattr(job, "run", run)
    result = train("-m", *TINY, "seed=1,2", "total_frames=300", cwd=tmp_path)
    assert result.returncode == 1
    first, second = result.stdout.splitlines()[-2:]
    assert first.split()[:2] == ["failed", "seed=1"]
    assert "nobody thought of this" in first
    assert second.split()[:2] == ["finished", "seed=2"]


def test_a_refused_job_is_in_the_table_with_its_sentence(tmp_path):
    result = train("-m", "env=gym", "env.id=Pendulum-v1,CartPole-v1", "total_frames=300", *TINY[1:], cwd=tmp_path)
    assert result.returncode == 2
    first, second = result.stdout.splitlines()[-2:]
    assert first.startswith("refused")
    assert "Pendulum-v1 has continuous ones" in first
    assert second.split()[:2] == ["finished", "env.id=CartPole-v1"]


def test_jobs_with_more_minutes_go_on_in_the_folder_of_those_with_fewer(tmp_path):
    result = train("-m", *TINY, "total_frames=1_000_000", "total_minutes=0.002,0.05", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    (folder,) = folders_of(tmp_path)
    assert (summary(folder)["total_minutes"], summary(folder)["stop_reason"]) == (0.05, "total_minutes")
    assert result.stdout.count("last.ckpt") == 1


def test_a_sweep_of_no_job_is_refused(tmp_path):
    result = train("-m", "env=catch", "seed=glob(*)", cwd=tmp_path)
    assert (result.returncode, len(result.stderr.splitlines())) == (2, 1)
    assert "seed=glob(*) stands for no value at all" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_jobs_side_by_side_are_told_how_many_they_are(tmp_path, monkeypatch):
    asked, shared = [], []
    whole = job.available_bytes
    monkeypatch.setattr(jobs, "num_side_by_side", lambda *arguments: asked.append(arguments) or 3)
    monkeypatch.setattr(job, "available_bytes", lambda folder, num_runs: shared.append(num_runs) or whole(folder))
    assert train("-m", *TINY, "seed=1,2", "total_frames=300", cwd=tmp_path).returncode == 0
    assert asked == [("basic", None, 2)] * 2
    assert shared == [3, 3]
