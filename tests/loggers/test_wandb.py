"""Weights & Biases without a network: nothing here may leave the machine."""

from types import SimpleNamespace

import pytest
import wandb

from triptych.loggers import wandb as room
from triptych.loggers.history import History
from triptych.types import ConfigurationError


@pytest.fixture(autouse=True)
def nobody_is_logged_in(monkeypatch, tmp_path):
    monkeypatch.setattr(room, "_is_logged_in", lambda: False)
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def start(folder, lines=None, **settings):
    write_line = print if lines is None else lines.append
    return room.make_wandb_logger(folder, {"seed": 1}, project="triptych", write_line=write_line, **settings)


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
    (made,) = (tmp_path / "run" / "wandb").glob("offline-run-*")
    assert lines == [f"wandb was offline; to upload this run: wandb sync {made}"]


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


def test_a_setting_that_wandb_refuses_is_told_in_one_line(tmp_path, monkeypatch):
    with pytest.raises(ConfigurationError, match=r"logger.wandb cannot be made .*Invalid project name 'a/b'"):
        room.make_wandb_logger(tmp_path, {}, project="a/b")
    with pytest.raises(ConfigurationError, match=r"logger.wandb cannot be made .*tags") as told:
        start(tmp_path, tags=["a" * 80])
    assert "\n" not in str(told.value)
    monkeypatch.setenv("WANDB_MODE", "foo")
    with pytest.raises(ConfigurationError, match=r"variables WANDB_\*: .*foo"):
        start(tmp_path)


def test_the_exit_code_reaches_the_tracker(tmp_path, monkeypatch):
    logger = start(tmp_path / "run", [])
    codes = []
    monkeypatch.setattr(type(logger.experiment), "finish", lambda run, exit_code=None: codes.append(exit_code))
    logger.close_run(130)
    assert codes == [130]


class FakeRun:
    """A run of wandb that keeps what it is sent."""

    def __init__(self, folder, held=None):
        self.id, self.settings = "0", SimpleNamespace(wandb_dir=str(folder))
        self.resumed, self.summary = held is not None, {} if held is None else {"frames": held}
        self.sent, self.artifacts = [], []

    def define_metric(self, *args, **kwargs):
        pass

    def log(self, row):
        self.sent.append(row)

    def log_artifact(self, artifact, aliases):
        self.artifacts.append((artifact.type, aliases))


def logger_of(run, folder, **keywords):
    return room.FramesWandbLogger(run, None, print, History(folder / "history.jsonl"), **keywords)


def played(logger, *frames, value=1.0):
    for one in frames:
        logger.log_metrics({"loss": value}, step=one)


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (None, [4, 8, 10, 14, 18]),  # another offline file: the whole curve
        (12, [14, 18]),  # all of it is on the server
        (4, [8, 10, 14, 18]),  # the network went down after the first row
    ],
)
def test_a_run_that_goes_on_sends_every_frame_once(tmp_path, held, expected):
    played(logger_of(FakeRun(tmp_path), tmp_path), 4, 8, 12)
    run = FakeRun(tmp_path, held)
    logger = logger_of(run, tmp_path)
    logger.go_on_from(9)
    played(logger, 10, 14, 18)
    assert [row["frames"] for row in run.sent] == expected
    # Once more from before 12, which the server holds as it was played first.
    again = FakeRun(tmp_path, 18)
    logger = logger_of(again, tmp_path)
    logger.go_on_from(9)
    played(logger, 11, 17, 20)
    assert [row["frames"] for row in again.sent] == [20]


def test_a_value_that_was_never_sent_is_sent_though_its_frame_was(tmp_path):
    played(logger_of(FakeRun(tmp_path), tmp_path), 4, 8)
    run = FakeRun(tmp_path, 8)
    logger = logger_of(run, tmp_path)
    logger.go_on_from(8)
    logger.log_metrics({"frames": 8, "loss": 0.5}, step=8)
    logger.log_metrics({"frames": 8, "eval/return_mean": 3.0}, step=8)
    assert run.sent == [{"frames": 8, "eval/return_mean": 3.0}]


@pytest.mark.parametrize("is_wished", [False, True])
def test_the_best_checkpoint_is_an_artifact_where_it_is_wished(tmp_path, is_wished):
    path = tmp_path / "best.ckpt"
    path.write_bytes(b"weights")
    run = FakeRun(tmp_path)
    logger_of(run, tmp_path, logs_checkpoint=is_wished).log_checkpoint(path)
    assert run.artifacts == ([("model", ["best"])] if is_wished else [])
