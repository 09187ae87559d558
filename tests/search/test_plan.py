"""What a search may try is read from a file that may hold anything."""

from __future__ import annotations

import pytest
import yaml

from tests.front_door import ROOT
from triptych.search.plan import Dimension, read_plan
from triptych.types import ConfigurationError

SWEEPS = sorted((ROOT / "conf" / "sweep").glob("optuna_*.yaml"))
GOOD = {
    "overrides": ["algo=dqn"],
    "num_trials": 2,
    "seeds": [1],
    "sampler_seed": 1,
    "random_trials": 1,
    "space": {"algo.learning_rate": {"low": "1e-5", "high": 0.01, "log": True}},
}


def read(tmp_path, changes=None, **keys):
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(GOOD | keys))
    return read_plan(path, changes or {})


def test_a_plan_has_ranges_and_choices(tmp_path):
    space = {"a": {"low": 1, "high": 5}, "b": {"choices": [True, "x"]}, "c": {"low": 0.5, "high": 2, "log": True}}
    plan = read(tmp_path, {"num_trials": 7}, space=space)
    assert plan.num_trials == 7
    assert plan.prune_after_trials is None
    assert plan.space == {"a": Dimension((), 1, 5), "b": Dimension((True, "x")), "c": Dimension((), 0.5, 2.0, True)}
    assert [plan.space[key].is_whole for key in "ac"] == [True, False]
    assert read(tmp_path).space["algo.learning_rate"].low == 1e-5  # which YAML takes for a text


@pytest.mark.parametrize(
    ("keys", "changes", "words"),
    [
        ({"num_trials": 0}, {}, "search.num_trials=0"),
        ({}, {"num_trials": 1.5}, "search.num_trials=1.5"),
        ({"seeds": []}, {}, "search.seeds=[]"),
        ({"seeds": [1, 1]}, {}, "a seed twice"),
        ({}, {"seeds": [1, 99999999999]}, "whole numbers from 0 to 2,147,483,647"),
        ({}, {"folder": 7}, "search.folder=7"),
        ({}, {"num_trial": 3}, "search.num_trial is not a key"),
        ({}, {"space": 3}, "search.space"),
        ({"space": {}}, {}, "space={}"),
        ({"space": {"a": 3}}, {}, "space.a=3"),
        ({"space": {"a": {"low": 1}}}, {}, "low and high take a number each"),
        ({"space": {"a": {"low": 2, "high": 1}}}, {}, "low is below high"),
        ({"space": {"a": {"low": 0, "high": 1, "log": True}}}, {}, "above 0"),
        ({"space": {"a": {"low": "x", "high": 1}}}, {}, "a number each"),
        ({"space": {"a": {"choices": []}}}, {}, "a list of values"),
        ({"space": {"a": {"choices": [1], "low": 1}}}, {}, "stands alone"),
        ({"space": {"a": {"lo": 1, "high": 2}}}, {}, "takes choices, or low and high"),
        ({"overrides": "algo=dqn"}, {}, "a list of texts"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(keys, changes, words, tmp_path):
    with pytest.raises(ConfigurationError) as told:
        read(tmp_path, changes, **keys)
    assert words in str(told.value)
    assert "\n" not in str(told.value)


def test_a_whole_number_may_be_written_with_an_exponent(tmp_path):
    assert read(tmp_path, {"num_trials": 1e1}).num_trials == 10


def test_a_file_that_is_none_is_told(tmp_path):
    for text in ("[", "[1]", "a: *b", "num_trials: 3\n"):
        (tmp_path / "bad.yaml").write_text(text)
        with pytest.raises(ConfigurationError, match=r"bad\.yaml"):
            read_plan(tmp_path / "bad.yaml", {})


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_the_shipped_searches_are_read(path):
    assert read_plan(path, {}).space


def test_each_panel_has_a_search():
    algos = {read_plan(path, {}).overrides[0] for path in SWEEPS}
    assert algos == {"algo=dqn", "algo=ppo", "algo=muzero"}
