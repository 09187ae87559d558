"""What loggers hold of a whole run: its curves, what callbacks log, its scores and how it ended."""

from __future__ import annotations

import csv
import json

import pytest

from tests.front_door import frames_of, rows, summary, train
from triptych.loggers.wandb import FramesWandbLogger
from triptych.run.tracking import Tracking

TINY = [
    "stop_when_solved=false",
    "env=catch",
    "eval.episodes=2",
    "eval.period_frames=1000",
    "checkpoint.period_frames=400",
    "callbacks.metrics.period_frames=200",
    "algo.learning_starts_env_steps=200",
    "algo.env_steps_per_update=8",
    "trainer.num_threads=1",
    "logger=[wandb,tensorboard]",
    "logger.wandb.log_checkpoint=true",
    "+logger.mine={_target_:pytorch_lightning.loggers.CSVLogger,name:mine}",
]
WATCHING = "+callbacks.extra.watching={_target_:tests.watching_callback.Watching%s}"


def read_events(folder):
    """Read the curves that TensorBoard shows, as ``[(step, value)]`` by tag, and its tags of other kinds."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = reader.EventAccumulator(str(folder), size_guidance={reader.SCALARS: 0}).Reload()
    curves = {tag: [(event.step, event.value) for event in found.Scalars(tag)] for tag in found.Tags()["scalars"]}
    return curves, found.summary_metadata


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """Return the folder of a run that broke after its checkpoint and went on, and what wandb held at the two ends."""
    folder, ends = tmp_path_factory.mktemp("tracked") / "run", []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        close = FramesWandbLogger.close_run

        def close_run(logger, exit_code):
            ends.append({"config": dict(logger.experiment.config), "summary": dict(logger.experiment.summary)})
            close(logger, exit_code)

        patch.setattr(FramesWandbLogger, "close_run", close_run)
        arguments = [*TINY, "total_frames=3000", f"run_dir={folder}"]
        broken = train(*arguments, WATCHING % ",fail_at_frames:1700")
        assert broken.returncode == 1, broken.stdout + broken.stderr
        kept = rows(folder)
        result = train(*arguments, WATCHING % "")
        assert result.returncode == 0, result.stdout + result.stderr
        assert "last.ckpt" in result.stdout
        assert int(kept[-1]["frames"]) > 1200, "nothing was played after the checkpoint"
    return folder, ends


def test_scores_settings_and_the_end_are_in_the_summary_of_wandb(tracked):
    folder, (broken, finished) = tracked
    found = summary(folder)
    assert broken["summary"]["status"] == "failed"
    assert "as if it were killed" in broken["summary"]["error"]
    assert finished["summary"]["status"] == "finished"
    assert finished["summary"]["error"] == ""
    assert finished["summary"]["stop_reason"] == "total_frames"
    assert finished["summary"]["final/return_mean"] == pytest.approx(found["eval_return_mean"])
    assert finished["summary"]["final/return_std"] == pytest.approx(found["eval_return_std"])
    assert "final/video" in finished["summary"]
    config = finished["config"]
    names = [config[name] for name in ("algo_name", "env_name", "experiment", "protocol_name", "seed")]
    assert names == ["dqn", "catch", None, "none", 1]
    assert config["algo"]["learning_rate"] > 0
    assert config["identity"] == found["identity"]


def test_any_logger_gets_the_final_scores_and_what_callbacks_log(tracked):
    folder, _ = tracked
    with (folder / "mine" / "version_1" / "metrics.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    scores = [row for row in found if row["final/return_mean"]]
    assert [int(row["step"]) for row in scores] == [summary(folder)["frames"]]
    for name in ("mine/turn", "mine/evaluation"):
        values = [(int(row["step"]), float(row[name])) for row in found if row[name]]
        assert values
        assert all(step == value for step, value in values), name
    assert "learning_rate" in (folder / "mine" / "version_1" / "hparams.yaml").read_text()


def test_the_curves_of_tensorboard_are_those_of_the_metrics_file(tracked):
    folder, _ = tracked
    curves, metadata = read_events(folder / "tensorboard")
    for name in ("train/loss", "collect/return_mean", "eval/return_mean"):
        expected = [(int(row["frames"]), float(row[name])) for row in rows(folder) if row[name]]
        assert [step for step, _ in curves[name]] == [frames for frames, _ in expected]
        assert [value for _, value in curves[name]] == pytest.approx([value for _, value in expected], rel=1e-4)
    for name in ("mine/turn", "mine/evaluation"):
        steps = [step for step, _ in curves[name]]
        assert steps == sorted(set(steps))
        assert curves[name] == [(step, float(step)) for step in steps]
    assert [step for step, _ in curves["final/return_mean"]] == [summary(folder)["frames"]]
    assert any(tag.startswith("_hparams_") for tag in metadata)


def test_wandb_goes_on_with_the_rows_that_count(tracked):
    folder, _ = tracked
    lines = [json.loads(line) for line in (folder / "wandb" / "history.jsonl").read_text().splitlines()]
    cut = max(index for index, line in enumerate(lines) if "cut" in line)
    now = [
        line["frames"] for line in lines[:cut] if line.get("frames", 1e9) < lines[cut]["cut"] and "train/loss" in line
    ]
    now += [line["frames"] for line in lines[cut:] if "train/loss" in line]
    assert now == [frames for frames, row in zip(frames_of(folder), rows(folder), strict=True) if row["train/loss"]]


class Unwell:
    """A logger whose server is gone at the end."""

    def __init__(self):
        self.closed = None

    def log_hyperparams(self, params):
        pass

    def log_metrics(self, metrics, step=None):
        raise ConnectionError("no route to the server")

    def finalize(self, status):
        raise ConnectionError("no route to the server")

    def close_run(self, exit_code):
        self.closed = exit_code


def test_a_tracker_that_fails_at_the_end_costs_a_line_each_and_not_the_result():
    said, unwell = [], Unwell()
    fields = dict.fromkeys(("algo", "env", "protocol", "experiment", "identity", "git_commit"), "a")
    tracking = Tracking([unwell], {"seed": 1}, fields, lambda what, error: said.append(f"{what}: {error}"))
    tracking.begin()
    tracking.log_scores({"final/return_mean": 1.0}, frames=4)
    tracking.log_files(None, "best.ckpt", frames=4)
    tracking.close(0, status="finished")
    assert said == [f"Unwell.{name} failed: no route to the server" for name in ("log_metrics", "finalize")]
    assert unwell.closed == 0
