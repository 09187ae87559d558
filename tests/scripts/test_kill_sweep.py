"""The check of killed sweeps, as far as it can be asked without two sweeps."""

import pytest

from scripts import kill_sweep
from tests.front_door import call


@pytest.mark.parametrize("name", ["mine.txt", "pong"])
def test_a_folder_that_holds_something_else_is_left_alone(name, tmp_path):
    (tmp_path / "straight").mkdir()
    (tmp_path / name).write_text("dear to somebody")
    result = call(kill_sweep.main, "scripts/kill_sweep.py", tmp_path)
    assert result.returncode == 2
    assert name in result.stderr
    assert "give a new folder" in result.stderr
    assert (tmp_path / name).read_text() == "dear to somebody"
    assert (tmp_path / "straight").is_dir()
