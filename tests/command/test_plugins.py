"""Hydra's plugins: what is not installed is told, and jobs in other processes and searches end as they should."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from tests.front_door import ROOT, start, summary, train
from triptych.command.ledger import Ledger
from triptych.command.plugins import EXTRAS, not_installed
from triptych.report.differences import count_differences

TINY = ["env=catch", "debug=fdr", "logger=csv", "total_frames=400", "callbacks.video=false", "trainer.num_threads=1"]


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ("hydra/launcher=no_such", ["hydra/launcher=no_such is not installed", "there are basic"]),
        ("hydra/sweeper=no_such", ["hydra/sweeper=no_such is not installed", "hydra-no_such-sweeper"]),
        ("hydra/launcher=ray", ["hydra/launcher=ray cannot be had", "cloudpickle", "hydra/launcher=joblib"]),
        ("hydra/sweeper=optuna", ["hydra/sweeper=optuna cannot be had", "scripts/search.py"]),
        ("hydra/job_logging=no_such", ["hydra/job_logging=no_such is not installed", "stdout"]),
        ("hydra.launcher.no_such=2", ["hydra.launcher.no_such is not a key"]),
        ("hydra.sweep.dirr=x", ["hydra.sweep.dirr is not a key", "did you mean hydra.sweep.dir"]),
    ],
)
@pytest.mark.parametrize("is_sweep", [False, True])
def test_what_is_not_installed_is_told_before_anything_starts(choice, words, is_sweep, tmp_path):
    result = train(*(["-m", "seed=1,2"] if is_sweep else []), "env=catch", choice, cwd=tmp_path)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    for word in words:
        assert word in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("launcher", EXTRAS)
def test_the_extra_of_a_launcher_is_named(launcher):
    assert f'-e ".[{EXTRAS[launcher]}]"' in not_installed("hydra/launcher", launcher, ["basic"])
    assert f"\n{EXTRAS[launcher]} = [" in (ROOT / "pyproject.toml").read_text()


def test_a_ledger_knows_what_other_processes_did(tmp_path):
    ledger = Ledger(tmp_path)
    assert ledger.begin("a", "first")
    code = f"from pathlib import Path; from triptych.command.ledger import Ledger; l = Ledger(Path({str(tmp_path)!r}))"
    code += "\nassert not l.begin('a', 'again')\nassert l.begin('b', 'second')\nl.end('b', 'second', 2)"
    code += "\nassert l.begin('c', 'third')"  # and no end: it was killed
    subprocess.run([sys.executable, "-c", code], check=True)
    ledger.end("a", "first", 0)
    assert ledger.exit_codes() == {"first": 0, "second": 2, "third": 1}


@pytest.fixture
def searching(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tests" / "plugins")
    module = importlib.import_module("hydra_plugins.searching")
    Plugins.instance().register(module.SearchingSweeper)
    node = {"_target_": "hydra_plugins.searching.SearchingSweeper"}
    ConfigStore.instance().store(group="hydra/sweeper", name="searching", node=node)
    module.SearchingSweeper.returned.clear()
    return module.SearchingSweeper


def test_a_sweeper_that_searches_gets_the_final_scores(searching, tmp_path):
    result = train("-m", "hydra/sweeper=searching", *TINY, "seed=interval(1,3)", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    scores = {found["seed"]: found["eval_return_mean"] for found in summaries(tmp_path)}
    assert searching.returned == [scores[1], scores[2], scores[1]]
    assert [line.split()[:2] for line in result.stdout.splitlines()[-2:]] == [
        ["finished", "seed=1"],
        ["finished", "seed=2"],
    ]


def test_a_failed_job_has_no_score(searching, tmp_path):
    result = train("-m", "hydra/sweeper=searching", "env=pendulum", "debug=fdr", "logger=csv", cwd=tmp_path)
    assert result.returncode == 2
    assert searching.returned == [None, None, None]


def summaries(folder):
    return [summary(path.parent) for path in sorted(folder.glob("outputs/.debug/*/*/*/*/summary.json"))]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "choice"),
    [
        ("hydra_plugins.hydra_joblib_launcher", ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]),
        ("hydra_plugins.hydra_submitit_launcher", ["hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5"]),
    ],
)
def test_a_launcher_gives_the_same_run_and_tells_a_refusal(module, choice, tmp_path):
    """A job in another process, beside one that is refused there, is the run that it is in this one."""
    pytest.importorskip(module)
    envs = [*TINY, "env=gym", "env.id=Pendulum-v1,CartPole-v1"]
    result = start("-m", *choice, *envs, cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    ends = {line.split()[1]: line.split()[0] for line in result.stdout.splitlines()[-2:]}
    assert ends == {"env.id=Pendulum-v1": "refused", "env.id=CartPole-v1": "finished"}
    (other,) = (path.parent for path in tmp_path.glob("outputs/.debug/*/*/*/*/summary.json"))
    one = tmp_path / "here" / other.name
    assert train(*envs[:-1], "env.id=CartPole-v1", f"run_dir={one}").returncode == 0
    counts = count_differences(one, other)
    assert {key: count for key, count in counts.items() if key.startswith("different_") and count} == {}
    assert counts["rows"] > 0
    assert summary(one)["eval_returns"] == summary(other)["eval_returns"]
