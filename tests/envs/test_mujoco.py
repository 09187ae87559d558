import sys
import warnings

import numpy as np
import pytest

from triptych.envs.gymnasium import Gymnasium
from triptych.types import ConfigurationError


def test_its_warnings_litter_neither_the_screen_nor_the_folder(tmp_path, monkeypatch, capfd):
    pytest.importorskip("mujoco", reason="HalfCheetah-v5 needs mujoco")
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        Gymnasium("HalfCheetah-v5", 2)  # its model has an attribute that MuJoCo 4 calls deprecated
    assert capfd.readouterr().err == ""
    assert list(tmp_path.iterdir()) == []


def test_a_renderer_that_cannot_be_loaded_is_told(monkeypatch):
    pytest.importorskip("mujoco", reason="Hopper-v5 needs mujoco")
    for name in [name for name in sys.modules if name.partition(".")[0] == "mujoco"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setenv("MUJOCO_GL", "crayons")
    with pytest.raises(ConfigurationError, match="MUJOCO_GL=crayons"):
        Gymnasium("Hopper-v5", 1)


def test_physics_that_explode_are_told():
    mujoco = pytest.importorskip("mujoco", reason="Hopper-v5 needs mujoco")
    game = Gymnasium("Hopper-v5", 1)
    game.reset(np.array([1]), np.ones(1, bool))
    data = game._envs.envs[0].unwrapped.data
    data.qvel[:] = np.nan
    with pytest.warns(RuntimeWarning, match="MuJoCo"):
        mujoco.mj_step(game._envs.envs[0].unwrapped.model, data)
