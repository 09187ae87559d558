"""Weights & Biases without a network: nothing here may leave the machine."""

import pytest
import wandb

from triptych.loggers import wandb as room


@pytest.fixture(autouse=True)
def nobody_is_logged_in(monkeypatch, tmp_path):
    monkeypatch.setattr(room, "_is_logged_in", lambda: False)
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def start(folder, lines=None):
    write_line = print if lines is None else lines.append
    return room.make_wandb_logger(folder, {"seed": 1}, project="triptych", write_line=write_line)


def test_without_a_login_a_run_is_tracked_offline_and_says_how_to_upload_it(tmp_path):
    lines = []
    logger = start(tmp_path / "run", lines)
    logger.log_metrics({"frames": 4, "train/loss": 0.5}, step=4)
    logger.log_metrics({"mine": 1.0}, step=6)  # of another callback, through Lightning
    assert dict(logger.experiment.summary)["frames"] == 6
    logger.finalize("success")  # Lightning's end of training is not the run's end
    logger.log_metrics({"frames": 8, "train/loss": 0.25}, step=8)
    logger.log_metrics({"without a place": 2.0})
    found = dict(logger.experiment.summary)
    assert (found["frames"], found["train/loss"], found["mine"], found["without a place"]) == (8, 0.25, 1.0, 2.0)
    logger.close_run(0)
    assert lines == [f"wandb was offline; to upload this run: wandb sync {tmp_path / 'run' / 'wandb'}/offline-run-*"]
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*"))


def test_the_id_is_stable_over_resumes(tmp_path):
    ids = []
    for _ in range(2):
        logger = start(tmp_path / "run", [])
        ids.append(logger.experiment.id)
        logger.close_run(0)
    other = start(tmp_path / "other", [])
    other.close_run(0)
    assert ids[0] == ids[1] != other.experiment.id
    assert len(list((tmp_path / "run" / "wandb").glob("offline-run-*"))) == 2


def test_a_network_that_is_down_costs_a_line_and_not_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "_is_logged_in", lambda: True)
    init = wandb.init

    def unreachable(**keywords):
        if keywords.get("mode") != "offline":
            raise wandb.errors.CommError("no route to the server")
        return init(**keywords)

    monkeypatch.setattr(wandb, "init", unreachable)
    lines = []
    logger = start(tmp_path / "run", lines)
    logger.close_run(1)
    assert lines[0] == "wandb cannot be reached (CommError); this run is tracked offline."
    assert "wandb sync" in lines[1]


@pytest.mark.slow
def test_a_server_that_is_not_there_costs_a_line_and_not_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "_is_logged_in", lambda: True)
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://localhost:9")
    wandb.teardown()  # its service would remember the settings from before
    lines = []
    logger = start(tmp_path / "run", lines)
    logger.log_metrics({"frames": 4, "train/loss": 0.5}, step=4)
    logger.close_run(0)
    wandb.teardown()
    assert "wandb cannot be reached" in lines[0]
    assert "wandb sync" in lines[1]
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*"))


def test_the_exit_code_reaches_the_tracker(tmp_path, monkeypatch):
    logger = start(tmp_path / "run", [])
    codes = []
    monkeypatch.setattr(type(logger.experiment), "finish", lambda run, exit_code=None: codes.append(exit_code))
    logger.close_run(130)
    assert codes == [130]
