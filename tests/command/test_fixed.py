"""Overrides of one value each, written as an experiment."""

from __future__ import annotations

import pytest
import yaml

from tests.front_door import ROOT
from triptych.command.compose import compose_jobs
from triptych.command.fixed import as_override, experiment_text, parse_fixed
from triptych.types import ConfigurationError

CONF = ROOT / "conf"
OVERRIDES = [
    "algo=dqn", "env=catch", "logger=csv", "callbacks.video=false", "seed=3", "total_frames=5000",
    "algo.learning_rate=0.00001", "algo.double_q=true", "eval.episodes=20", "++algo.network.hidden_sizes=[32,32]",
]  # fmt: skip


def test_an_experiment_composes_to_what_the_overrides_compose_to(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "found.yaml").write_text(experiment_text(OVERRIDES, "The best\nof all"))
    text = (tmp_path / "experiment" / "found.yaml").read_text()
    assert text.startswith("# @package _global_\n# The best\n# of all\n")
    assert not {"logger", "callbacks", "seed"} & yaml.safe_load(text).keys()
    watched = ["logger=csv", "callbacks.video=false", "seed=3"]
    (by_file,) = compose_jobs([f"--config-dir={tmp_path}", "experiment=found", *watched], CONF)
    (by_line,) = compose_jobs(OVERRIDES, CONF)
    assert by_file.cfg == by_line.cfg
    assert (by_file.choices["algo"], by_file.choices["env"]) == ("dqn", "catch")


def test_an_experiment_may_build_on_another(tmp_path):
    (tmp_path / "experiment").mkdir()
    overrides = ["experiment=pong_fast", "algo.batch_size=64", "algo.n_step=2"]
    (tmp_path / "experiment" / "found.yaml").write_text(experiment_text(overrides, ""))
    (by_file,) = compose_jobs([f"--config-dir={tmp_path}", "experiment=found"], CONF)
    (by_line,) = compose_jobs(overrides, CONF)
    assert by_file.cfg == by_line.cfg


@pytest.mark.parametrize("override", ["seed=1,2", "~algo.double_q", "hydra.sweep.dir=x", "a", "algo.x=interval(1,2)"])
def test_what_has_not_one_value_is_refused(override):
    with pytest.raises(ConfigurationError) as told:
        parse_fixed([override])
    assert override in str(told.value)


@pytest.mark.parametrize("value", [1, 1e-05, 0.1, True, "nature", "a b", "it's", "a\\", "x,y", "${b}"])
def test_a_plain_value_is_read_as_it_was_written(value):
    text = yaml.safe_load(experiment_text([as_override("algo.key", value)], ""))
    assert text["algo"]["key"] == value
    assert type(text["algo"]["key"]) is type(value)
