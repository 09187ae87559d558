"""Every algorithm composes with every kind of environment, and every keyword has a parameter to go to."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import get_class, get_method
from omegaconf import OmegaConf

from triptych.config import register_games
from triptych.envs.atari import UNPLAYABLE, games
from triptych.rules import check_values, leaves, rule_of

CONF = Path(__file__).resolve().parents[1] / "conf"
ALGOS = sorted(path.stem for path in (CONF / "algo").glob("*.yaml"))
ENVS = ["pong", "breakout", "ms_pacman", "cartpole", "catch", "hopper", "lunar_lander_continuous", "labyrinth_pixels"]
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
PROTOCOLS = ["nature", "machado", "atari100k"]


@pytest.fixture(autouse=True)
def hydra_is_ready():
    register_games(CONF)
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def targets(node):
    if isinstance(node, dict):
        if "_target_" in node:
            yield node
        for value in node.values():
            yield from targets(value)


def assert_binds(config):
    for node in targets(config):
        target = node["_target_"]
        called = get_class(target) if target.rpartition(".")[2][0].isupper() else get_method(target)
        known = set()
        for part in [called, *(called.__mro__ if inspect.isclass(called) else ())]:
            known |= set(inspect.signature(part).parameters)
        unknown = set(node) - {"_target_"} - known
        assert not unknown, f"{target} has no parameter {unknown}"


@pytest.mark.parametrize("env", ENVS)
@pytest.mark.parametrize("algo", ALGOS)
def test_every_algorithm_composes_with_every_kind_of_env(algo, env):
    cfg = compose("train", overrides=[f"algo={algo}", f"env={env}"])
    check_values(cfg)
    assert_binds(OmegaConf.to_container(cfg, resolve=True))


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_composes(experiment):
    cfg = compose("train", overrides=[f"experiment={experiment}"])
    check_values(cfg)
    assert_binds(OmegaConf.to_container(cfg, resolve=True))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_writes_every_preprocessing_key_out(protocol):
    cfg = compose("train", overrides=["env=pong", f"protocol={protocol}"])
    check_values(cfg)
    from triptych.envs.atari import Atari

    parameters = set(inspect.signature(Atari).parameters)
    assert set(cfg.env) - {"_target_"} == parameters


@pytest.mark.parametrize("path", sorted(CONF.glob("*/*.yaml")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_option_can_be_chosen(path):
    group, name = path.parent.name, path.stem
    extra = {"atari": ["env.game=pong"], "gym": ["env.id=Acrobot-v1"]}.get(name, [])
    if group == "tuned":
        algo, _, env = name.partition("-")
        overrides = [f"algo={algo}", f"env={env}"]
    elif group == "protocol" and name == "none":
        overrides = ["env=catch"]
    else:
        overrides = [f"{group}={name}", *extra]
    check_values(compose("train", overrides=overrides))


@pytest.mark.parametrize("algo", ALGOS)
def test_every_number_and_flag_has_a_rule(algo):
    for env in ("pong", "cartpole", "labyrinth_multiroom"):
        cfg = compose("train", overrides=[f"algo={algo}", f"env={env}", "logger=wandb"])
        for key, value in leaves(OmegaConf.to_container(cfg, resolve=True)):
            if isinstance(value, int | float):
                assert rule_of(key) is not None, f"no rule says what {key} may be"


def test_every_playable_rom_is_an_env():
    assert len(games()) == 104
    assert not UNPLAYABLE & set(games())
    for game in games():
        assert compose("train", overrides=[f"env={game}"]).env.game == game


def test_all_atari_games_share_one_set_of_hyperparameters():
    def algo_of(game):
        return OmegaConf.to_container(compose("train", overrides=[f"env={game}"]).algo, resolve=True)

    assert algo_of("pong") == algo_of("breakout") == algo_of("montezuma_revenge")


def test_a_tuned_patch_follows_the_pair():
    assert compose("train", overrides=["env=catch"]).total_frames == 40_000
    assert compose("train", overrides=["env=pong"]).total_frames == 10_000_000
    assert compose("train", overrides=["env=catch", "total_frames=123"]).total_frames == 123


def test_schedules_have_horizons_of_their_own():
    short = compose("train", overrides=["env=pong", "total_frames=1000"])
    long = compose("train", overrides=["env=pong", "total_frames=50000000"])
    assert short.algo == long.algo
