"""The folder of a run: what is moved aside and what stays."""

from pathlib import Path

import pytest
import torch

from triptych.files import seal
from triptych.run.folder import RunFolder
from triptych.types import ConfigurationError


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


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["config.yaml", "metrics.csv", "summary.json", "train.log", "videos"])
@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_with_such_files_of_the_users_own_is_refused_and_left_alone(tmp_path, name, fresh):
    (tmp_path / name).mkdir() if name == "videos" else (tmp_path / name).write_text("mine: 1")
    with pytest.raises(ConfigurationError, match=rf"run_dir=.* holds {name}, and not of a run"):
        RunFolder(tmp_path, fresh=fresh)
    assert names_in(tmp_path) == [name]


@pytest.mark.parametrize("names", [[], ["notes.txt"]])
def test_a_folder_of_the_users_own_is_as_before_after_a_refusal(tmp_path, names):
    for name in names:
        (tmp_path / name).touch()
    folder = RunFolder(tmp_path)
    folder.note("a word")
    folder.discard_if_new()
    assert names_in(tmp_path) == names
    folder = RunFolder(tmp_path / "new")
    folder.discard_if_new()
    assert not (tmp_path / "new").exists()


def test_a_run_of_which_only_a_checkpoint_is_left_is_a_run(tmp_path):
    path = tmp_path / "checkpoints" / "last.ckpt"
    path.parent.mkdir()
    torch.save({"state_dict": {}}, path)
    with pytest.raises(ConfigurationError, match="holds checkpoints"):
        RunFolder(tmp_path)
    seal(path)
    RunFolder(tmp_path).close()


@pytest.mark.parametrize("name", [".lock", "summary.json", "checkpoints"])
def test_a_link_in_place_of_a_file_is_refused(tmp_path, name):
    outside = tmp_path / "outside"
    outside.mkdir()
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / name).symlink_to(outside)
    with pytest.raises(ConfigurationError, match=f"holds a link, .*{name}"):
        RunFolder(folder)
    assert names_in(folder) == [name]
    assert names_in(outside) == []


def test_folders_that_were_made_on_the_way_go_with_a_run_that_is_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    RunFolder(tmp_path / "mine" / "a" / "b" / "run").discard_if_new()
    assert list(tmp_path.rglob("*")) == [tmp_path / "mine"]
    folder = RunFolder(tmp_path / "mine" / "a" / "run")
    (tmp_path / "mine" / "a" / "other").mkdir()  # of another run
    folder.discard_if_new()
    assert (tmp_path / "mine" / "a" / "other").is_dir()


@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_in_a_runs_or_around_one_is_refused_and_left_alone(tmp_path, fresh):
    run = RunFolder(tmp_path / "outputs" / "dqn" / "seed1")
    run.update_summary(identity="a", algo="dqn")
    (run.path / "checkpoints").mkdir()
    run.close()
    for folder in (tmp_path, tmp_path / "outputs", run.checkpoints, run.path / "new"):
        with pytest.raises(ConfigurationError, match=rf"run_dir={folder} lies in .* another run, {run.path}, or holds"):
            RunFolder(folder, fresh=fresh)
    RunFolder(tmp_path / "outputs" / "dqn" / "seed2").close()
    assert names_in(run.path) == [".lock", "checkpoints", "summary.json"]
    assert names_in(tmp_path) == ["outputs"]


@pytest.mark.parametrize("name", ["metrics.csv", "summary.json", "checkpoints/best.ckpt", "checkpoints/last.ckpt"])
def test_a_folder_where_a_run_has_a_file_is_told_before_anything_starts(tmp_path, name):
    run = RunFolder(tmp_path)
    run.note("a word")
    run.close()
    (tmp_path / name).mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=rf"run_dir={tmp_path}: .*{name} is a folder, where a run has a file"):
        RunFolder(tmp_path)
