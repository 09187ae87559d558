"""From config to objects: the only file where the wings meet. No logic, no branch on a name."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import get_class, instantiate
from omegaconf import DictConfig, OmegaConf

from triptych.algos.base import Algorithm
from triptych.callbacks.checkpoint import RunCheckpoint
from triptych.callbacks.finish import Finish
from triptych.callbacks.inspection import Inspection
from triptych.callbacks.interrupt import Interrupt
from triptych.callbacks.metrics import Metrics
from triptych.callbacks.progress import Progress
from triptych.data.datamodule import EnvironmentDataModule
from triptych.hardware import (
    choose_accelerator,
    choose_num_threads,
    choose_precision,
    processor_name,
)
from triptych.types import ConfigurationError, EnvSpec, Game

Room = Callable[[str, Path], tuple[int, str]]  # storage, directory -> bytes, and of what


@dataclass
class Experiment:
    """Everything that one run consists of."""

    spec: EnvSpec
    measured_frame_skip: int
    module: Algorithm
    data: EnvironmentDataModule
    trainer: pl.Trainer
    metrics: Metrics
    checkpoint: RunCheckpoint
    finish: Finish
    interrupt: Interrupt
    hardware: dict[str, Any]

    def close_loggers(self, exit_code: int) -> None:
        """Let every logger end with the run's true status."""
        for logger in self.trainer.loggers:
            logger.finalize("success" if exit_code == 0 else "failed")
            close = getattr(logger, "close_run", None)
            if close is not None:
                close(exit_code)


def plain(node: Any) -> Any:
    """Turn a config node into plain Python data."""
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def make_game_factory(cfg: DictConfig) -> Callable[[int], Game]:
    """Return what makes fresh environments."""
    return lambda num_envs: make(cfg.env, "env", num_envs=num_envs)


def make(node: DictConfig, name: str, **keywords: Any) -> Any:
    """Call a ``_target_`` with its keywords and these; a keyword it does not have is a `ConfigurationError`."""
    partial = instantiate(node, _partial_=True, _convert_="all")
    try:
        inspect.signature(partial.func).bind_partial(**(partial.keywords | keywords))
    except TypeError as error:
        raise ConfigurationError(f"{name} cannot be built: {error}.") from error
    return partial(**keywords)


def build(
    cfg: DictConfig,
    run_dir: Path,
    write_line: Callable[[str], None] = print,
    room: Room | None = None,
) -> Experiment:
    """Build environments, module, data and trainer.

    Args:
        cfg: the resolved configuration.
        run_dir: the run's folder.
        write_line: where lines about the progress go.
        room: where there is training to come, what tells the bytes there are for its data.

    Raises:
        ConfigurationError: a setting cannot work.
    """
    make_game = make_game_factory(cfg)
    probe = make_game(1)
    spec, measured_frame_skip = probe.spec, probe.measure_frame_skip()
    probe.close()

    accelerator = choose_accelerator(cfg.trainer.accelerator)
    image_size = math.prod(spec.observation_shape) if spec.is_image else 0
    precision = choose_precision(cfg.trainer.precision, accelerator, image_size)
    torch.set_num_threads(choose_num_threads(cfg.trainer.num_threads))
    torch.set_flush_denormal(True)  # Adam's averages of idle weights decay into numbers that take a slow path
    pl.seed_everything(cfg.seed, workers=False, verbose=False)

    algorithm: Any = get_class(cfg.algo.module._target_)
    algorithm.check(spec)
    module = make(cfg.algo.module, "algo.module", spec=spec, seed=cfg.seed)
    if spec.is_image:
        module = module.to(memory_format=torch.channels_last)

    data = make(
        cfg.algo.data,
        "algo.data",
        make_game=make_game,
        actor=module,
        spec=spec,
        seed=cfg.seed,
        num_envs=cfg.env.num_envs,
        total_frames=cfg.total_frames,
        eval_period_frames=cfg.eval.period_frames,
        eval_episodes=cfg.eval.episodes,
        final_episodes=cfg.eval.final_episodes,
        eval_num_envs=cfg.eval.num_envs,
        clip_rewards=cfg.protocol.clip_rewards,
        life_loss_is_terminal=cfg.protocol.life_loss_is_terminal,
        directory=run_dir / "checkpoints" / "replay",
    )

    if room is not None:
        data.check_room(room, cfg.checkpoint.period_frames)

    metrics = Metrics(run_dir, **plain(cfg.callbacks.metrics))
    checkpoint = RunCheckpoint(run_dir / "checkpoints", cfg.checkpoint.period_frames)
    finish = Finish(data.total_frames, spec.solved_return if cfg.stop_when_solved else None)
    interrupt = Interrupt()
    callbacks = [
        metrics,
        Progress(metrics, write_line=write_line, is_shown=cfg.callbacks.progress),
        checkpoint,
        finish,
        interrupt,
        Inspection(run_dir, write_line),
        *(instantiate(node, _convert_="all") for node in cfg.callbacks.extra.values()),
    ]
    about = {"run_dir": str(run_dir), "config": plain(cfg), "write_line": write_line}
    loggers = [instantiate(node, _partial_=True, _convert_="all")(**about) for node in cfg.logger.values()]
    trainer = pl.Trainer(
        accelerator=accelerator,
        devices=cfg.trainer.devices,
        precision=precision,  # type: ignore[arg-type]
        max_epochs=-1,  # the budget is in frames: `Finish` ends the run
        logger=loggers,
        callbacks=callbacks,
        default_root_dir=run_dir,
        enable_checkpointing=any(isinstance(callback, pl.callbacks.Checkpoint) for callback in callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,  # an epoch's length is known when it starts
        log_every_n_steps=2**31,
        use_distributed_sampler=False,
    )
    hardware = {
        "accelerator": accelerator,
        "device": torch.cuda.get_device_name() if accelerator in ("cuda", "gpu") else processor_name(),
        "precision": precision,
        "threads": torch.get_num_threads(),
    }
    return Experiment(
        spec, measured_frame_skip, module, data, trainer, metrics, checkpoint, finish, interrupt, hardware
    )
