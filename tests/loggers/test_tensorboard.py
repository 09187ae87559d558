"""Lightning's own TensorBoard logger, as conf/logger/tensorboard.yaml makes it."""

from pathlib import Path

import lightning_fabric.loggers.tensorboard as fabric
import pytest
from omegaconf import OmegaConf
from pytorch_lightning.loggers import Logger

from triptych.build import make
from triptych.types import ConfigurationError

NODE = Path(__file__).resolve().parents[2] / "conf" / "logger" / "tensorboard.yaml"


def make_logger(folder):
    about = {"run_dir": str(folder), "save_dir": str(folder), "config": {"seed": 1}, "write_line": print}
    return make(OmegaConf.load(NODE).tensorboard, "logger.tensorboard", Logger, **about)


def test_tensorboard_writes_into_the_folder(tmp_path):
    pytest.importorskip("tensorboard")
    logger = make_logger(tmp_path)
    logger.log_metrics({"frames": 4, "train/loss": 0.5}, step=4)
    logger.finalize("success")
    assert list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))


def test_a_missing_tensorboard_is_told_with_the_way_to_get_it(tmp_path, monkeypatch):
    for name in ("_TENSORBOARD_AVAILABLE", "_TENSORBOARDX_AVAILABLE"):
        monkeypatch.setattr(fabric, name, False)
    with pytest.raises(ConfigurationError, match=r"^logger\.tensorboard .*\[tensorboard\]") as error:
        make_logger(tmp_path)
    assert "pip install -c requirements.lock -e" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_what_came_after_the_checkpoint_does_not_show(tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    first = make_logger(tmp_path)
    for step in (2, 4, 6, 8):
        first.log_metrics({"train/loss": 1.0}, step=step)
    first.experiment.flush()  # and killed
    second = make_logger(tmp_path)
    second.save()  # as Lightning does before training
    second.go_on_from(5)
    for step in (5, 7):
        second.log_metrics({"train/loss": 2.0}, step=step)
    second.finalize("success")
    second.log_hyperparams({"algo": {"learning_rate": 0.1}, "none": None}, {"final/return_mean": 3.0}, step=7)
    second.finalize("success")
    found = reader.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in found.Scalars("train/loss")] == [(2, 1), (4, 1), (5, 2), (7, 2)]
    assert [(event.step, event.value) for event in found.Scalars("final/return_mean")] == [(7, 3)]
    assert "hp_metric" not in found.Tags()["scalars"]
