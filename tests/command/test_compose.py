"""Every algorithm composes with every kind of environment, and every option can be chosen."""

from __future__ import annotations

import inspect

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from tests.front_door import ROOT, train
from triptych.command.check import check_job
from triptych.command.compose import bases_of, compose_config, compose_jobs, for_sweeper, register_options
from triptych.envs.atari import UNPLAYABLE, Atari, games
from triptych.types import ConfigurationError

CONF = ROOT / "conf"
ALGOS = sorted(path.stem for path in (CONF / "algo").glob("*.yaml"))
ENVS = ["pong", "cartpole", "catch", "hopper", "lunar_lander_continuous", "labyrinth_pixels"]
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
OPTIONS = sorted(path for path in CONF.glob("*/*.yaml") if path.parent.name != "sweep")  # of scripts/search.py
PROTOCOLS = ["nature", "machado", "atari100k"]


@pytest.fixture(autouse=True)
def hydra_is_ready():
    register_options(CONF)
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def composed(*overrides):
    return compose_config(list(overrides), CONF)


def algo_of(*overrides):
    return OmegaConf.to_container(composed(*overrides).algo, resolve=True)


@pytest.mark.parametrize("env", ENVS)
@pytest.mark.parametrize("algo", ALGOS)
def test_every_algorithm_composes_with_every_kind_of_env(algo, env):
    check_job(composed(f"algo={algo}", f"env={env}"))


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_composes(experiment):
    check_job(composed(f"experiment={experiment}"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_writes_every_preprocessing_key_out(protocol):
    cfg = composed("env=pong", f"protocol={protocol}")
    check_job(cfg)
    assert set(cfg.env) - {"_target_"} == set(inspect.signature(Atari).parameters)


@pytest.mark.parametrize("path", OPTIONS, ids=lambda path: f"{path.parent.name}/{path.stem}")
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
    check_job(composed(*overrides))


@pytest.mark.parametrize("path", sorted((CONF / "algo").glob("*.yaml")), ids=lambda path: path.stem)
def test_no_algorithm_repeats_a_setting_under_a_second_key(path):
    assert "${algo." not in path.read_text()


def test_every_playable_rom_is_an_env():
    playable = games()
    assert {"pong", "breakout", "space_invaders", "montezuma_revenge", "seaquest"} <= set(playable)
    assert not UNPLAYABLE & set(playable)
    for game in ("ms_pacman", "montezuma_revenge", playable[0], playable[len(playable) // 2], playable[-1]):
        assert compose("train", overrides=[f"env={game}"]).env.game == game


def test_all_atari_games_share_one_set_of_hyperparameters():
    assert algo_of("env=pong") == algo_of("env=breakout") == algo_of("env=montezuma_revenge")


def test_a_tuned_patch_follows_the_pair():
    assert composed("env=catch").total_frames == 40_000
    assert composed("env=pong").total_frames == 10_000_000
    assert composed("env=catch", "total_frames=123").total_frames == 123


@pytest.mark.parametrize(
    ("preset", "own"),
    [("double_dqn", {"double_q": True}), ("dueling_dqn", {"dueling": True})],
)
@pytest.mark.parametrize("env", ["catch", "cartpole"])
def test_a_preset_takes_the_tuned_numbers_of_its_base(preset, own, env):
    assert bases_of(preset, [CONF]) == ["dqn"]
    base = composed("algo=dqn", f"env={env}")
    found = composed(f"algo={preset}", f"env={env}")
    assert base.algo != composed("algo=dqn", "env=pong").algo
    assert OmegaConf.to_container(found.algo) == OmegaConf.to_container(base.algo) | own
    for key in ("total_frames", "eval", "checkpoint", "callbacks"):
        assert found[key] == base[key]


def test_a_preset_with_tuned_numbers_of_its_own_keeps_them():
    tuned = OmegaConf.load(CONF / "tuned" / "prioritized_dqn-catch.yaml").algo.replay.importance_anneal_env_steps
    assert composed("algo=prioritized_dqn", "env=catch").algo.replay.importance_anneal_env_steps == tuned
    assert composed("algo=dqn", "env=catch").algo.replay.importance_anneal_env_steps != tuned


def test_schedules_have_horizons_of_their_own():
    short = composed("env=pong", "total_frames=1000")
    long = composed("env=pong", "total_frames=50000000")
    assert short.algo == long.algo


def test_every_job_of_an_experiment_that_sweeps_is_composed():
    jobs = compose_jobs(["-m", "experiment=stability", "env=pong"], CONF)
    assert {(job.cfg.algo.replay.capacity_env_steps, job.cfg.algo.target_network, job.cfg.seed) for job in jobs} == {
        (capacity, target, seed) for capacity in (1_000_000, None) for target in (True, False) for seed in (1, 2, 3)
    }
    assert {job.choices["env"] for job in jobs} == {"pong"}
    assert len(jobs) == 12


def test_wandb_gets_the_tags_and_the_name_of_the_task():
    cfg = composed("env=catch", "tags=[a,b]", "task_name=trial")
    check_job(cfg)
    logger = OmegaConf.to_container(cfg, resolve=True)["logger"]["wandb"]
    assert (logger["tags"], logger["group"]) == (["a", "b"], "trial")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("algo:\n  learning_rate: 1e-3\n", "must begin with the line `# @package _global_`"),
        ("", "must begin with the line `# @package _global_`"),
        (
            "# @package _global_\ndefaults:\n  - /algo: ppo\n",
            "choose algo a second time; write `override /algo",
        ),
        ("# @package _global_\nalgo:\n  - one\n", "'experiment/mine' cannot be composed"),
        ("# @package _global_\nalgo:\n  learning_rate: ${algo.lr}\n", r"algo.learning_rate=${algo.lr} cannot be"),
        ("# @package _global_\ndefaults:\n  - mine\n", "the defaults of one of these files lead back"),
        ("# @package _global_\ntask_name: \udcff\n", "one of these files is no text in UTF-8"),
    ],
)
def test_what_is_wrong_with_a_file_of_ones_own_is_told(text, sentence, tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_bytes(text.encode(errors="surrogateescape"))
    result = train(f"--config-dir={tmp_path}", "env=catch", "experiment=mine", "logger=csv", cwd=tmp_path)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_environments_file_says_how_many_there_are(tmp_path):
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "mine.yaml").write_text("_target_: gymnasium.make\nid: CartPole-v1\n")
    result = train(f"--config-dir={tmp_path}", "env=mine", cwd=tmp_path)
    assert result.returncode == 2
    assert "begin the file of an env of your own with `defaults: [gym, _self_]`" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("sweep", "sentence"),
    [
        (["algo=dqn,q_learning", "algo.n_step=2"], "algo=q_learning: algo.n_step is not a key"),
        (["algo=q_learning,dqn", "algo.n_step=2"], "algo=q_learning: algo.n_step is not a key"),
        (["env=pong,catch", "seed=1,2", "algo.no_such=2"], "algo.no_such is not a key"),  # in none of them
        (["env=pong,no_such", "seed=1"], "env=no_such is not an option"),  # named already
    ],
)
def test_what_is_wrong_with_some_jobs_of_a_sweep_names_them(sweep, sentence):
    with pytest.raises(ConfigurationError) as error:
        compose_jobs(["-m", *sweep], CONF)
    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize(
    ("sweep", "num_jobs"),
    [
        (["algo=sac", "env=glob(fetch_*)", "env.use_processes=true"], 4),
        (["algo=glob(*ppo)", "env=cartpole", "algo.rollout_length=32"], 2),
        (["algo=glob(boot*)", "env=catch"], 1),
    ],
)
def test_a_pattern_is_composed_with_each_option_that_it_stands_for(sweep, num_jobs):
    jobs = compose_jobs(["-m", *sweep], CONF)
    assert len(jobs) == num_jobs
    group = "env" if sweep[0] == "algo=sac" else "algo"
    assert all(job.choices[group] not in ("pong", "dqn") for job in jobs)
    for job in jobs:
        check_job(job.cfg)


def test_a_key_of_an_algorithm_is_left_to_the_jobs_where_experiments_are_swept():
    arguments = ["-m", "experiment=a,b", "algo.rollout_length=16", "hydra.sweep.dir=x"]
    expected = ["-m", "experiment=a,b", "algo.rollout_length=choice(16)", "hydra.sweep.dir=x"]
    assert for_sweeper(arguments) == expected


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("hydra.sweep.dir=a,b", "Hydra's own settings take one value"),
        ("hydra/launcher=basic,joblib", "Hydra's own settings take one value"),
        ("debug=[tiny]", "debug takes one name"),
        ("experiment=[fast,pong_fast]", "experiment takes one name"),
    ],
)
def test_what_a_sweep_or_a_group_cannot_take_is_told_before_it_starts(override, words):
    with pytest.raises(ConfigurationError, match=words):
        compose_jobs(["-m", "seed=1,2", override], CONF)


@pytest.mark.parametrize("algo", ["rainbow", "data_efficient_rainbow", "bootstrapped_dqn"])
@pytest.mark.parametrize("env", ["catch", "cartpole"])
def test_who_explores_by_noise_or_by_heads_has_no_random_actions_with_tuned_numbers_either(algo, env):
    found = algo_of(f"algo={algo}", f"env={env}")
    assert (found["epsilon_start"], found["epsilon_end"]) == (0.0, 0.0)


@pytest.mark.parametrize("algo", ["td3", "ddpg", "crossq", "sac"])
@pytest.mark.parametrize("debug", ["tiny", "fdr", "limit", "profiler", "overfit"])
def test_what_a_tuned_file_has_for_some_algorithms_is_left_out_in_debugging_too(algo, debug):
    check_job(composed(f"algo={algo}", "env=fetch_reach", f"debug={debug}"))
