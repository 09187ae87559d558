"""What is wrong with the arguments of a script is told in one sentence, with exit code 2."""

import importlib

import pytest

from tests.front_door import ROOT, call

SCRIPTS = sorted(
    path.stem for path in (ROOT / "scripts").glob("*.py") if "ScriptParser(" in path.read_text(encoding="utf-8")
)


def test_every_script_that_people_call_is_here():
    # benchmark_search and train_sb3 run where this package is not, and workers are called by other scripts.
    others = {path.stem for path in (ROOT / "scripts").glob("*.py")} - {*SCRIPTS}
    assert others == {
        "benchmark_sb3",
        "benchmark_search",
        "benchmark_worker",
        "train_sb3",
    }


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_unknown_argument_is_told(name, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")  # where one script imports another
    script = importlib.import_module(f"scripts.{name}")
    result = call(script.main, f"scripts/{name}.py", "--no-such-argument", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.endswith("; --help says what there is.\n")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []
