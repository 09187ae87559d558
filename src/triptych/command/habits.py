"""Keys that users of other projects type, and what they are here. docs/coming_from.md is written from this table."""

from __future__ import annotations

FRAMES = "total_frames=... (emulator frames; 4 to an env step on Atari, 1 elsewhere)"
DISTRIBUTED = "trainer=ddp trainer.devices=..., a process for each"
SIZES = "algo.network.hidden_sizes=[64,64], of sac and its kin algo.policy_hidden_sizes and algo.critic_hidden_sizes"

# key -> what to type here
HABITS = {
    # Lightning's Trainer, as in lightning-hydra-template
    "trainer.max_epochs": FRAMES,
    "trainer.min_epochs": FRAMES,
    "trainer.max_steps": FRAMES,
    "trainer.min_steps": FRAMES,
    "trainer.check_val_every_n_epoch": "eval.period_frames=...",
    "trainer.val_check_interval": "eval.period_frames=...",
    "trainer.log_every_n_steps": "callbacks.metrics.period_frames=...",
    "trainer.gradient_clip_val": "algo.max_grad_norm=...",
    "trainer.gradient_clip_algorithm": "algo.max_grad_norm=..., which clips the norm of all gradients together",
    "trainer.accumulate_grad_batches": "algo.batch_size=...",
    "trainer.resume_from_checkpoint": "nothing: the same command again goes on; ckpt_path=... takes another's weights",
    "trainer.limit_train_batches": FRAMES,
    "trainer.limit_val_batches": "eval.episodes=...",
    "trainer.limit_test_batches": "eval.final_episodes=...",
    "trainer.fast_dev_run": "debug=fdr",
    "trainer.overfit_batches": "debug=overfit env=catch, many updates on one small filling of a replay",
    "trainer.num_sanity_val_steps": "nothing: an evaluation is played at the end of each eval.period_frames",
    "trainer.enable_progress_bar": "callbacks.progress=...",
    "trainer.enable_model_summary": "nothing: there is no summary",
    "trainer.enable_checkpointing": "checkpoint.period_frames=...",
    "trainer.default_root_dir": "run_dir=...",
    "trainer.logger": "logger=..., one of csv, wandb, tensorboard, mlflow, or 'logger=[wandb,tensorboard]'",
    "trainer.callbacks": "'+callbacks.extra.name={_target_:package.Class,...}'",
    "callbacks.model_checkpoint.monitor": "nothing: best.ckpt is the best by the evaluations during the run",
    "callbacks.early_stopping.patience": "callbacks=early_stopping callbacks.extra.early_stopping.patience=...",
    "trainer.strategy": DISTRIBUTED,
    "trainer.num_nodes": DISTRIBUTED,
    "trainer.sync_batchnorm": DISTRIBUTED,
    "trainer.use_distributed_sampler": DISTRIBUTED,
    # lightning-hydra-template
    "model": "algo=...",
    "data": "env=...",
    "data.batch_size": "algo.batch_size=...",
    "data.num_workers": "env.num_envs=..., env.use_processes=true (of Gymnasium's; Atari has threads)",
    "model.optimizer.lr": "algo.learning_rate=...",
    "paths.output_dir": "run_dir=...",
    "paths.log_dir": "run_dir=...",
    "hparams_search": "python scripts/search.py sweep=optuna_dqn env=...",
    "sweep": "python scripts/search.py sweep=... env=...",
    # Stable-Baselines3, RL Baselines3 Zoo, CleanRL, and the field's other names
    "total_timesteps": FRAMES,
    "n_timesteps": FRAMES,
    "env_id": "env=..., or env=gym env.id=...",
    "exp_name": "run_dir=...",
    "learning_rate": "algo.learning_rate=...",
    "lr": "algo.learning_rate=...",
    "algo.lr": "algo.learning_rate=...",
    "algo.gamma": "algo.discount=...",
    "gamma": "algo.discount=...",
    "algo.buffer_size": "algo.replay.capacity_env_steps=...",
    "buffer_size": "algo.replay.capacity_env_steps=...",
    "algo.replay_buffer_class": "algo.hindsight_ratio=0.8 for replay in hindsight",
    "algo.n_sampled_goal": "algo.hindsight_ratio=..., k / (k + 1) of k goals",
    "algo.goal_selection_strategy": "nothing: goals in hindsight are those that were reached later",
    "algo.learning_starts": "algo.learning_starts_env_steps=...",
    "learning_starts": "algo.learning_starts_env_steps=...",
    "algo.train_freq": "algo.env_steps_per_update=...",
    "train_freq": "algo.env_steps_per_update=...",
    "algo.train_frequency": "algo.env_steps_per_update=...",
    "algo.gradient_steps": "algo.env_steps_per_update=...",
    "algo.num_updates": "algo.env_steps_per_update=...",
    "algo.target_update_interval": "algo.target_update_period_updates=... (gradient steps)",
    "algo.target_network_frequency": "algo.target_update_period_updates=... (gradient steps)",
    "algo.exploration_fraction": "algo.epsilon_decay_env_steps=... (env steps)",
    "algo.exploration_final_eps": "algo.epsilon_end=...",
    "algo.exploration_initial_eps": "algo.epsilon_start=...",
    "algo.n_envs": "env.num_envs=...",
    "n_envs": "env.num_envs=...",
    "num_envs": "env.num_envs=...",
    "algo.n_steps": "algo.rollout_length=... on policy (vector steps), algo.n_step=... off policy",
    "algo.num_steps": "algo.rollout_length=... (vector steps)",
    "num_steps": "algo.rollout_length=... (vector steps)",
    "algo.n_epochs": "algo.num_epochs=...",
    "algo.update_epochs": "algo.num_epochs=...",
    "algo.ent_coef": "algo.entropy_coef=..., of sac and crossq algo.initial_temperature=..., which is learned",
    "algo.target_entropy": "algo.target_entropy_per_action=...",
    "algo.tau": "algo.target_update_rate=...",
    "algo.policy_delay": "algo.policy_period_updates=...",
    "algo.policy_frequency": "algo.policy_period_updates=...",
    "algo.vf_coef": "algo.value_coef=...",
    "algo.clip_coef": "algo.clip_range=...",
    "algo.lambda": "algo.gae_lambda=...",
    "algo.double": "algo.double_q=...",
    "algo.policy_kwargs.net_arch": SIZES,
    "policy_kwargs.net_arch": SIZES,
    "algo.net_arch": SIZES,
    "algo.features_extractor_class": "algo.network._target_=package.module.Class",
    "frame_stack": "env.frame_stack=..., on Atari protocol.frame_stack=...",
    "torch_deterministic": "trainer.deterministic=true",
    "cuda": "trainer=gpu or trainer=cpu",
    "device": "trainer=gpu or trainer=cpu",
    "track": "logger=wandb, or logger=csv for none",
    "capture_video": "callbacks.video=...",
    "save_model": "nothing: checkpoints are written every checkpoint.period_frames",
    "verbose": "callbacks.progress=...",
}


def instead(key: str) -> str:
    """Say in a sentence what is typed here for a key of `HABITS`."""
    return f"{key} is not a key here; instead: {HABITS[key]}" + ("" if HABITS[key].endswith("...") else ".")


def markdown() -> str:
    """Write the table of docs/coming_from.md."""
    lines = ["| There | Here |", "|---|---|"]
    lines += [f"| `{key}` | {_code(text)} |" for key, text in HABITS.items()]
    return "\n".join(lines) + "\n"


def _code(text: str) -> str:
    """Mark what is typed as code: the first word and what follows it without a sentence around."""
    return text if text.startswith("nothing") or " " in text else f"`{text}`"
