"""Searches of runs, and the files of conf/sweep."""

from __future__ import annotations

import json
import statistics

import pytest
import yaml

from tests.front_door import ROOT, call, summary, train
from triptych.command.check import check_job
from triptych.command.compose import compose_jobs
from triptych.report.differences import read_rows

CONF = ROOT / "conf"
SWEEPS = sorted(path.stem for path in (CONF / "sweep").glob("optuna_*.yaml"))
TINY = [
    "env=catch", "total_frames=600", "eval.period_frames=240", "eval.episodes=2", "algo.learning_starts_env_steps=100",
    "trainer.num_threads=1", "checkpoint.period_frames=200",
]  # fmt: skip


@pytest.fixture
def search():
    pytest.importorskip("optuna")
    from scripts import search as script

    return lambda *arguments, cwd: call(script.main, "scripts/search.py", *arguments, cwd=cwd)


@pytest.mark.slow
def test_a_search_ends_with_an_experiment_that_runs(search, tmp_path):
    arguments = ["sweep=optuna_dqn", *TINY, "search.num_trials=2", "search.seeds=[1,2]", "--out", "found.json"]
    result = search(*arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr + result.stdout
    folder = tmp_path / "searches" / "optuna_dqn-catch"
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["complete"], found["failed"], len(found["trials"])) == (2, 0, 2)
    for trial in found["trials"]:
        runs = [summary(folder / "trials" / trial["name"] / f"seed{seed}") for seed in (1, 2)]
        assert trial["score"] == pytest.approx(statistics.fmean(run["eval_return_mean"] for run in runs))
        assert len(trial["evaluations"]) == 6  # also the one at 600, no multiple of the period
    assert found["best"]["score"] == max(trial["score"] for trial in found["trials"])
    own = [f"--config-dir={folder / 'conf'}", "experiment=optuna_dqn-catch"]
    (job,) = compose_jobs(own, CONF)
    check_job(job.cfg)
    best = found["best"]["values"]
    assert {key: job.cfg.algo[key.removeprefix("algo.")] for key in best} == best
    assert job.cfg.total_frames == 600
    same = train(*own, "seed=1", "logger=csv", "callbacks.video=false", f"run_dir={tmp_path / 'same'}", cwd=tmp_path)
    assert same.returncode == 0, same.stderr
    trial = folder / "trials" / found["best"]["name"] / "seed1"
    assert read_rows(tmp_path / "same" / "metrics.csv") == read_rows(trial / "metrics.csv")
    again = search(*arguments, cwd=tmp_path)  # there is nothing left to try
    assert again.returncode == 0
    assert "trial-0003" not in again.stdout


@pytest.mark.slow
def test_a_run_that_is_worse_than_others_is_ended_early(search, tmp_path):
    from triptych.search.plan import Dimension, Plan
    from triptych.search.runs import Runs
    from triptych.search.study import Pruned

    plan = Plan([], {"algo.batch_size": Dimension((32,))}, 1, [1], 1, 1, 1, None)
    runs = Runs(["logger=csv", "callbacks.video=false", *TINY], CONF, tmp_path, plan)
    told = []

    def report(number, mean):
        told.append(number)
        return number == 2

    with pytest.raises(Pruned):
        runs.play("trial", {"algo.batch_size": 32}, report)
    found = summary(tmp_path / "trial" / "seed1")
    assert (told, found["status"], found["eval_return_mean"]) == ([1, 2], "interrupted", None)
    assert 400 <= found["frames"] < 600
    told.clear()
    with pytest.raises(Pruned):  # a search that was killed before it had written that down
        runs.play("trial", {"algo.batch_size": 32}, report)
    assert told == [1, 2]


@pytest.mark.slow
def test_a_trial_that_was_killed_in_its_final_evaluation_is_not_pruned(search, tmp_path, monkeypatch):
    from triptych.run import job
    from triptych.search.plan import Dimension, Plan
    from triptych.search.runs import Runs

    def killed(*_, **__):
        raise KeyboardInterrupt

    plan = Plan([], {"algo.batch_size": Dimension((32,))}, 1, [1], 1, 1, 1, None)
    runs = Runs(["logger=csv", "callbacks.video=false", "total_minutes=0.0001", *TINY], CONF, tmp_path, plan)
    with monkeypatch.context() as patch:
        patch.setattr(job, "play_final", killed)
        with pytest.raises(KeyboardInterrupt):
            runs.play("trial", {"algo.batch_size": 32}, lambda number, mean: False)
    assert summary(tmp_path / "trial" / "seed1")["stop_reason"] == "total_minutes"
    score = runs.play("trial", {"algo.batch_size": 32}, lambda number, mean: True)
    found = summary(tmp_path / "trial" / "seed1")
    assert (found["status"], found["eval_return_mean"]) == ("finished", score)
    assert found["frames"] < 600


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["env=catch"], "sweep=... chooses what is searched, one of optuna_dqn, optuna_muzero, optuna_ppo"),
        (["sweep=optuna_dqm", "env=catch"], "sweep=optuna_dqm is not there"),
        (["sweep=wandb_dqn", "env=catch"], "sweep=wandb_dqn is not there"),
        (["sweep=optuna_dqn", "env=catch", "seed=3"], "seed=3 is what the search decides"),
        (["sweep=optuna_dqn", "env=catch", "algo.n_step=3"], "algo.n_step=3 is what the search decides"),
        (["sweep=optuna_dqn", "env=catch,pong"], "every key takes one value"),
        (
            ["sweep=optuna_dqn", "env=catch", "hydra.sweep.dir=x"],
            "hydra.sweep.dir=x is not allowed here",
        ),
        (["sweep=optuna_dqn", "env=catch", "test=false"], "test=false leaves a trial without a score"),
        (["sweep=optuna_dqn", "env=catch", "trainer=ddp_sim"], "trainer.devices=2 does not fit a search"),
        (["sweep=optuna_dqn", "env=catch", "train=false"], "train=false leaves a trial without a score"),
        (["sweep=optuna_dqn", "env=catch", "search.trials=3"], "search.trials is not a key"),
        (["sweep=optuna_dqn", "env=catch", "algo.no_such=1"], "algo.no_such"),
        (["sweep=optuna_dqn", "env=catch", "algo=ppo"], "algo.batch_size is not a key"),
    ],
)
def test_what_cannot_be_searched_is_one_sentence(arguments, words, search, tmp_path):
    result = search(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert words in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["seed", "run_dir", "fresh"])
def test_what_a_trial_gets_from_the_search_is_not_searched(key, search, tmp_path):
    path = tmp_path / "conf" / "sweep" / "optuna_mine.yaml"
    path.parent.mkdir(parents=True)
    plan = yaml.safe_load((CONF / "sweep" / "optuna_dqn.yaml").read_text())
    path.write_text(yaml.safe_dump(plan | {"space": {key: {"choices": [1, 2]}}}))
    result = search("--config-dir", str(tmp_path / "conf"), "sweep=optuna_mine", "env=catch", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {key} is ")
    assert [entry.name for entry in tmp_path.iterdir()] == ["conf"]


def test_a_search_within_a_run_is_refused(search, tmp_path):
    assert train("debug=fdr", *TINY, "logger=csv", "run_dir=run", cwd=tmp_path).returncode == 0
    before = sorted(tmp_path.rglob("*"))
    for folder in ("run", "run/deeper"):
        result = search("sweep=optuna_dqn", *TINY, f"search.folder={folder}", cwd=tmp_path)
        assert result.returncode == 2
        assert f"search.folder={folder} lies in the folder of a run" in result.stderr
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", SWEEPS)
def test_the_ends_of_every_shipped_search_can_be_run(name, search, tmp_path):
    from scripts import search as script
    from triptych.search.runs import Runs

    for env in ("catch", "pong"):
        _, plan, flags, fixed = script.read_arguments([f"sweep={name}", f"env={env}"], None)
        Runs([*flags, *fixed], CONF, tmp_path, plan).check()


def test_the_sweep_of_wandb_asks_for_what_train_takes():
    sweep = yaml.safe_load((CONF / "sweep" / "wandb_dqn.yaml").read_text())
    python, program, *fixed, swept = sweep["command"]
    assert (python, program, swept) == ("python", sweep["program"], "${args_no_hyphens}")
    assert sweep["metric"] == {"name": "final/return_mean", "goal": "maximize"}
    values = {}
    for name, node in sweep["parameters"].items():
        values[name] = node.get("values") or [node["min"], node["max"]]
    first = {name: options[0] for name, options in values.items()}
    for name, options in values.items():
        for option in options:  # as wandb writes them: True, 0.01
            words = [f"{key}={value}" for key, value in (first | {name: option}).items()]
            (job,) = compose_jobs([*fixed, *words], CONF)
            check_job(job.cfg)


def test_train_says_who_takes_a_sweep(tmp_path):
    result = train("sweep=optuna_dqn", "env=catch", cwd=tmp_path)
    assert result.returncode == 2
    assert "scripts/search.py" in result.stderr
