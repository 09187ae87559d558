"""The commit that a run's results name."""

import json
import shlex
import subprocess

import pytest

from triptych.provenance import code
from triptych.provenance.code import git_commit, write_measurement


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


def test_a_checkout_of_another_owner_is_read_where_it_is_this_one(checkout, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own switch for its tests
    assert git_commit(checkout) is None
    monkeypatch.setattr(code, "CHECKOUT", checkout)
    assert len(git_commit(checkout / "src")) == 40


def test_the_command_of_a_measurement_can_be_pasted(tmp_path):
    arguments = ["catch", "--out", "my results/r's.json"]
    command = json.loads(write_measurement(None, "random_play.py", arguments, {}))["command"]
    assert shlex.split(command) == ["python", "scripts/random_play.py", *arguments]
