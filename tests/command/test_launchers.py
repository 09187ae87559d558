"""How many jobs share a machine."""

from __future__ import annotations

import os

import pytest

from tests.front_door import ROOT
from triptych.command.compose import register_options
from triptych.command.launchers import count_jobs, num_side_by_side


@pytest.mark.parametrize(
    ("launcher", "n_jobs", "num_jobs", "expected"),
    [
        ("basic", None, 8, 1),
        (None, None, 1, 1),
        ("joblib", 2, 8, 2),
        ("joblib", 4, 3, 3),
        ("joblib", -1, 9, 4),
        ("joblib", -2, 9, 3),
        ("joblib", None, 9, 4),
        ("joblib", 3, None, 3),
        ("joblib", -9, 9, 1),
        ("submitit_local", None, 5, 5),
        ("submitit_local", None, None, 1),
        ("submitit_slurm", None, 5, 1),
    ],
)
def test_jobs_side_by_side(launcher, n_jobs, num_jobs, expected, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
    assert num_side_by_side(launcher, n_jobs, num_jobs) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["env=catch"], 1),
        (["-m", "env=catch"], 1),
        (["-m", "env=catch,cartpole", "seed=range(1,4)"], 6),
        (["-m", "seed=1,2", "seed=1,2,3"], 3),
        (["-m", "algo=glob(d*_dqn)"], 2),
        (["-m", "seed=interval(1,3)", "hydra/sweeper=basic"], None),
        (["-m", "experiment=stability"], 24),
        (["-m", "experiment=stability", "env=pong", "seed=1,2"], 8),
        (["experiment=stability"], 1),
    ],
)
def test_jobs_are_counted_before_they_start(arguments, expected):
    register_options(ROOT / "conf")
    assert count_jobs(arguments, ROOT / "conf") == expected
