"""Configuration of the user's own: found and checked like ours, wherever Hydra finds it."""

from __future__ import annotations

import pytest

from tests.front_door import ROOT, summary, train
from triptych.command.compose import compose_jobs, register_options
from triptych.command.search_path import flags_first, own_folders, split
from triptych.types import ConfigurationError

CONF = ROOT / "conf"
FILES = {
    "algo/quick_dqn.yaml": "defaults: [dqn, _self_]\nbatch_size: 16\n",
    "env/corridor_game.yaml": "defaults: [catch, _self_]\n",
    "callbacks/stop_soon.yaml": "defaults: [default, _self_]\nextra:\n  stop:\n"
    "    _target_: pytorch_lightning.callbacks.EarlyStopping\n    monitor: eval/return_mean\n",
    "logger/mine.yaml": "mine:\n  _target_: pytorch_lightning.loggers.CSVLogger\n  name: mine\n",
    "experiment/short.yaml": "# @package _global_\ntotal_frames: 600\n",
    "experiment/misspelt.yaml": "# @package _global_\nalgo:\n  batch_sise: 3\n",
    "experiment/misspelt_callback.yaml": "# @package _global_\ncallbacks:\n  extra:\n    stop:\n"
    "      _target_: pytorch_lightning.callbacks.EarlyStopping\n      monitr: x\n",
}
CHOICES = ["algo=quick_dqn", "env=corridor_game", "callbacks=stop_soon", "logger=mine", "experiment=short"]


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Return a folder of one's own configuration, which is the package ``their.conf`` too."""
    folder = tmp_path / "their" / "conf"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (tmp_path / "their" / "__init__.py").touch()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def ways_to_name(folder):
    primary = folder / "my_train.yaml"
    primary.write_text(f"defaults: [train, _self_]\nhydra:\n  searchpath: ['file://{folder}']\n")
    return {
        "config-dir": [f"--config-dir={folder}"],
        "file": [f"hydra.searchpath=[file://{folder}]"],
        "package": ["hydra.searchpath=[pkg://their.conf]"],
        "config-name": ["--config-dir", str(folder), "--config-name", "my_train"],
    }


WAYS = ["config-dir", "file", "package", "config-name"]


def composed(*arguments):
    register_options(CONF, *own_folders(split(arguments), CONF))
    return [job.cfg for job in compose_jobs(arguments, CONF)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_sweep", [False, True])
def test_own_options_are_found(own, way, is_sweep):
    swept = ["-m", "seed=1,2"] if is_sweep else []
    configs = composed(*swept, *ways_to_name(own)[way], *CHOICES)
    assert len(configs) == 1 + is_sweep
    for cfg in configs:
        assert (cfg.algo.batch_size, cfg.total_frames) == (16, 600)
        assert "stop" in cfg.callbacks.extra
        assert "mine" in cfg.logger


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ("experiment=misspelt", "did you mean algo.batch_size"),
        ("experiment=misspelt_callback", "callbacks.extra.stop.monitr"),
        ("algo=quick_dqm", "did you mean quick_dqn"),
    ],
)
def test_own_options_are_checked(own, way, choice, words, tmp_path):
    ways = ways_to_name(own)[way]
    (tmp_path / "here").mkdir()
    result = train(*ways, "env=catch", choice, cwd=tmp_path / "here")
    assert result.returncode == 2
    assert words in result.stderr
    assert list((tmp_path / "here").iterdir()) == []


def test_own_names_are_found_in_any_case(own, tmp_path):
    result = train(f"hydra.searchpath=[file://{own}]", "algo=QuickDQN", "env=Corridor_Game", "--cfg", "job")
    assert "batch_size: 16" in result.stdout


def test_a_run_of_own_options_along_the_search_path(own, tmp_path):
    arguments = [*CHOICES, "algo.learning_starts_env_steps=200", "eval.episodes=1", "callbacks.video=false"]
    result = train("hydra.searchpath=[pkg://their.conf]", *arguments, f"run_dir={tmp_path / 'run'}")
    assert result.returncode == 0, result.stderr
    assert summary(tmp_path / "run")["status"] == "finished"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["hydra.searchpath=[file:///nowhere/conf]"], ["hydra.searchpath", "file:///nowhere/conf", "not a folder"]),
        (["hydra.searchpath=[pkg://no_such.conf]"], ["pkg://no_such.conf", "package"]),
        (["hydra.searchpath=[http://x]"], ["http://x", "file://FOLDER"]),
        (["hydra.searchpath=conf"], ["hydra.searchpath=conf", "a list"]),
        (["--config-name", "nowhere"], ["nowhere.yaml"]),
        (["--config-path=/tmp"], ["--config-path", "--config-dir"]),
        (["--config-dir=/", "--config-dir=/tmp"], ["twice", "hydra.searchpath"]),
    ],
)
def test_what_is_no_place_for_configuration_is_told(arguments, words):
    result = train("env=catch", *arguments)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    for word in words:
        assert word in line


def test_the_command_line_comes_before_the_file(own):
    ways = ways_to_name(own)["config-name"]
    with pytest.raises(ConfigurationError, match="elsewhere"):
        own_folders(split([*ways, "hydra.searchpath=[file://elsewhere]"]), CONF)


def test_a_file_that_would_not_be_read_is_told(own):
    """Of two files of one name Hydra takes this project's."""
    for name in ("env/catch.yaml", "tuned/dqn-catch.yaml"):
        path = own / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("num_envs: 3\n")
        with pytest.raises(ConfigurationError, match=rf"{path} would not be read: this project has a {name} of its"):
            composed(f"--config-dir={own}", "env=catch")
        path.write_bytes((CONF / name).read_bytes())
        assert composed(f"--config-dir={own}", "env=catch")


def test_flags_may_stand_anywhere(tmp_path):
    line = ["env=catch", "-m", "seed=1,2", "--config-dir", str(tmp_path), "algo=dqn", "--config-name=train"]
    flags = ["-m", "--config-dir", str(tmp_path), "--config-name=train"]
    assert flags_first(line) == [*flags, "env=catch", "seed=1,2", "algo=dqn"]
    assert flags_first(["env=catch"]) == ["env=catch"]
    assert flags_first(["env=catch", "--cfg", "job", "algo=dqn"]) == ["--cfg", "job", "env=catch", "algo=dqn"]
    for before, after in ((["env=catch", "-i", "plugins"], "plugins"), (["-i", "env=catch"], "all"), (["-i"], "all")):
        assert flags_first(before) == [f"--info={after}", *[word for word in before if "=" in word]]


@pytest.mark.parametrize("flags", [["--cfg", "job", "-m"], ["--run", "--multirun"], ["-i", "-m"]])
def test_flags_that_exclude_each_other_are_told(flags):
    with pytest.raises(ConfigurationError, match="cannot be asked for at once"):
        flags_first(["env=catch", *flags])


def test_a_switch_that_would_do_nothing_is_told():
    with pytest.raises(ConfigurationError, match="--resolve is for what --cfg=job shows"):
        flags_first(["env=catch", "--resolve"])
    assert flags_first(["env=catch", "--resolve", "--cfg=job"]) == ["--resolve", "--cfg=job", "env=catch"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config-dir"], "--config-dir takes a folder"),
        (["--config-dir", "env=catch"], "--config-dir takes a folder"),
        (["--config-dir="], "--config-dir takes a folder"),
        (["--config-name"], "--config-name takes a name"),
        (["-p", "algo", "env=catch"], "-p is for what --cfg=job shows"),
        (["--info=nonsense"], "--info=nonsense is not allowed: it takes one of all, config"),
        (["-i", "nonsense"], "--info=nonsense is not allowed"),
        (["--cfg", "jo"], "--cfg=jo is not allowed: it takes one of job, hydra, all"),
        (["run_dir='a\udcff'"], "is no text in UTF-8"),
    ],
)
def test_a_flag_without_its_value_is_told(arguments, words, tmp_path):
    result = train(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert words in line
    assert list(tmp_path.iterdir()) == []


def test_a_folder_may_have_any_name(tmp_path):
    folder = tmp_path / "a=b"
    folder.mkdir()
    assert split([f"--config-dir={folder}"]).config_dir == split(["--config-dir", str(folder)]).config_dir == folder


def test_a_flag_that_is_none_is_told(tmp_path):
    result = train("env=catch", "--check", "seed=1", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr == "error: --check is no flag; settings are given as key=value, and --help tells of both.\n"
