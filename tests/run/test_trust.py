"""A run's folder is data: nothing that it holds is executed, and nothing outside it is written."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import torch
import yaml

from scripts import evaluate, report, watch
from tests.front_door import call, train

TINY = ["env=catch", "debug=tiny", "total_frames=600", "trainer.num_threads=1", "callbacks.video=false"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    assert train(*TINY, f"run_dir={folder}").returncode == 0
    return folder


@pytest.fixture
def folder(finished, tmp_path):
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture
def marker(tmp_path, monkeypatch):
    """A file that appears where somebody else's code is run, and a module that would make it."""
    path = tmp_path / "broken_into"
    (tmp_path / "their_code.py").write_text(
        f"open({str(path)!r}, 'w').close()\nclass Anything:\n    def __init__(self, *args, **kwargs): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield path
    sys.modules.pop("their_code", None)


def change(folder, **changes):
    """Set dotted keys in the folder's config."""
    config = yaml.safe_load((folder / "config.yaml").read_text())
    for key, value in changes.items():
        *nodes, name = key.split("__")
        node = config
        for one in nodes:
            node = node.setdefault(one, {})
        node[name] = value
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def ask(script, folder, *arguments):
    found = call(script.main, script.__name__, folder, *arguments)
    assert "Traceback" not in found.stdout + found.stderr
    return found


COMMAND = {"_target_": "os.system", "command": "touch broken_into"}
WAYS_IN = {
    "another algorithm": {"algo__module": "their_code.Anything"},
    "another data module": {"algo__data": "their_code.Anything"},
    "another environment": {"env___target_": "their_code.Anything"},
    "what is reached through a class of ours": {"algo__module": "triptych.algos.dqn.DQN.load_from_checkpoint"},
    "what one of our files imports": {"algo__module": "triptych.build.importlib.import_module"},
    "a function for a class": {"algo__module": "triptych.algos.base.clip_gradients"},
    "a network": {"algo__network": {"_target_": "their_code.Anything"}},
    "a network of torch": {"algo__network": {"_target_": "torch.nn.Linear", "in_features": 4, "out_features": 2}},
    "a wrapper": {"env__wrappers": ["their_code.Anything"]},
    "a wrapper with arguments": {"env__wrappers": [{"_target_": "their_code.Anything", "a": 1}]},
    "what is reached through a package of wrappers": {"env__wrappers": ["gymnasium.wrappers.common.deepcopy"]},
    "a wrapper that writes files": {"env__wrappers": ["gymnasium.wrappers.RecordVideo"]},
    "an id that imports a module": {"env__id": "their_code:Anything-v0"},
    "an interpolation": {"env__make_kwargs": {"x": "${oc.env:HOME}"}},
    "a name that is no text": {"algo__module": {"_target_": "their_code.Anything"}},
}


@pytest.mark.parametrize("script", [evaluate, watch], ids=["evaluate", "watch"])
@pytest.mark.parametrize("way", WAYS_IN)
def test_what_a_config_names_outside_the_package_is_not_run(way, script, folder, marker, monkeypatch):
    monkeypatch.chdir(marker.parent)
    change(folder, **WAYS_IN[way])
    result = ask(script, folder)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert not marker.exists()


@pytest.mark.parametrize("key", ["env__make_kwargs", "logger", "callbacks__extra"])
def test_nested_targets_are_plain_data(key, folder, marker, monkeypatch):
    monkeypatch.chdir(marker.parent)
    change(folder, **{key: {"rows": COMMAND}})
    ask(evaluate, folder, "--episodes", 1)  # refused where Catch cannot take it, and in no case run
    assert not marker.exists()


def test_a_trusted_folder_may_name_code_of_the_users_own(folder, tmp_path, monkeypatch):
    (tmp_path / "their_lab.py").write_text("from triptych.algos.dqn import DQN\nclass Mine(DQN): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    change(folder, algo__module="their_lab.Mine")
    refused = ask(evaluate, folder, "--episodes", 1)
    assert refused.returncode == 2
    assert "their_lab.Mine" in refused.stderr
    assert "--trust" in refused.stderr
    assert ask(evaluate, folder, "--episodes", 1, "--trust").returncode == 0


@pytest.mark.parametrize(
    "text",
    [
        "algo: !!python/object/apply:os.system ['touch broken_into']",
        "algo: &a [x, x]\nenv: [*a, *a]",
        "[" * 100_000,
        "a: {" * 5_000,
        "\x00\xff",
        "- a list",
    ],
    ids=["a tag", "aliases", "deep lists", "deep maps", "no text", "no mapping"],
)
def test_a_config_of_anything_else_is_told_in_a_sentence(text, folder, marker, monkeypatch):
    monkeypatch.chdir(marker.parent)
    (folder / "config.yaml").write_bytes(text.encode("latin-1"))
    result = ask(evaluate, folder)
    assert result.returncode == 2
    assert "config.yaml" in result.stderr
    assert not marker.exists()


def test_a_pickle_in_a_checkpoint_is_not_loaded(folder, marker):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(marker),))

    torch.save({"state_dict": Evil()}, folder / "checkpoints" / "best.ckpt")
    assert ask(evaluate, folder).returncode == 2
    assert not marker.exists()


WRITTEN = [".lock", "train.log", "summary.json", "config.yaml", "metrics.csv", ".tmp-summary.json"]
WRITTEN += ["checkpoints/last.ckpt"]


@pytest.mark.parametrize("name", WRITTEN)
def test_a_link_in_a_folder_is_not_written_through(name, folder, tmp_path):
    target = tmp_path / "not_the_runs.txt"
    target.write_text("mine")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(target)
    result = train(*TINY, "seed=1", f"run_dir={folder}")
    assert result.returncode == 2
    assert "link" in result.stderr
    assert target.read_text() == "mine"
    assert ask(evaluate, folder, "--episodes", 1).returncode == 2
    assert target.read_text() == "mine"


def test_a_folder_of_checkpoints_elsewhere_is_not_written_into(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.move(folder / "checkpoints", elsewhere)
    (folder / "checkpoints").symlink_to(elsewhere)
    before = sorted(path.name for path in elsewhere.rglob("*"))
    assert train(*TINY, f"run_dir={folder}").returncode == 2
    assert sorted(path.name for path in elsewhere.rglob("*")) == before


@pytest.mark.parametrize(
    "changes",
    [
        {"algo": "../x"}, {"env": "../../x"}, {"protocol": "a/b"}, {"experiment": "/x"}, {"algo": 5}, {"env": None},
        {"seed": "one"}, {"frames": "many"}, {"frames": [1]}, {"eval_return_mean": "inf"}, {"wall_time_s": {}},
        {"eval_return_mean": True},
    ],
    ids=str,
)  # fmt: skip
def test_a_report_leaves_out_what_a_run_does_not_write(changes, folder, tmp_path):
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | changes))
    target = tmp_path / "deep" / "results"
    result = ask(report, folder.parent, "--collect", target, "--curves", target)
    assert result.returncode == 2  # no other run is there
    assert "cannot be read as a run" in result.stderr
    assert not target.exists() or not list(target.rglob("*"))
    assert not list((tmp_path / "deep").glob("x*"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("summary.json", "[" * 100_000),
        ("summary.json", "{" * 3),
        ("summary.json", "[]"),
        ("config.yaml", "a: &a [x]\nb: [*a, *a]"),
        ("config.yaml", "a: !!python/object/apply:os.getcwd []"),
        ("config.yaml", "[" * 100_000),
        ("metrics.csv", "frames,wall_time_s\n1," + "9" * 200_000),
        ("metrics.csv", "\x00\x00"),
    ],
    ids=["deep json", "cut json", "a json list", "aliases", "a tag", "deep yaml", "a huge field", "no csv"],
)
def test_a_report_survives_any_file(name, content, folder, tmp_path):
    good = Path(shutil.copytree(folder, tmp_path / "good"))
    (folder / name).write_text(content)
    result = ask(report, tmp_path)
    assert result.returncode == 0
    assert str(folder) in result.stderr or (name, content[0]) == ("metrics.csv", "\x00")
    assert "| dqn | catch |" in result.stdout
    assert good.exists()


def test_a_link_among_collected_results_is_refused(folder, tmp_path):
    target, foreign = tmp_path / "results", tmp_path / "foreign.json"
    foreign.write_text("mine")
    first = ask(report, folder, "--collect", target)
    assert first.returncode == 0
    (copy,) = target.iterdir()
    (copy / "metrics.csv").unlink()
    (copy / "metrics.csv").symlink_to(foreign)
    assert ask(report, folder, "--collect", target).returncode == 2
    assert foreign.read_text() == "mine"
