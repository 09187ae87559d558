"""A run that dies and goes on ends as one that never stopped, to the last bit."""

import shutil

import pytest
import pytorch_lightning as pl

from scripts.kill_and_resume import COMMON, NORMALIZED, PLANNER, PRIORITIZED
from tests.front_door import summary, train
from triptych.report.differences import count_differences

PERIODS = ["eval.period_frames=500", "checkpoint.period_frames=130", "callbacks.metrics.period_frames=110"]
PONG = ["env=pong", "env.num_envs=4", "protocol.max_frames_per_episode=400", "eval.episodes=1", "total_frames=2400",
        "algo.batch_size=16"]  # fmt: skip
PONG_PERIODS = ["eval.period_frames=1200", "checkpoint.period_frames=540", "callbacks.metrics.period_frames=420"]
PONG_REPLAY = ["algo.learning_starts_env_steps=240", "algo.replay.capacity_env_steps=1800"]
LATE = ["algo.learning_starts_env_steps=200", "algo.replay.capacity_env_steps=700"]  # smaller than what is played
ON_CARTPOLE = ["env=cartpole", *PERIODS, "total_frames=1000"]
SMALL_PLANNER = [*PLANNER, *LATE, "env.num_envs=4", "total_frames=480", "algo.reanalyse_fraction=0.5",
                 "algo.env_steps_per_update=4"]  # fmt: skip
CONTROL = [
    "env=pendulum",
    *PERIODS,
    *LATE,
    "total_frames=1000",
    "algo.env_steps_per_update=4",
    "algo.batch_size=16",
    "algo.policy_hidden_sizes=[16,16]",
    "algo.critic_hidden_sizes=[16,16]",
]
SMALL_GAMES = [
    "env.num_envs=4",
    "algo.batch_size=8",
    "algo.env_steps_per_update=8",
    "algo.num_simulations=4",
    "algo.learning_starts_env_steps=200",
    "algo.replay.capacity_env_steps=2000",
    "total_frames=600",
]
# Not c51, qr_dqn, a2c and ddpg: their state is that of rainbow, iqn, ppo and td3.
RUNS = {
    "dqn on disk": ["algo=dqn", *ON_CARTPOLE, *LATE, "algo.replay.storage=disk"],
    "prioritized_dqn, 3 steps": ["algo=prioritized_dqn", *ON_CARTPOLE, *PRIORITIZED, *LATE,
                                 "algo.epsilon_duration_exponent=2"],
    "dqn without replay": ["algo=dqn", *ON_CARTPOLE, "algo.replay=null", "algo.learning_starts_env_steps=200"],
    "iqn": ["algo=iqn", *ON_CARTPOLE, *LATE, "algo.munchausen=true"],
    "spr": ["algo=spr", "env=catch", *PERIODS, *LATE, "algo.batch_size=8", "algo.env_steps_per_update=8",
            "total_frames=700"],
    "bootstrapped_dqn": ["algo=bootstrapped_dqn", *ON_CARTPOLE, *LATE],
    "rainbow": ["algo=rainbow", *ON_CARTPOLE, *LATE],
    "r2d2": ["algo=r2d2", *ON_CARTPOLE, *LATE, "algo.batch_size=4", "algo.burn_in_steps=5", "algo.sequence_steps=8",
             "algo.memory_units=16"],
    "reinforce": ["algo=reinforce", *ON_CARTPOLE, "algo.rollout_length=20"],
    "ppo, normalised": ["algo=ppo", *ON_CARTPOLE, *NORMALIZED, "algo.rollout_length=16", "algo.num_minibatches=4"],
    "ppo, continuous": ["algo=ppo", "env=pendulum", *PERIODS, *NORMALIZED, "env.num_envs=4", "algo.rollout_length=32",
                        "algo.num_minibatches=4", "total_frames=1000"],
    "ppo, choices and continuous numbers": [
        "algo=ppo", "env=gym", "env.id=tests.odd_envs:Knobs-v0", *PERIODS, *NORMALIZED, "env.num_envs=4",
        "algo.rollout_length=16", "algo.num_minibatches=4", "total_frames=1000"],
    "td3, continuous": ["algo=td3", *CONTROL, "algo.prioritized=true", "algo.n_step=3"],
    "sac, continuous": ["algo=sac", *CONTROL],
    "crossq, continuous": ["algo=crossq", *CONTROL, "algo.renormalization_warmup_updates=20"],
    "sac, continuous, in hindsight": ["algo=sac", *CONTROL, "env=gym", "env.id=tests.goal_env:Walk-v0", "algo.n_step=2",
                                      "algo.hindsight_ratio=0.8", "algo.normalize_observations=true"],
    "recurrent_ppo": ["algo=recurrent_ppo", *ON_CARTPOLE, *NORMALIZED, "env.num_envs=4", "algo.rollout_length=16",
                      "algo.num_minibatches=2", "algo.memory_units=16"],
    "pqn": ["algo=pqn", *ON_CARTPOLE, "algo.rollout_length=8", "algo.num_minibatches=4"],
    "q_learning": ["algo=q_learning", "env=frozen_lake", *PERIODS, "env.num_envs=4", "total_frames=1000"],
    "dyna": ["algo=dyna", "env=frozen_lake", *PERIODS, "env.num_envs=4", "algo.planning_steps=5", "total_frames=1000"],
    "muzero": ["algo=muzero", *ON_CARTPOLE, *SMALL_PLANNER, "algo.num_observations=11", "algo.n_step=5"],
    "efficientzero": ["algo=efficientzero", *ON_CARTPOLE, *SMALL_PLANNER],
    "alphazero": ["algo=alphazero", "env=tic_tac_toe", *PERIODS, *SMALL_GAMES],
    "muzero, two players": ["algo=muzero", "env=tic_tac_toe", *PERIODS, *SMALL_GAMES, "algo.n_step=5"],
    "dqn, two players": ["algo=dqn", "env=tic_tac_toe", *PERIODS, *LATE, "algo.n_step=3", "total_frames=600"],
    "ppo, poker": ["algo=ppo", "env=leduc_poker", *PERIODS, "env.num_envs=4", "algo.rollout_length=16",
                   "algo.num_minibatches=4", "algo.weight_average_decay=0.9", "total_frames=1000"],
    "nfsp": ["algo=nfsp", "env=leduc_poker", *PERIODS, *LATE, "env.num_envs=4", "algo.replay.reservoir_capacity=60",
             "algo.batch_size=16", "algo.env_steps_per_update=4", "algo.anticipatory=0.5", "total_frames=1000"],
    "doom": ["algo=ppo", "env=vizdoom_basic", *PERIODS, "env.num_envs=2", "env.make_kwargs.image_size=[36,36]",
             "algo.rollout_length=32", "algo.num_minibatches=4", "eval.episodes=1", "total_frames=1000"],
    "pong, sticky": ["algo=dqn", "protocol=machado", *PONG, *PONG_PERIODS, *PONG_REPLAY],
    "pong, on policy": ["algo=pqn", *PONG[:-1], *PONG_PERIODS, "algo.rollout_length=16", "algo.num_minibatches=4"],
}  # fmt: skip
TWICE = {"prioritized_dqn, 3 steps", "ppo, normalised", "muzero", "alphazero", "pong, sticky"}  # dies a second time


class DieAt(pl.Callback):
    """Ends a run in the middle of a turn, as a kill does: nothing more is saved."""

    def __init__(self, frames):
        self.frames = frames

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if trainer.datamodule.clock.frames > self.frames:
            raise RuntimeError("killed")


@pytest.mark.parametrize("name", RUNS)
def test_a_run_that_died_is_the_run_that_never_did(name, tmp_path):
    arguments = [*COMMON, *RUNS[name]]
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    result = train(*arguments, f"run_dir={straight}")
    assert result.returncode == 0, result.stdout + result.stderr
    total = summary(straight)["frames"]
    for share in (0.45, 0.8) if name in TWICE else (0.65,):
        die = f"+callbacks.extra.die={{_target_:tests.run.test_exact_resume.DieAt,frames:{int(share * total)}}}"
        result = train(*arguments, die, f"run_dir={killed}")
        assert "RuntimeError: killed" in result.stdout
        assert (killed / "checkpoints" / "last.ckpt").exists()
        assert summary(killed)["frames"] > 0
    result = train(*arguments, f"run_dir={killed}")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "last.ckpt" in result.stdout
    assert "could not be played again" not in result.stdout
    actions = [folder / "actions.bin" for folder in (straight, killed)]
    assert actions[0].exists() == ("continuous" not in name)
    assert not actions[0].exists() or actions[0].read_bytes() == actions[1].read_bytes()
    found = count_differences(straight, killed)
    assert found["episodes"] > 2
    assert {key: count for key, count in found.items() if key.startswith("different_")} == {
        "different_episodes": 0,
        "different_numbers": 0,
        "different_values": 0,
    }


@pytest.mark.parametrize("name", ["prioritized_dqn, 3 steps", "pqn"])
def test_extending_a_run_is_the_longer_run(name, tmp_path):
    arguments = [*COMMON, *RUNS[name], "checkpoint.keep_replay=true"]
    straight, extended = tmp_path / "straight", tmp_path / "extended"
    assert train(*arguments, f"run_dir={straight}").returncode == 0
    assert train(*arguments, "total_frames=500", f"run_dir={extended}").returncode == 0
    assert train(*arguments, f"run_dir={extended}").returncode == 0
    found = count_differences(straight, extended)
    assert (found["different_episodes"], found["different_values"]) == (0, 0)


@pytest.mark.parametrize("name", ["prioritized_dqn, 3 steps", "muzero"])
def test_a_run_that_died_while_it_filled_its_replay_again_is_the_run_that_did_not(name, tmp_path):
    arguments, total = [*COMMON, *RUNS[name]], 1000 if "dqn" in name else 480
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    assert train(*arguments, f"total_frames={total // 2}", f"run_dir={straight}").returncode == 0
    assert not (straight / "checkpoints" / "replay").exists()
    shutil.copytree(straight, killed)
    result = train(*arguments, f"run_dir={straight}")
    assert "200 env steps are played to fill it" in result.stdout
    die = f"+callbacks.extra.die={{_target_:tests.run.test_exact_resume.DieAt,frames:{total // 2 + 150}}}"
    result = train(*arguments, die, f"run_dir={killed}")
    assert "RuntimeError: killed" in result.stdout
    result = train(*arguments, f"run_dir={killed}")
    assert result.returncode == 0, result.stdout + result.stderr
    found = count_differences(straight, killed)
    assert (found["different_episodes"], found["different_values"], found["different_numbers"]) == (0, 0, 0)
    assert summary(straight)["updates"] == summary(killed)["updates"] > 0
