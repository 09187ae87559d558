"""The table of the jobs of a sweep."""

from __future__ import annotations

import json
import os
import time

from scripts import sweep_status as script
from tests.front_door import call, train

TINY = ["env=catch", "debug=fdr", "logger=csv", "total_frames=400", "callbacks.video=false", "trainer.num_threads=1"]


def status(*arguments, cwd):
    return call(script.main, "scripts/sweep_status.py", *arguments, cwd=cwd)


def test_the_sweep_that_was_started_last_is_shown_with_its_jobs_to_come(tmp_path):
    assert train("-m", *TINY, "seed=1,2", cwd=tmp_path).returncode == 0
    (record,) = tmp_path.glob("outputs/.sweeps/*.jsonl")
    old = tmp_path / "outputs" / ".sweeps" / "old.jsonl"
    old.write_text(json.dumps({"command": "another", "num_jobs": 1}) + "\n")
    later = time.time() + 60  # a job of the other sweep has ended meanwhile
    os.utime(old, (later, later))
    (second,) = tmp_path.glob("outputs/.debug/dqn/catch/none/seed2-*")
    second.rename(tmp_path / "gone")
    result = status(cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "python train.py -m env=catch" in result.stdout
    (first,) = [line.split() for line in result.stdout.splitlines() if "seed1-" in line]
    assert first[:3] == ["finished", "400", "400"]
    assert "not started" in next(line for line in result.stdout.splitlines() if "seed2-" in line)
    assert "1 finished, 1 not started" in result.stdout
    assert status(record, cwd=tmp_path).stdout == result.stdout
    assert train("-m", *TINY, "seed=1,2", cwd=tmp_path).returncode == 0  # the same sweep has the same record
    assert len(list(tmp_path.glob("outputs/.sweeps/*.jsonl"))) == 2


def test_a_job_that_was_refused_is_not_waited_for(tmp_path):
    tiny = [word for word in TINY if not word.startswith("env=")]
    assert train("-m", *tiny, "algo=dqn,q_learning", "env=catch", cwd=tmp_path).returncode == 2
    result = status(cwd=tmp_path)
    (refused,) = [line for line in result.stdout.splitlines() if "q_learning" in line and "train.py" not in line]
    assert refused.split()[0] == "refused"
    assert "1 finished, 1 refused" in result.stdout


def test_a_folder_of_runs_is_shown_whatever_their_files_hold(tmp_path):
    for name, text in {
        "a": "[",
        "b": '{"status": "failed", "error": "[red]no"}',
        "c": '{"status": "finished"}',
    }.items():
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "summary.json").write_text(text)
    result = status("runs", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "runs/b: [red]no" in result.stdout
    assert "1 not started, 1 failed, 1 finished" in result.stdout


def test_nothing_to_show_is_told_in_a_sentence(tmp_path):
    for arguments in ([], ["nowhere"], ["."]):
        result = status(*arguments, cwd=tmp_path)
        assert result.returncode == 2
        assert result.stderr.startswith("error: ")
        assert len(result.stderr.splitlines()) == 1
