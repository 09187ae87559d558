"""From config to objects: the only file where the wings meet. No logic, no branch on a name."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.utilities import rank_zero_only

from triptych import ranks
from triptych.algos.base import Algorithm
from triptych.callbacks.checkpoint import RunCheckpoint
from triptych.callbacks.finish import Finish
from triptych.callbacks.inspection import Inspection
from triptych.callbacks.interrupt import Interrupt
from triptych.callbacks.metrics import Metrics
from triptych.callbacks.phases import Phases
from triptych.callbacks.progress import Progress
from triptych.callbacks.shares import Shares
from triptych.callbacks.threads import Threads
from triptych.collect.random_play import observation_sizes
from triptych.command.settings import algo_settings
from triptych.command.signatures import deal, find, signature_of
from triptych.data.datamodule import EnvironmentDataModule
from triptych.data.evaluation import EvaluationPlan
from triptych.data.room import check_room
from triptych.networks.choice import Network, OwnNetwork
from triptych.provenance.hardware import Hardware, time_limit
from triptych.replay.saves import replay_folder
from triptych.run.weights import load_weights
from triptych.types import ConfigurationError, EnvSpec, GameFactory, chance_seed

WriteLine = Callable[[str], None]
Watcher = pl.Callback  # of whoever starts a run


class Measured(NamedTuple):
    """What was seen of an environment before a run."""

    frame_skip: int  # emulator frames per env step
    observation_sizes: np.ndarray | None  # of vectors, the largest magnitude of each number in the first steps


@dataclass
class Experiment:
    """Everything that one run consists of."""

    spec: EnvSpec
    measured: Measured
    module: Algorithm
    data: EnvironmentDataModule
    trainer: pl.Trainer
    metrics: Metrics
    checkpoint: RunCheckpoint
    finish: Finish
    interrupt: Interrupt
    phases: Phases
    loggers: list[Logger]
    hardware: Hardware


def build(
    cfg: DictConfig,
    run_dir: Path,
    write_line: WriteLine = print,
    available: dict[str, int] | None = None,
    weights: Path | None = None,
    num_runs: int = 1,
    watchers: Sequence[Watcher] = (),
) -> Experiment:
    """Build environments, module, data and trainer.

    Args:
        cfg: the resolved configuration.
        run_dir: the run's folder.
        write_line: where lines about the progress go.
        available: where there is training to come, the bytes of memory, disk and device that its data may take.
        weights: a checkpoint from whose weights the module starts.
        num_runs: side by side on this machine, each with its share of the cores.
        watchers: callbacks of whoever starts the run, beside those of the configuration.

    Raises:
        ConfigurationError: a setting cannot work.
    """
    make_game = make_game_factory(cfg)
    spec, measured = make_spec(make_game)
    hardware = Hardware(**plain(cfg.trainer)).chosen_for(spec, num_runs)
    torch.set_num_threads(int(hardware.num_threads))
    torch.set_float32_matmul_precision(hardware.float32_matmul_precision)
    torch.set_flush_denormal(True)  # Adam's averages of idle weights decay into numbers that take a slow path
    pl.seed_everything(chance_seed(cfg.seed, "weights"), workers=False, verbose=False)

    module = make_module(cfg, spec)
    check_numbers(module, hardware.accelerator)
    if weights is not None:
        load_weights(module, weights)
    data = make_data(cfg, make_game, module, spec, run_dir)
    data.say = data.evaluator.say = write_line
    if available is not None:
        check_room(data.needs(cfg.checkpoint.period_frames), available)
    metrics = Metrics(run_dir, **plain(cfg.callbacks.metrics))
    checkpoint = RunCheckpoint(run_dir / "checkpoints", **plain(cfg.checkpoint))
    solved_return = spec.solved_return if cfg.stop_when_solved else None
    minutes = time_limit(cfg.get("total_minutes"), hardware.max_time)
    phases = Phases(write_line, is_shown=cfg.callbacks.progress)
    finish = Finish(
        data.clock.total_frames,
        solved_return,
        data.evaluator.confirm,
        write_line,
        phase=phases.phase,
        total_minutes=minutes,
        minutes_are_of="total_minutes" if minutes == cfg.get("total_minutes") else "max_time",
        wall_time_s=lambda: metrics.wall_time_s,
    )
    interrupt = Interrupt()
    progress = Progress(
        metrics,
        phases,
        write_line=write_line,
        is_shown=cfg.callbacks.progress,
        total_minutes=minutes,
    )
    others_cores = len(os.sched_getaffinity(0)) * (num_runs - 1) // num_runs
    is_one = ranks.size() == 1  # with another number of threads one of several would learn other digits
    is_fixed = cfg.trainer.num_threads != "auto" or not is_one
    threads = Threads(int(hardware.num_threads), is_fixed, write_line, others_cores=others_cores)
    # Before those that save: what a checkpoint keeps of them is then of its turn.
    extra = [make(node, f"callbacks.extra.{name}", pl.Callback) for name, node in cfg.callbacks.extra.items()]
    acting = [*extra, checkpoint, finish, interrupt, threads, *([] if is_one else [Shares()])]
    watching = [metrics, progress], [Inspection(run_dir, write_line)]
    callbacks: list[Any] = acting if ranks.rank() else [*watching[0], *acting, *watching[1]]
    callbacks += watchers
    about = {"run_dir": str(run_dir), "save_dir": str(run_dir), "config": plain(cfg), "write_line": write_line}
    loggers = [make(node, f"logger.{name}", Logger, **about) for name, node in cfg.logger.items()]
    trainer = make_trainer(hardware, callbacks, loggers, run_dir, uses_all=module.uses_all_parameters)
    return Experiment(
        spec, measured, module, data, trainer, metrics, checkpoint, finish, interrupt, phases, loggers, hardware
    )


def make_game_factory(cfg: DictConfig) -> GameFactory:
    """Return what makes fresh environments."""
    constructor, keywords = find(cfg.env._target_, "env._target_"), plain(cfg.env)
    del keywords["_target_"]

    def make(num_envs: int) -> Any:
        with contextlib.chdir(os.getcwd()):  # which a simulator may change to find its files
            return constructor(**keywords | {"num_envs": num_envs})

    return make


def make_spec(make_game: GameFactory) -> tuple[EnvSpec, Measured]:
    """Ask an environment what it is, and play a little to see what it does."""
    probe = make_game(1)
    try:
        is_vector = not probe.spec.is_image
        return probe.spec, Measured(probe.measure_frame_skip(), observation_sizes(probe) if is_vector else None)
    finally:
        probe.close()


def make_module(cfg: DictConfig, spec: EnvSpec) -> Algorithm:
    """Make the algorithm from those of its settings that its constructor takes."""
    algorithm = find(cfg.algo.module, "algo.module")
    algorithm.check(spec)
    given = {"spec": spec, "seed": cfg.seed} | ({"network": make_network(cfg)} if cfg.algo.get("network") else {})
    module = algorithm(**deal(algorithm, algo_settings(cfg)) | given)
    return module.to(memory_format=torch.channels_last) if spec.seen.is_image else module


def make_network(cfg: DictConfig) -> Network | OwnNetwork:
    """Return the user's choice of a torso, or what makes one of the user's own."""
    node = cfg.algo.network
    if "_target_" not in node:
        return Network(**plain(node))
    return lambda spec: make(node, "algo.network", torch.nn.Module, spec=spec, observation_shape=spec.observation_shape)


def make_data(
    cfg: DictConfig, make_game: GameFactory, module: Algorithm, spec: EnvSpec, run_dir: Path
) -> EnvironmentDataModule:
    """Make the data module from those of the algorithm's settings that its constructor takes."""
    constructor = find(cfg.algo.data, "algo.data")
    given = {
        "make_game": make_game,
        "actor": module,
        "spec": spec,
        "seed": cfg.seed,
        "num_envs": cfg.env.num_envs,
        "total_frames": cfg.total_frames,
        "evaluation": EvaluationPlan(**plain(cfg.eval)),
        "clip_rewards": cfg.protocol.clip_rewards,
        "life_loss_is_terminal": cfg.protocol.life_loss_is_terminal,
        "directory": replay_folder(run_dir / "checkpoints", ranks.rank()),
    }
    return constructor(**deal(constructor, algo_settings(cfg)) | given)


def check_numbers(module: torch.nn.Module, accelerator: str) -> None:
    """Check that a device has the numbers that a module counts in.

    Raises:
        ConfigurationError: it has not.
    """
    if accelerator == "mps" and any(numbers.dtype == torch.float64 for numbers in module.buffers()):
        raise ConfigurationError(
            "trainer.accelerator=mps has no numbers of double precision, in which algo.normalize_observations=true "
            "counts; use trainer=cpu."
        )


def make_trainer(
    hardware: Hardware, callbacks: list[Any], loggers: list[Any], run_dir: Path, uses_all: bool = True
) -> pl.Trainer:
    """Make the Trainer; the budget is in frames, so `Finish` ends the run.

    ``uses_all``: each loss has a gradient for every parameter.
    """
    rank_zero_only.rank = ranks.rank()  # type: ignore[attr-defined]  # Lightning took it from launchers' variables
    is_one = ranks.size() == 1
    several = Processes(cluster_environment=Environment(), find_unused_parameters=not uses_all)
    return pl.Trainer(
        plugins=[OneProcess()] if is_one else None,
        strategy="auto" if is_one else several,
        accelerator=hardware.accelerator,
        devices=ranks.local_size(),
        num_nodes=ranks.size() // ranks.local_size(),
        precision=hardware.precision,  # type: ignore[arg-type]
        max_epochs=-1,
        profiler=hardware.profiler,
        deterministic=hardware.deterministic,
        detect_anomaly=hardware.detect_anomaly,
        logger=loggers,
        callbacks=callbacks,
        default_root_dir=run_dir,
        enable_checkpointing=any(isinstance(callback, pl.callbacks.Checkpoint) for callback in callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,  # an epoch's length is known when it starts
        log_every_n_steps=1,  # what callbacks log through Lightning is theirs to space
        use_distributed_sampler=False,
    )


class OneProcess(LightningEnvironment):
    """Tells Lightning that a run is one process, whatever launcher's variables it was started with."""

    @property
    def creates_processes_externally(self) -> bool:
        return False

    def local_rank(self) -> int:
        return 0

    def node_rank(self) -> int:
        return 0


class Environment(LightningEnvironment):
    """The processes of this run, which `run/others.py` or torchrun has started."""

    def local_rank(self) -> int:
        return ranks.local_rank()

    def teardown(self) -> None:
        """Leave the variables of torchrun as they are."""


class Processes(DDPStrategy):
    """Gradients averaged over processes that are there already."""

    def _configure_launcher(self) -> None:
        """Start none, and leave the threads of this one as they are."""


def make(node: DictConfig, key: str, kind: type, **offered: Any) -> Any:
    """Call the ``_target_`` of a node with its keywords, and with those offered that it takes and the node leaves out.

    Raises:
        ConfigurationError: a package that it needs is not installed, its constructor refuses a keyword, or it makes
            something that is not of the ``kind``.
    """
    keywords = plain(node)
    constructor = find(keywords.pop("_target_"), f"{key}._target_")
    known = signature_of(constructor).keywords
    try:
        made = constructor(**{name: value for name, value in offered.items() if name in known} | keywords)
    except ModuleNotFoundError as error:
        extra = key.rpartition(".")[2]
        way_out = f'pip install -c requirements.lock -e ".[{extra}]"' if extra in _extras() else "pip install it"
        what = str(error).splitlines()[0].rstrip(".")
        raise ConfigurationError(f"{key} needs a package that is not installed ({what}): {way_out}") from error
    except TypeError as error:
        raise ConfigurationError(f"{key} cannot be made: {error}.") from error
    if not isinstance(made, kind):
        raise ConfigurationError(f"{key}._target_={node['_target_']} does not fit: it makes no {kind.__name__}.")
    return made


def _extras() -> list[str]:
    """Return the names of the package's extras; none where it is not installed but on the path."""
    try:
        return importlib.metadata.metadata("triptych").get_all("Provides-Extra") or []
    except importlib.metadata.PackageNotFoundError:
        return []


def plain(node: Any) -> Any:
    """Turn a config node into plain Python data."""
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
