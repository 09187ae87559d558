"""The table at the end of a sweep has a line for each job, whatever lies in its folder."""

from __future__ import annotations

import json

import pytest

from triptych.command.closing import closing_table, tell_apart
from triptych.command.ledger import Entry, Ledger


def write_summary(folder, text):
    folder.mkdir()
    (folder / "summary.json").write_text(text)
    return folder


def test_it_has_job_status_frames_score_folder_and_error(tmp_path):
    done = {"status": "finished", "frames": 1200, "eval_return_mean": 3.5, "frames_per_second": 10.0}
    failed = {"status": "failed", "frames": 7, "error": "ValueError: nothing\nis well"}
    entries = [
        Entry("python train.py env=catch seed=1", 0, write_summary(tmp_path / "a", json.dumps(done))),
        Entry("python train.py env=catch seed=2", 1, write_summary(tmp_path / "b", json.dumps(failed))),
        Entry("python train.py env=catch seed=3", 2, None, "seed=3 is not allowed."),
    ]
    head, *lines = closing_table(entries).splitlines()
    assert head.split() == ["status", "job", "frames", "score", "folder", "error"]
    assert lines[0].split() == ["finished", "seed=1", "1,200", "3.50", str(tmp_path / "a")]
    assert lines[1].split(maxsplit=4) == ["failed", "seed=2", "7", str(tmp_path / "b"), "ValueError: nothing"]
    assert lines[2].split(maxsplit=2) == ["refused", "seed=3", "seed=3 is not allowed."]


@pytest.mark.parametrize(
    "text", ["", "[", "[1]", '{"status": 3, "frames": "many", "eval_return_mean": [], "error": {}}']
)
def test_a_broken_summary_costs_its_own_cells_only(text, tmp_path):
    entries = [Entry("one", 1, write_summary(tmp_path / "a", text)), Entry("two", 0, tmp_path / "nowhere")]
    _, first, second = closing_table(entries).splitlines()
    assert first.split()[:2] == ["failed", "one"]
    assert "the reason is printed above" in first
    assert second.split() == ["finished", "two", str(tmp_path / "nowhere")]


def test_a_job_whose_process_was_killed_has_failed(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.begin("run", "command", tmp_path / "folder")
    (entry,) = ledger.entries()
    assert (entry.exit_code, entry.folder) == (1, tmp_path / "folder")
    assert "killed" in closing_table([entry])


def test_jobs_are_told_apart_by_the_words_in_which_they_differ():
    assert tell_apart(["t a=1 b=2", "t a=1 b=3"]) == ["b=2", "b=3"]
    assert tell_apart(["t a=1", "t a=1"]) == ["t a=1", "t a=1"]
    assert tell_apart(["t 'a=[1, 2]'", "t 'a=1"]) == ["a=[1, 2]", "'a=1"]
    assert tell_apart(["t a=1"]) == ["t a=1"]
