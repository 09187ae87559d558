import sys

import pytest

from triptych.envs.extras import EXTRAS, require_extra
from triptych.envs.gymnasium import Gymnasium
from triptych.types import ConfigurationError

IDS = {
    "Walker2d-v5": "mujoco",
    "HalfCheetah-v4": "mujoco",
    "BipedalWalker-v3": "box2d",
    "minigrid:MiniGrid-Empty-5x5-v0": "minigrid",
    "DoomBasic-v0": "vizdoom",
    "gymnasium_robotics:FetchReach-v4": "robotics",
    "Recommender-v0": "recommender",
}


@pytest.mark.parametrize("env_id", IDS)
def test_a_missing_extra_is_told_without_importing_anything(env_id, monkeypatch):
    (extra,) = [extra for extra in EXTRAS if extra.name == IDS[env_id]]
    monkeypatch.setitem(sys.modules, extra.module, None)
    for check in (require_extra, lambda env_id: Gymnasium(env_id, 1)):
        with pytest.raises(ConfigurationError) as error:
            check(env_id)
        assert str(error.value).startswith(f"env.id={env_id} needs {extra.title}")
        assert str(error.value).endswith(f'pip install -e ".[{extra.name}]"')


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", "NoSuchGame-v9", "nosuchpackage:Game-v0"])
def test_other_ids_need_no_extra(env_id, monkeypatch):
    for extra in EXTRAS:
        monkeypatch.setitem(sys.modules, extra.module, None)
    require_extra(env_id)
