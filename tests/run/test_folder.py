"""The folder of a run: what is moved aside and what stays."""

from pathlib import Path

import pytest

from triptych.run.folder import RunFolder
from triptych.types import ConfigurationError


def test_fresh_moves_a_run_aside_and_nothing_else(tmp_path, monkeypatch):
    (tmp_path / "notes.txt").write_text("not of a run")
    monkeypatch.chdir(tmp_path)
    folder = RunFolder(tmp_path, fresh=True)
    folder.close()
    assert folder.moved_to is None
    folder.update_summary(status="finished")
    with pytest.raises(ConfigurationError, match="run_dir"):
        RunFolder(Path("."), fresh=True)
    monkeypatch.chdir("/")
    folder = RunFolder(tmp_path, fresh=True)
    folder.close()
    assert folder.moved_to == tmp_path.with_name(f"{tmp_path.name}.old1")
    assert (folder.moved_to / "notes.txt").exists()
    assert (folder.moved_to / "summary.json").exists()
