"""The folder of a run, and the commit that its results name."""

import subprocess
from pathlib import Path

import pytest

from triptych.run_folder import RunFolder, git_commit
from triptych.types import ConfigurationError


@pytest.fixture
def checkout(tmp_path):
    def git(*arguments):
        subprocess.run(
            ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *arguments], check=True
        )

    git("init", "--quiet")
    for name in ("src/algo.py", "docs/page.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("first\n")
    (tmp_path / ".gitignore").write_text("outputs/\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    return tmp_path


def test_code_as_committed_is_named_by_its_commit_alone(checkout):
    commit = git_commit(checkout)
    assert len(commit) == 40
    assert git_commit(checkout / "src") == commit
    (checkout / "docs" / "page.md").write_text("second\n")
    (checkout / "docs" / "results.yaml").write_text("a: 1\n")
    (checkout / "outputs").mkdir()
    (checkout / "outputs" / "config.yaml").write_text("a: 1\n")
    assert git_commit(checkout) == commit


@pytest.mark.parametrize("name", ["src/algo.py", "src/another.py", "another.yaml"])
def test_code_that_was_changed_or_added_since_is_another(checkout, name):
    commit = git_commit(checkout)
    (checkout / name).write_text("second\n")
    second = git_commit(checkout)
    assert second.startswith(commit + "+")
    assert git_commit(checkout / "src") == second
    (checkout / name).write_text("third\n")
    assert git_commit(checkout).startswith(commit + "+")
    assert git_commit(checkout) != second


def test_outside_a_checkout_there_is_no_commit(tmp_path):
    assert git_commit(tmp_path) is None


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
