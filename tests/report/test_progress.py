"""How far runs are, from files that may be half written, broken or gone."""

from __future__ import annotations

import fcntl
import json

import pytest

from triptych.report.progress import find_folders, is_locked, read_progress, read_sweep

METRICS = "frames,train/frames_per_second,collect/return_mean,eval/return_mean\n100,50,0.5,\n200,,,0.75\n300,100,0.6,\n"


def make(folder, metrics=METRICS, **summary):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "summary.json").write_text(json.dumps({"seed": 3, "total_frames": 1000} | summary))
    (folder / "metrics.csv").write_text(metrics)
    (folder / ".lock").write_text("1")
    return folder


def test_a_run_that_was_stopped_is_where_it_was_stopped_and_not_at_its_latest_row(tmp_path):
    assert read_progress(make(tmp_path / "run", status="interrupted", frames=350)).frames == 350


def test_a_run_is_running_while_a_process_holds_its_lock_and_interrupted_after(tmp_path):
    folder = make(tmp_path / "run", status="running", frames=100)
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = read_progress(folder)
        assert is_locked(folder)
    assert (found.status, found.frames, found.total_frames, found.seed) == ("running", 300, 1000, 3)
    assert (found.latest_return, found.frames_per_second, found.seconds_left) == (0.75, 100, 7)
    after = read_progress(folder)
    assert (after.status, after.seconds_left) == ("interrupted", None)


@pytest.mark.parametrize(("minutes", "left"), [(None, 7), (1, 7), (0.1, 2), (0.05, 0), ("soon", 7)])
def test_minutes_shorten_what_is_left(minutes, left, tmp_path):
    metrics = "frames,wall_time_s,train/frames_per_second\n300,4,100\n"
    folder = make(tmp_path / "run", metrics, status="running", total_minutes=minutes)
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert read_progress(folder).seconds_left == pytest.approx(left)


def test_the_smaller_of_two_limits_is_told(tmp_path):
    metrics = "frames,wall_time_s,train/frames_per_second\n300,4,100\n"
    folder = make(tmp_path / "run", metrics, status="running", total_minutes=None, minutes_limit=0.1)
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert read_progress(folder).seconds_left == pytest.approx(2)


def test_what_has_ended_says_how(tmp_path):
    done = read_progress(make(tmp_path / "a", status="finished", frames=1000, eval_return_mean=0.9))
    assert (done.status, done.frames, done.score, done.error) == ("finished", 1000, 0.9, None)
    failed = read_progress(make(tmp_path / "b", status="failed", error="ValueError: no\nmore", eval_return_mean=0.9))
    assert (failed.status, failed.error, failed.score) == ("failed", "ValueError: no", None)
    assert read_progress(tmp_path / "nowhere").status == "not started"


@pytest.mark.parametrize(
    "summary", ["", "[", "[1]", '{"status": [], "seed": "x", "total_frames": true, "error": 3}', "\0"]
)
@pytest.mark.parametrize("metrics", ["", "\0", "frames\nmany\n", "frames,a\n1,2\n3", "\xff\xfe"])
def test_broken_files_cost_what_they_would_have_told(summary, metrics, tmp_path):
    folder = make(tmp_path / "run")
    (folder / "summary.json").write_bytes(summary.encode("latin-1"))
    (folder / "metrics.csv").write_bytes(metrics.encode("latin-1"))
    found = read_progress(folder)
    assert found.status in ("interrupted", "not started")
    assert (found.total_frames, found.score, found.seconds_left) == (None, None, None)


def test_a_link_is_not_followed(tmp_path):
    folder = make(tmp_path / "run", status="finished", frames=1)
    (folder / "summary.json").rename(tmp_path / "elsewhere.json")
    (folder / "summary.json").symlink_to(tmp_path / "elsewhere.json")
    assert read_progress(folder).total_frames is None


def test_a_record_of_a_sweep_names_its_jobs_once(tmp_path):
    path = tmp_path / "outputs" / ".sweeps" / "a.jsonl"
    path.parent.mkdir(parents=True)
    lines = [{"command": "python train.py -m seed=1,2", "num_jobs": 2}, {"job": "a", "folder": "outputs/a"}]
    path.write_text(
        "\n".join(map(json.dumps, [*lines, lines[1], {"folder": 3}])) + '\n[\n{"folder": "outputs/b"}\n{"fol'
    )
    with path.open("a") as file:
        file.write('\n{"job": "a", "folder": "outputs/a", "refused": "it does not fit"}\n')
    found = read_sweep(path)
    assert (found.command, found.num_jobs) == ("python train.py -m seed=1,2", 2)
    assert found.refused == {tmp_path / "outputs" / "a": "it does not fit"}
    assert found.folders == [tmp_path / "outputs" / "a", tmp_path / "outputs" / "b"]
    path.write_text("[1]\n")
    with pytest.raises(ValueError, match="no record"):
        read_sweep(path)


def test_runs_are_found_at_any_depth_and_searches_and_those_moved_aside_are_not(tmp_path):
    make(tmp_path / "a" / "b")
    make(tmp_path / "c")
    make(tmp_path / "c.old1")
    make(tmp_path / "search" / "0001" / "seed1")
    (tmp_path / "search" / ".lock").touch()
    (tmp_path / "search" / "search.json").touch()
    trial = tmp_path / "search" / "0001" / "seed1"
    assert find_folders(tmp_path) == [tmp_path / "a" / "b", tmp_path / "c", trial]
