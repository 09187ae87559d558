"""Bad input on the real command line: one sentence, no traceback, a non-zero exit code, nothing started."""

from __future__ import annotations

import os
import re
import sys
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.front_door import ROOT, Result, start, train
from triptych.build import make_game_factory, make_spec
from triptych.command.check import CLASSES, CONSTRUCTORS, GIVEN, Protocol, TopLevel, check_job
from triptych.command.compose import compose_jobs, register_options
from triptych.command.signatures import allows, find, signature_of
from triptych.loggers.wandb import make_wandb_logger
from triptych.networks.action_scale import ALL_ACTIONS
from triptych.provenance.identity import leaves
from triptych.types import ConfigurationError, EnvSpec

CONF = ROOT / "conf"

CASES = {
    "misspelt env": (["env=pnog"], ["env=pnog", "pong"]),
    "misspelt algo": (["algo=dqm"], ["algo=dqm", "dqn"]),
    "misspelt experiment": (["experiment=pong_fats"], ["pong_fast"]),
    "misspelt protocol": (["protocol=natur"], ["nature"]),
    "a folder before a name": (["algo=../algo/dqn"], ["algo=../algo/dqn is not allowed", "without a folder"]),
    "a plus before a key": (["+algo.batch_size=3"], ["+algo.batch_size=... cannot be added", "leave out the +"]),
    "a plus before a key at the top": (["+seed=3"], ["+seed=... cannot be added: seed is a key already"]),
    "the text of a number": (
        ["seed='3'"],
        ["seed=3 is not allowed", "This is a text", "seed='${oc.decode:${oc.env:NAME}}'"],
    ),
    "half an interpolation": (["task_name='a\\${b}'"], ["task_name=a${b} is not allowed: a text holds no ${."]),
    "a module without a name": (["env=gym", "env.id=':Catch-v0'"], ["env.id=:Catch-v0", "before the colon"]),
    "misspelt key": (["algo.batchsize=3"], ["algo.batchsize", "algo.batch_size"]),
    "misspelt key at the top": (["total_frame=3"], ["total_frame", "total_frames"]),
    "key in the wrong place": (["batch_size=3"], ["batch_size", "algo.batch_size"]),
    "negative seed": (["seed=-1"], ["seed=-1", "from 0"]),
    "no frames": (["total_frames=0"], ["total_frames=0", "from 1"]),
    "no envs": (["env.num_envs=0"], ["env.num_envs=0", "from 1"]),
    "text for a number": (["algo.batch_size=many"], ["algo.batch_size=many", "a whole number"]),
    "fraction for a count": (["algo.n_step=1.5"], ["algo.n_step=1.5", "a whole number"]),
    "number for a flag": (["algo.double_q=3"], ["algo.double_q=3", "true or false"]),
    "unknown storage": (["algo.replay.storage=tape"], ["algo.replay.storage=tape", "memory", "disk", "device"]),
    "unknown precision": (["trainer.precision=half"], ["trainer.precision=half", "auto"]),
    "epsilon above one": (["algo.epsilon_end=1.5"], ["algo.epsilon_end=1.5", "from 0 to 1"]),
    "gradients clipped to nothing": (["algo.max_grad_norm=0"], ["algo.max_grad_norm=0", "a number from"]),
    "an infinite rate": (["algo.learning_rate=inf"], ["algo.learning_rate=inf", "a number from"]),
    "more envs than any machine has": (["env.num_envs=100000"], ["env.num_envs=100000", "from 1 to 10,000"]),
    "no learning": (["algo.learning_rate=0"], ["algo.learning_rate=0", "a number from"]),
    "a number for the node of one's own callbacks": (["callbacks.extra=3"], ["callbacks.extra=3 is not allowed"]),
    "a number for a group": (["trainer=5"], ["trainer=5: a group takes one name"]),
    "a key that nobody has": (
        ["task_name=${nothing}"],
        ["task_name=${nothing} cannot be resolved", "'nothing' not found"],
    ),
    "a key that is itself": (["seed=${seed}"], ["seed=${seed} cannot be resolved"]),
    "a list for a node": (["algo.replay=[1]"], ["algo.replay=[1] is not allowed: algo.replay is a node of keys"]),
    "misspelt node of one's own callbacks": (["+callbacks.extras.a=1"], ["callbacks.extras is not a key"]),
    "no folder": (["run_dir="], ["run_dir", "a text"]),
    "a home of nobody": (["run_dir=~nobody-here/run"], ["~nobody-here/run", "home"]),
    "an average that never moves": (
        ["algo.weight_average_decay=1"],
        ["algo.weight_average_decay=1", "from 0 to less than 1"],
    ),
    "a list for a group": (["env=[pong]"], ["env=[pong]", "one name"]),
    "a group of patches": (["env=cartpole", "tuned=nonsense"], ["tuned=nonsense", "override single keys"]),
    "a sweep over nothing": (["-m", "seed=range(0)"], ["seed=range(0)", "no value"]),
    "a sweep over a pattern that finds nothing": (["-m", "seed=glob(*)"], ["seed=glob(*)", "no value at all"]),
    "a sweep over options that are not there": (["-m", "algo=glob(x*)"], ["algo=glob(x*)", "no value at all"]),
    "a sweep over an interval": (["-m", "seed=interval(1,3)"], ["seed=interval(1,3)", "hydra/sweeper"]),
    "a bad value in a sweep over a pattern": (["-m", "env=glob(c*)", "seed=-1"], ["seed=-1", "from 0"]),
    "one folder for a sweep over a pattern": (
        ["-m", "env=glob(c*)", "run_dir=one"],
        ["run_dir=one", "leave run_dir out"],
    ),
    "replay below the batch": (
        ["algo.replay.capacity_env_steps=16"],
        ["algo.replay.capacity_env_steps=16", "algo.batch_size=32"],
    ),
    "unplayable rom": (["env=combat"], ["env=combat", "another game"]),
    "protocol off Atari": (["env=cartpole", "protocol=machado"], ["protocol=machado", "none"]),
    "no protocol on Atari": (["env=pong", "protocol=none"], ["protocol=none", "nature"]),
    "no logger": (["logger=null"], ["logger"]),
    "a group taken away": (["~algo"], ["algo"]),
    "an interpolation to nowhere": (["seed=${nokey}"], ["nokey"]),
    "no threads": (["trainer.num_threads=0"], ["trainer.num_threads=0", "auto"]),
    "missing id": (["env=gym"], ["env.id"]),
    "several values without -m": (["seed=1,2"], ["seed=1,2", "-m"]),
    "one folder for a sweep": (["-m", "seed=1,2", "run_dir=somewhere"], ["run_dir"]),
    "one folder for a sweep over algorithms": (["-m", "algo=dqn,a2c", "run_dir=${seed}"], ["run_dir=1"]),
    "a key taken away": (["~env.num_envs"], ["env.num_envs", "left out"]),
    "the folder taken away": (["~run_dir"], ["run_dir", "left out"]),
    "a key taken away that is null": (["~ckpt_path"], ["~ckpt_path", "left out"]),
    "a key taken away that nobody has": (["~nothing"], ["nothing is not a key"]),
    "a misspelt key taken away": (["~algo.n_ste"], ["algo.n_ste is not a key; did you mean algo.n_step"]),
    "another value taken away": (["seed=2", "~seed=3"], ["The value of 'seed' is 2 and not 3."]),
    "a number for a node": (["eval=5"], ["eval=5", "a node of keys", "eval.period_frames=..."]),
    "a number for the replay": (["algo=dqn", "algo.replay=5"], ["algo.replay=5", "a node of keys"]),
    "a list for the replay": (["algo=dqn", "algo.replay=[5]"], ["algo.replay=[5]", "algo.replay.name=value"]),
    "a node for a list": (["tags={a:1}"], ["tags={a:1}", "is a list", "tags=[value]"]),
    "a flag of callbacks that is none": (["callbacks.metrics=false"], ["callbacks.metrics=false", "a node of keys"]),
    "the configuration of an unknown game": (["--cfg", "job", "env=pongg"], ["env=pongg", "pong"]),
    "the configuration of a sweep": (["--cfg", "job", "-m", "seed=1,2"], ["--cfg and -m", "leave one out"]),
    "nothing for a node": (["checkpoint=null"], ["checkpoint.period_frames", "left out"]),
    "a number for an id": (["env=gym", "env.id=5"], ["env.id=5", "a text"]),
    "nothing for an experiment": (["experiment=null"], ["experiment=null"]),
    "a new key": (["+algo.foo=1"], ["algo.foo is not a key of algo", "triptych.algos.dqn.DQN"]),
    "a new key at the top": (["+foo=1"], ["foo is not a key"]),
    "a misspelt key, forced": (["++algo.lerning_rate=1"], ["algo.lerning_rate", "algo.learning_rate"]),
    "a keyword that no constructor has": (["env=catch", "+env.foo=1"], ["env.foo is not a key of env"]),
    "an experiment of another algorithm": (
        ["experiment=pong_fast", "algo=ppo"],
        ["is not a key of algo", "triptych.algos.ppo.PPO"],
    ),
    "a key of another env": (["env=cartpole", "env.full_action_space=true"], ["env.full_action_space is not a key"]),
    "a renamed protocol": (["protocol.name=machado"], ["protocol.name=machado", "protocol=..."]),
    "misspelt choice in a sweep": (["-m", "algo=dqn,dqm"], ["dqm", "dqn"]),
    "a misspelt key of a network": (["algo.network.tosro=nature"], ["algo.network.tosro", "algo.network.torso"]),
    "an unknown torso": (["algo.network.torso=resnet"], ["torso=resnet", "nature, nips, data_efficient, impala, "]),
    "a number for sizes": (["algo.network.hidden_sizes=64"], ["algo.network.hidden_sizes=64", "a list"]),
    "a layer of no units": (["algo.network.hidden_sizes=[64,0]"], ["[64, 0]", "a whole number from 1"]),
    "a name for a network": (["+algo.network=impala"], ["algo.network=impala", "algo.network.torso=..."]),
    "a network that is not there": (["algo.network._target_=no.such.Torso"], ["no.such.Torso", "cannot be imported"]),
    "a network of one's own beside a torso by its name": (
        ["experiment=fast", "env=pong", "algo.network._target_=torch.nn.Linear"],
        ["algo.network.torso=nips", "~algo.network.torso"],
    ),
    "a network of a planner": (
        ["algo=muzero", "algo.network.torso=impala"],
        ["algo.network does not fit", "MuZero"],
    ),
    "sizes without their node": (["algo.hidden_sizes=[64]"], ["algo.hidden_sizes", "algo.network.hidden_sizes"]),
    "unreadable override": (["algo.batch_size"], ["algo.batch_size"]),
    "a range among values": (["-m", "seed=range(1,3),7"], ["seed=range(1,3),7 is not allowed", "as seed=1,2,7"]),
    "a range without a step": (["-m", "seed=range(1,10,0)"], ["seed=range(1,10,0)", "a step other than 0"]),
    "a range too long": (["-m", "seed=range(1,1e9)"], ["seed=range(1,1000000000) stands for 999,999,999 values"]),
    "what a file of Hydra's sweeps": (
        ["-m", "hydra.sweeper.params.seed=1,2"],
        ["hydra.sweeper.params.seed=1,2", "-m key=1,2"],
    ),
    "a launcher as a key": (["hydra.launcher=joblib"], ["hydra.launcher=joblib", "hydra/launcher=..."]),
    "no processes": (["-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=0"], ["n_jobs=0", "other than 0"]),
    "no jobs at a time": (["-m", "seed=1,2", "hydra.sweeper.max_batch_size=0"], ["max_batch_size=0", "from 1"]),
    "a text for a node of Hydra's": (
        ["hydra.job_logging=x"],
        ["hydra.job_logging=x is not allowed: Cannot"],
    ),
    "a mode of Hydra's": (["hydra.mode=x"], ["hydra.mode=x is not allowed", "MULTIRUN"]),
    "no number of environments": (["~algo.num_envs"], ["algo.num_envs cannot be left out", "defaults: [dqn, _self_]"]),
    "another key of TensorBoard": (["logger=tensorboard", "+logger.tensorboard.nokey=1"], ["tensorboard.nokey"]),
    "a name for TensorBoard": (
        ["logger=tensorboard", "logger.tensorboard.name=3"],
        ["name=3 is not allowed", "a text"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_gets_one_sentence(name, tmp_path):
    arguments, words = CASES[name]
    result = train(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stderr.startswith("error: ")
    for word in words:
        assert word in result.stderr
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


EXTRA_CASES = {
    "MuJoCo": ("mujoco", "mujoco", "env.id=Hopper-v5", ["env=hopper"]),
    "MuJoCo by its id": ("mujoco", "mujoco", "env.id=Hopper-v5", ["env=gym", "env.id=Hopper-v5"]),
    "MuJoCo late in a sweep": ("mujoco", "mujoco", "env.id=Walker2d-v5", ["-m", "env=cartpole,walker"]),
    "Box2D": ("Box2D", "box2d", "env.id=LunarLander-v3", ["env=lunar_lander"]),
    "MiniGrid": ("minigrid", "minigrid", "env.id=minigrid:MiniGrid-FourRooms-v0", ["env=labyrinth"]),
    "ViZDoom": ("vizdoom", "vizdoom", "env.id=DoomMyWayHome-v0", ["env=vizdoom_my_way_home"]),
}


def assert_names_the_extra(result, name):
    _, extra, env, _ = EXTRA_CASES[name]
    assert result.returncode == 2
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("error: ")  # in a sweep the job comes first
    assert f"{env} needs {name.split()[0]}" in line
    assert line.endswith(f'pip install -e ".[{extra}]"')
    assert result.stdout == ""


@pytest.mark.parametrize("name", EXTRA_CASES)
def test_a_missing_extra_is_named_with_the_way_to_get_it(name, tmp_path, monkeypatch):
    module, _, _, arguments = EXTRA_CASES[name]
    monkeypatch.setitem(sys.modules, module, None)
    assert_names_the_extra(train(*arguments, cwd=tmp_path), name)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_extra_is_named_where_nothing_was_imported_yet(tmp_path):
    module, _, _, arguments = EXTRA_CASES["MiniGrid"]
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "sitecustomize.py").write_text(f"import sys\nsys.modules[{module!r}] = None\n")
    (tmp_path / "here").mkdir()
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "hidden")}
    result = start(*arguments, cwd=tmp_path / "here", env=environment)
    assert result.stdout == "algo=dqn env=labyrinth: loading PyTorch ...\n"
    assert_names_the_extra(Result(result.returncode, "", result.stderr), "MiniGrid")
    assert list((tmp_path / "here").iterdir()) == []


BUILD_CASES = {
    "continuous actions": (["env=gym", "env.id=Pendulum-v1"], ["continuous", "Pendulum-v1", "discrete"]),
    "unknown gymnasium id": (["env=gym", "env.id=CartPoel-v1"], ["env.id=CartPoel-v1", "CartPole"]),
    "a path before an id": (["env=gym", "env.id=../mine:Own-v0"], ["env.id=../mine:Own-v0", "stands a module"]),
    "no list of wrappers": (["env=cartpole", "env.wrappers=null"], ["env.wrappers=null", "it takes a list, []"]),
    "no text among the tags": (["env=cartpole", "tags=[null]"], ["tags=[null]", "a list of texts"]),
    "keyword that Gymnasium's env has not": (
        ["env=gym", "env.id=CartPole-v1", "+env.make_kwargs.foo=1"],
        ["env.id=CartPole-v1", "foo"],
    ),
    "unknown rom": (["env.game=pnog"], ["env.game=pnog"]),
    "a torso for images of a vector": (
        ["env=cartpole", "algo.network.torso=nature"],
        ["algo.network.torso=nature", "vectors", "algo.network.torso=mlp"],
    ),
    "a bonus that falls in no time": (
        ["algo=ppo", "env=catch", "algo.entropy_coef_end=0.001"],
        ["algo.entropy_coef_end=0.001", "needs algo.entropy_coef_decay_env_steps"],
    ),
    "a magnet without an average": (
        ["algo=ppo", "env=catch", "algo.magnet_coef=0.1"],
        ["algo.magnet_coef=0.1", "algo.weight_average_decay"],
    ),
    "a network that is no torso": (
        [
            "env=cartpole",
            "algo.network._target_=torch.nn.Linear",
            "algo.network.in_features=3",
            "algo.network.out_features=2",
        ],
        ["algo.network (Linear) does not fit", "[B, 4]"],
    ),
    "a network that lacks a keyword": (
        ["env=cartpole", "algo.network._target_=torch.nn.Linear"],
        ["algo.network cannot be made", "in_features"],
    ),
    "a network that is no module": (
        ["env=cartpole", "algo.network._target_=builtins.dict"],
        ["algo.network._target_=builtins.dict does not fit", "no Module"],
    ),
    "no such accelerator": (["env=catch", "trainer.accelerator=gpu"], ["trainer.accelerator=gpu", "cpu"]),
    "observations of no fixed length": (
        ["env=gym", "env.id=tests.odd_envs:Words-v0"],
        ["env.id=tests.odd_envs:Words-v0", "fixed length", "env.wrappers"],
    ),
    "several choices for a value method": (
        ["env=gym", "env.id=tests.odd_envs:Multi-v0"],
        ["Multi-v0", "2 choices at once", "algo=ppo"],
    ),
    "choices and numbers for a value method": (
        ["env=gym", "env.id=tests.odd_envs:Nested-v0"],
        ["Nested-v0", "5 choices and 3 continuous numbers at once", "algo=ppo, a2c, reinforce or recurrent_ppo"],
    ),
    "choices and numbers for a policy of bounded numbers": (
        ["algo=sac", "env=gym", "env.id=tests.odd_envs:Knobs-v0"],
        ["Knobs-v0", "1 choice and 1 continuous number at once", "algo=ppo, a2c, reinforce or recurrent_ppo"],
    ),
    "actions of no fixed length": (
        ["algo=ppo", "env=gym", "env.id=tests.odd_envs:Spoken-v0"],
        ["env.id=tests.odd_envs:Spoken-v0", "actions of type Text in a Tuple", "env.wrappers"],
    ),
    "pictures whose channels cannot be known": (
        ["env=gym", "env.id=tests.odd_envs:Cube-v0"],
        ["env.id=tests.odd_envs:Cube-v0", "[8, 8, 8]", "env.observations=channels_first"],
    ),
    "a layout that there is not": (
        ["env=gym", "env.id=CartPole-v1", "env.observations=image"],
        ["env.observations=image", "channels_first", "vector"],
    ),
    "replay larger than the machine": (
        ["env=pong", "algo.replay.capacity_env_steps=1000000000"],
        ["algo.replay.capacity_env_steps=1000000000", "the largest that fits is"],
    ),
    "rollout larger than the machine": (
        ["algo=a2c", "env=pong", "algo.rollout_length=10000000"],
        ["algo.rollout_length=10000000", "the largest that fits is"],
    ),
    "replay too small for its environments": (
        ["env=pong", "algo.replay.capacity_env_steps=64"],
        ["algo.replay.capacity_env_steps=64", "more than 80 in all"],
    ),
    "a rhythm that does not come even": (
        ["env=catch", "algo.env_steps_per_update=3.14159"],
        ["algo.env_steps_per_update=3.14159", "env.num_envs=8", "smaller whole numbers"],
    ),
    "a minibatch that two processes cannot share": (
        ["env=catch", "trainer=ddp_sim", "algo.batch_size=33"],
        ["algo.batch_size=33", "trainer.devices=2", "a multiple of 2"],
    ),
    "a rollout that two processes cannot share": (
        [
            "algo=ppo",
            "env=catch",
            "trainer=ddp_sim",
            "algo.num_envs=2",
            "algo.rollout_length=5",
            "algo.num_minibatches=2",
        ],
        ["algo.num_minibatches=2", "shared by trainer.devices=2"],
    ),
    "a planner without replay": (
        ["algo=muzero", "env=cartpole", "algo.replay=null"],
        ["algo.replay=null does not fit", "segments"],
    ),
    "priorities without replay": (
        ["algo=rainbow", "env=catch", "algo.replay.capacity_env_steps=null"],
        ["algo.replay=null does not fit algo.prioritized=true"],
    ),
    "options that exclude each other": (
        ["env=catch", "algo.double_q=true", "algo.munchausen=true"],
        ["algo.double_q=true", "algo.munchausen=true", "leave one out"],
    ),
    "a table for two processes": (
        ["algo=q_learning", "env=maze", "trainer=ddp_sim"],
        ["trainer.devices=2", "learns in one process", "trainer.devices=1"],
    ),
    "a table of pictures": (
        ["algo=q_learning", "env=pong"],
        ["a row for each state", "env=pong shows pictures of shape [4, 84, 84]", "env=frozen_lake", "algo=dqn"],
    ),
    "replay too small for a segment": (
        ["algo=muzero", "env=cartpole", "algo.replay.capacity_env_steps=200"],
        ["algo.replay.capacity_env_steps=200", "in all"],
    ),
}


@pytest.mark.parametrize("name", BUILD_CASES)
def test_what_cannot_work_is_said_before_anything_starts(name, tmp_path):
    arguments, words = BUILD_CASES[name]
    result = train(*arguments, "logger=csv", f"run_dir={tmp_path / 'run'}")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    for word in words:
        assert word in line
    assert not (tmp_path / "run").exists()


def test_the_largest_capacity_that_is_named_fits(tmp_path):
    result = train("env=pong", "algo.replay.capacity_env_steps=1000000000", "logger=csv", f"run_dir={tmp_path / 'run'}")
    largest = int(result.stderr.split("the largest that fits is algo.replay.capacity_env_steps=")[1].split(".")[0])
    assert 1_000_000 < largest < 1_000_000_000


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    result = train("env=catch", "logger=csv", f"run_dir={tmp_path / 'file' / 'run'}")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert str(tmp_path / "file") in result.stderr
    assert "run_dir=" in result.stderr


def test_a_large_sweep_may_name_its_folders_itself():
    register_options(CONF)
    sweep = ["-m", "env=catch", "seed=range(0,33)", "run_dir=run-${seed}"]
    compose_jobs(sweep, CONF)
    with pytest.raises(ConfigurationError, match="run_dir=run-0"):
        compose_jobs([*sweep, "algo=dqn,a2c"], CONF)


def test_an_interrupt_while_torch_is_imported_is_no_traceback(tmp_path):
    (tmp_path / "torch.py").write_text("raise KeyboardInterrupt\n")
    result = start("env=catch", cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert result.returncode == 130
    assert "Traceback" not in result.stderr
    assert "before the start" in result.stderr
    assert result.stdout == "algo=dqn env=catch: loading PyTorch ...\n"  # at once


def named_by(group, *keys):
    """List what the files of a group name under these keys."""
    configs = [OmegaConf.load(path) for path in sorted((CONF / group).glob("*.yaml"))]
    return sorted({cfg[key] for cfg in configs for key in keys if key in cfg})


ALGO_CLASSES, ENV_CLASSES = named_by("algo", *CLASSES), named_by("env", "_target_")
OTHERS = [TopLevel, Protocol, make_wandb_logger, *CONSTRUCTORS.values()]


@pytest.mark.parametrize(
    "constructor", [*ALGO_CLASSES, *ENV_CLASSES, *OTHERS], ids=lambda one: one if isinstance(one, str) else one.__name__
)
def test_every_keyword_that_a_setting_reaches_says_what_it_may_be(constructor):
    signature = signature_of(find(constructor, "here") if isinstance(constructor, str) else constructor)
    keywords = {name: one for name, one in signature.all_keywords.items() if name not in GIVEN}
    assert keywords
    for name, keyword in keywords.items():
        assert keyword.annotation is not Any, f"{name} takes anything"


def composed(*arguments):
    register_options(CONF)
    (job,) = compose_jobs(arguments, CONF)
    return job.cfg


ALGOS = sorted(path.stem for path in (CONF / "algo").glob("*.yaml"))


@pytest.mark.parametrize("algo", ALGOS)
def test_who_cannot_play_choices_and_numbers_at_once_names_all_who_can(algo):
    spec = EnvSpec("both", "none", (3,), "float32", None, (2,), (-1.0,), (1.0,), action_sizes=(2,))
    algorithm = find(composed(f"algo={algo}", "env=pong").algo.module, "algo.module")
    if algo in re.findall(r"\w+", ALL_ACTIONS):
        algorithm.check(spec)
    else:
        with pytest.raises(ConfigurationError, match=ALL_ACTIONS):
            algorithm.check(spec)


@pytest.mark.parametrize(
    ("algo", "env"), [*((algo, "pong") for algo in ALGOS), ("dqn", "cartpole"), ("ppo", "labyrinth_multiroom")]
)
def test_every_number_and_flag_of_a_config_has_a_range(algo, env):
    cfg = composed(f"algo={algo}", f"env={env}")
    constructors = [
        *(find(cfg.algo[name], name) for name in CLASSES),
        find(cfg.env._target_, "env"),
        *OTHERS,
    ]
    keywords = [signature_of(constructor).all_keywords for constructor in constructors]
    for key, value in leaves(OmegaConf.to_container(cfg, resolve=True)):
        if isinstance(value, int | float):
            name = key.rpartition(".")[2]
            annotations = [one[name].annotation for one in keywords if name in one]
            assert annotations, f"no constructor takes {key}"
            assert not any(allows(annotation, object()) for annotation in annotations), (
                f"nothing says what {key} may be"
            )


def test_nonsense_for_any_number_or_flag_is_refused_by_its_key():
    cfg = composed("algo=ppo", "env=pong")
    check_job(cfg)
    for key, value in leaves(OmegaConf.to_container(cfg, resolve=True)):
        if isinstance(value, int | float):
            changed = cfg.copy()
            OmegaConf.update(changed, key, "nonsense")
            with pytest.raises(ConfigurationError, match=f"^{key}=nonsense is not allowed: it takes "):
                check_job(changed)


@pytest.mark.parametrize("arguments", [["env=pong"], ["env=pong", "algo=muzero", "protocol=machado"], ["env=catch"]])
def test_the_configuration_in_a_folder_of_a_run_is_checked_as_the_command_line_was(arguments):
    """There values stand in the place of interpolations, and what reads a setting of the protocol is not seen."""
    (job,) = compose_jobs(arguments, CONF)
    resolved = OmegaConf.create(OmegaConf.to_container(job.cfg, resolve=True))
    check_job(resolved)
    OmegaConf.update(resolved, "protocol.nonsense", 1, force_add=True)
    with pytest.raises(ConfigurationError, match=r"protocol\.nonsense is not a key of protocol"):
        check_job(resolved)


@pytest.mark.parametrize("node", ["env", "protocol"])
def test_a_setting_of_the_protocol_may_be_given_to_the_environment_too(node):
    (job,) = compose_jobs(["env=pong", f"{node}.full_action_space=true", f"{node}.frame_stack=1"], CONF)
    check_job(job.cfg)
    check_job(OmegaConf.create(OmegaConf.to_container(job.cfg, resolve=True)))
    spec, _ = make_spec(make_game_factory(job.cfg))
    assert (spec.num_actions, spec.frame_stack) == (18, 1)
