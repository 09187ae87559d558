"""Runs that start from another's weights, that only evaluate, and that go without a final evaluation."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch

from tests.front_door import summary, train
from triptych.report.groups import group_runs
from triptych.report.runs import find_runs
from triptych.report.table import markdown_tables
from triptych.run.restore import find_in_run
from triptych.types import ConfigurationError

TINY = [
    "env=catch", "logger=csv", "total_frames=400", "eval.episodes=2", "eval.period_frames=400", "env.num_envs=8",
    "algo.learning_starts_env_steps=200", "callbacks.video=false", "trainer.num_threads=1", "stop_when_solved=false",
]  # fmt: skip


def run(folder, *arguments, code=0):
    result = train(*TINY, f"run_dir={folder}", *arguments)
    assert result.returncode == code, result.stderr + result.stdout
    assert "Traceback" not in result.stderr
    return result


def weights(folder, name="last"):
    state = torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]
    return {name: value for name, value in state.items() if not name.endswith("_extra_state")}


def contents(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source") / "run"
    run(folder, "tags=[first,second]", "task_name=trial")
    return folder


@pytest.fixture
def copy(source, tmp_path):
    return Path(shutil.copytree(source, tmp_path / "copy"))


@pytest.mark.parametrize("name", ["", "checkpoints/last.ckpt"])
def test_a_run_starts_from_the_weights_of_another(source, tmp_path, name):
    start = source / name
    result = run(tmp_path / "run", f"ckpt_path={start}", "algo.learning_starts_env_steps=10000", "seed=2")
    file = start if name else source / "checkpoints" / "best.ckpt"
    assert f"from the weights of {file}" in result.stdout
    found = summary(tmp_path / "run")
    assert found["started_from"] == str(file)
    assert (found["frames"], found["updates"]) == (400, 0), "counters start anew"
    expected = weights(source, file.stem)
    for key, value in weights(tmp_path / "run").items():
        assert torch.equal(value, expected[key]), key


def test_where_it_started_belongs_to_its_identity(source, tmp_path):
    run(tmp_path / "run")
    identity = summary(tmp_path / "run")["identity"]
    assert identity == summary(source)["identity"], "tags and task_name do not"
    result = run(tmp_path / "run", f"ckpt_path={source}", code=2)
    assert "holds another run" in result.stderr


def test_a_run_that_goes_on_does_not_start_from_weights_again(source, tmp_path):
    arguments = [f"ckpt_path={source}", f"run_dir={tmp_path / 'run'}"]
    assert train(*TINY, *arguments).returncode == 0
    result = train(*TINY, *arguments, "total_frames=600")
    assert result.returncode == 0, result.stderr
    assert f"ckpt_path={source} is not read: the run goes on from its own last.ckpt." in result.stdout
    assert summary(tmp_path / "run")["started_from"] == str(source / "checkpoints" / "best.ckpt")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["algo.dueling=true"], ["does not fit", "it has no online_network.head.value.weight"]),
        (["algo=ppo"], ["does not fit", "it has no network.policy_torso.", " more"]),
        (["env=cartpole"], ["does not fit", "online_network."]),
    ],
)
def test_weights_that_do_not_fit_are_named(source, tmp_path, arguments, words):
    tiny = [one for one in TINY if not one.startswith("algo.")]
    result = train(*tiny, f"run_dir={tmp_path / 'run'}", f"ckpt_path={source}", *arguments)
    assert result.returncode == 2
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert f"ckpt_path={source / 'checkpoints' / 'best.ckpt'}" in line
    for word in words:
        assert word in line
    assert not (tmp_path / "run").exists()


class Foreign:
    """Would run code if it were unpickled."""

    def __reduce__(self):
        return exec, ("raise SystemExit('code ran')",)


def test_weights_that_are_none_are_told(tmp_path):
    torch.save({"state_dict": Foreign()}, tmp_path / "foreign.ckpt")
    torch.save({"state_dict": [1]}, tmp_path / "list.ckpt")
    (tmp_path / "empty").mkdir()
    for name, word in {
        "foreign.ckpt": "cannot be read",
        "list.ckpt": "cannot be read",
        "empty": "without a checkpoint",
        "nowhere": "neither a run's folder nor a checkpoint",
    }.items():
        result = run(tmp_path / "run", f"ckpt_path={tmp_path / name}", code=2)
        assert word in result.stderr
        assert not (tmp_path / "run").exists()


def test_only_to_evaluate_plays_the_run_that_is_named_and_leaves_it_alone(copy):
    before = contents(copy)
    run(copy, "train=false", "eval.final_episodes=3")
    after = contents(copy)
    found = json.loads((copy / "evaluation.json").read_text())
    assert (found["checkpoint"], found["num_episodes"]) == ("best.ckpt", 3)
    del after["evaluation.json"]
    assert after == before


def test_a_checkpoint_outside_a_run_may_lie_beside_links(copy, tmp_path):
    loose = tmp_path / "loose"
    loose.mkdir()
    shutil.copy(copy / "checkpoints" / "last.ckpt", loose / "mine.ckpt")
    (loose / "python").symlink_to(sys.executable)
    (tmp_path / "foreign.json").write_text("not to be written to")
    (loose / "evaluation.json").symlink_to(tmp_path / "foreign.json")
    run(tmp_path / "none", "train=false", f"ckpt_path={loose / 'mine.ckpt'}")
    assert json.loads((loose / "evaluation.json").read_text())["checkpoint"] == "mine.ckpt"
    assert (tmp_path / "foreign.json").read_text() == "not to be written to"


def test_only_to_evaluate_plays_a_checkpoint(copy, tmp_path):
    result = run(tmp_path / "none", "train=false", f"ckpt_path={copy / 'checkpoints' / 'last.ckpt'}")
    assert "mean return" in result.stdout
    assert json.loads((copy / "evaluation.json").read_text())["checkpoint"] == "last.ckpt"
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train=false"], ["no", "train=false", "ckpt_path="]),
        (["train=false", "test=false"], ["train=false test=false", "nothing to do"]),
        (["train=false", "ckpt_path=nowhere"], ["nowhere"]),
        (["train=maybe"], ["train=maybe", "true or false"]),
        (["tags=one"], ["tags=one", "a list of texts"]),
    ],
)
def test_what_cannot_be_evaluated_or_kept_is_told(arguments, words, tmp_path):
    result = run(tmp_path / "run", *arguments, code=2)
    (line,) = result.stderr.splitlines()
    for word in words:
        assert word in line
    assert not (tmp_path / "run").exists()


def test_only_to_evaluate_refuses_another_run_and_another_network(copy):
    assert "holds another run" in run(copy, "train=false", "seed=7", code=2).stderr
    result = run(copy, "train=false", f"ckpt_path={copy}", "algo.dueling=true", code=2)
    assert "does not fit: it has no online_network." in result.stderr
    result = run(copy, "train=false", f"ckpt_path={copy}", "env=cartpole", code=2)
    assert "is of a run on another game (" in result.stderr
    assert not (copy / "evaluation.json").exists()


def test_a_run_may_go_without_its_final_evaluation_and_have_it_later(tmp_path):
    folder = tmp_path / "run"
    result = run(folder, "test=false")
    assert "no final evaluation (test=false)" in result.stdout
    found = summary(folder)
    assert (found["status"], found["test"], found["eval_return_mean"]) == ("finished", False, None)
    assert found["stop_reason"] == "total_frames"
    assert "is finished: no final evaluation" in run(folder, "test=false").stdout
    runs, notes = find_runs([tmp_path])
    assert notes == []
    assert "| 0 of 1 evaluated |" in markdown_tables(group_runs(runs))
    run(folder)
    assert len(summary(folder)["eval_returns"]) == 2
    assert summary(folder)["frames"] == found["frames"]


def test_tags_and_the_name_of_the_task_are_kept(source):
    found = summary(source)
    assert (found["tags"], found["task_name"], found["started_from"]) == (["first", "second"], "trial", None)


def test_the_checkpoint_is_the_best_or_the_last_where_no_evaluation_has_made_a_best(tmp_path):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    with pytest.raises(ConfigurationError, match=r"best\.ckpt; the run has: none"):
        find_in_run(tmp_path, None)
    (folder / "last.ckpt").touch()
    assert find_in_run(tmp_path, None) == folder / "last.ckpt"
    with pytest.raises(ConfigurationError, match=r"best\.ckpt; the run has: last\.ckpt"):
        find_in_run(tmp_path, "best")
    (folder / "best.ckpt").touch()
    assert find_in_run(tmp_path, None) == folder / "best.ckpt"
    assert find_in_run(tmp_path, "last") == folder / "last.ckpt"
