"""What the package does when it is imported: libraries get folders where the home cannot be written."""

import os
import subprocess
import sys

import triptych
from tests.front_door import ROOT, start, summary

NOWHERE = "/dev/null/home"  # which even root cannot make


def environment(home, **others):
    kept = {name: value for name, value in os.environ.items() if name not in triptych.FOLDERS_OF_LIBRARIES}
    return kept | {"HOME": str(home), "PYTHONPATH": str(ROOT / "src")} | others


def folders(home, **others):
    """Return where a process of its own lets libraries write, and whether that existed while it ran."""
    code = """if True:
        import os, triptych
        for name in triptych.FOLDERS_OF_LIBRARIES:
            path = os.environ.get(name, "")
            print(path, os.path.isdir(os.path.dirname(path)))
    """
    command = [sys.executable, "-c", code]
    lines = subprocess.run(command, env=environment(home, **others), capture_output=True, text=True, check=True).stdout
    return [line.rpartition(" ")[::2] for line in lines.splitlines()]


def test_a_home_that_can_be_written_is_used_as_it_is(tmp_path):
    assert [path for path, _ in folders(tmp_path)] == [""] * 3


def test_without_one_there_is_a_temporary_folder_while_the_process_runs(tmp_path):
    (cache, is_there), (data, _), (matplotlib, _) = folders(NOWHERE, TMPDIR=str(tmp_path))
    assert is_there == "True"
    assert len({cache, data, matplotlib}) == 3
    assert all(path.startswith(str(tmp_path)) for path in (cache, data, matplotlib))
    assert list(tmp_path.iterdir()) == []


def test_what_a_user_chose_stays(tmp_path):
    assert folders(NOWHERE, XDG_CACHE_HOME="/mine/cache")[0][0] == "/mine/cache"


def test_a_run_needs_no_home(tmp_path):
    tiny = [
        "env=cartpole",
        "debug=tiny",
        "total_frames=400",
        "logger=[wandb,tensorboard]",
        f"run_dir={tmp_path / 'run'}",
    ]
    others = {"WANDB_MODE": "offline", "PYTHONDONTWRITEBYTECODE": "1"}
    result = start(*tiny, "logger.wandb.log_checkpoint=true", env=environment(NOWHERE, **others))
    assert result.returncode == 0, result.stderr
    assert "failed" not in result.stdout + result.stderr
    assert summary(tmp_path / "run")["status"] == "finished"
