"""A run's experiment, built again from its folder, to be asked further questions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from triptych.build import Experiment, build, plain
from triptych.command.check import check_job
from triptych.data.starts import EVALUATE_STREAM
from triptych.files import find_link, read_yaml
from triptych.provenance.identity import deciding_settings
from triptych.run.origin import changed_settings, origin_of
from triptych.run.trust import check_names
from triptych.run.weights import differences, read_state
from triptych.types import ConfigurationError

GAME = ("env._target_", "env.game", "env.id")  # settings that say which game a run is of


def load_config(run_folder: Path, *, is_trusted: bool = False) -> DictConfig:
    """Read the resolved config of a run, as data.

    Args:
        run_folder: of the run; it may be anybody's.
        is_trusted: whether it may name classes and modules that are not this package's.

    Raises:
        ConfigurationError: there is none that can be read, or it names what would be run.
    """
    if not run_folder.is_dir():
        raise ConfigurationError(f"{run_folder} is not a folder; give the folder of a run, as train.py prints it.")
    link = find_link(run_folder)
    if link is not None:  # writing through it would change what is not the run's
        raise ConfigurationError(f"{run_folder} holds a link, {link}; replace it by what it stands for.")
    path = run_folder / "config.yaml"
    if not path.is_file():
        raise ConfigurationError(f"{run_folder} has no config.yaml; give the folder of a run, as train.py prints it.")
    try:
        config = read_yaml(path)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.") from error
    has_nodes = all(
        isinstance(config.get(name), dict) for name in ("algo", "env", "protocol", "eval", "trainer", "callbacks")
    )
    if not has_nodes or "seed" not in config:
        raise ConfigurationError(f"{path} is not the config of a run.")
    if isinstance(config["algo"].get("module"), dict):
        raise ConfigurationError(f"{path} is of the first version of the code, whose runs this one does not read.")
    if not is_trusted:
        check_names(config)
    return OmegaConf.create(config)


def checkpoint_name(run_folder: Path, asked: str | None) -> str:
    """Name the checkpoint that was asked for, else ``best``, or ``last`` before an evaluation has made a best one."""
    has_best, has_last = ((run_folder / "checkpoints" / f"{name}.ckpt").is_file() for name in ("best", "last"))
    return asked or ("last" if has_last and not has_best else "best")


def find_in_run(run_folder: Path, name: str | None) -> Path:
    """Find a checkpoint of a run by ``best`` or ``last``, any by its path, or the one that `checkpoint_name` names.

    Raises:
        ConfigurationError: there is none of this name.
    """
    name = checkpoint_name(run_folder, name)
    path = run_folder / "checkpoints" / f"{name}.ckpt" if name in ("best", "last") else Path(name)
    if not path.is_file():
        known = sorted(found.name for found in (run_folder / "checkpoints").glob("*.ckpt"))
        raise ConfigurationError(f"There is no checkpoint {path}; the run has: {', '.join(known) or 'none'}.")
    return path


def check_is_its_game(checkpoint: Path, cfg: DictConfig) -> None:
    """Check that a checkpoint was learned on the game of a run, where it says on which.

    Raises:
        ConfigurationError: it was another.
    """

    def game_of(settings: dict[str, Any]) -> dict[str, Any]:
        return {key: settings[key] for key in GAME if key in settings}

    then, now = origin_of(checkpoint).get("settings") or {}, deciding_settings(plain(cfg))
    found = changed_settings(game_of(then), game_of(now))
    if found:
        raise ConfigurationError(
            f"{checkpoint} is of a run on another game ({found}); give a checkpoint of this game, or name the other."
        )


def load_checkpoint(run_folder: Path, name: str | None, cfg: DictConfig | None = None) -> tuple[Path, dict[str, Any]]:
    """Find a checkpoint for a run and read it; only tensors and plain data are accepted.

    Args:
        run_folder: of the run.
        name: ``best``, ``last`` or the path of a file; see `find_in_run`.
        cfg: of the run, whose game is then compared with the checkpoint's.

    Raises:
        ConfigurationError: there is none of this name, it cannot be read, or it is of another game.
    """
    path = find_in_run(run_folder, name)
    if cfg is not None:
        check_is_its_game(path, cfg)
    return path, read_state(path)


def prepare(
    cfg: DictConfig,
    state_dict: dict[str, Any],
    scratch: Path,
    num_episodes: int,
    num_envs: int = 8,
    accelerator: str = "auto",
) -> Experiment:
    """Build the run's experiment without loggers, for episodes of the third stream of seeds.

    Args:
        cfg: of the run; what would write or watch is taken out of it.
        state_dict: of the module.
        scratch: a folder for whatever the experiment might write.
        num_episodes, num_envs: to play, and environments that share them.
        accelerator: of this machine, which need not be the one of the run.

    Raises:
        ConfigurationError: the config does not fit this version, or the checkpoint does not fit the config.
    """
    OmegaConf.set_struct(cfg, False)
    cfg.logger = {}
    cfg.callbacks.progress, cfg.callbacks.extra = False, {}
    cfg.trainer.accelerator, cfg.trainer.devices = accelerator, 1
    cfg.eval.final_episodes, cfg.eval.num_envs = num_episodes, num_envs
    try:
        # Whatever the experiment might write lands in a scratch folder: the run's own files stay as they are.
        check_job(cfg)
        experiment = build(cfg, scratch)
    except OmegaConfBaseException as error:
        sentence = str(error).strip().splitlines()[0]
        raise ConfigurationError(f"The run's config.yaml does not fit this version of the code: {sentence}") from error
    experiment.data.test_stream = EVALUATE_STREAM
    try:
        experiment.module.load_state_dict(state_dict)
    except (RuntimeError, KeyError, TypeError, AttributeError) as error:
        what = differences(experiment.module, state_dict) or "its counters are not those of this version of the code"
        raise ConfigurationError(
            f"The checkpoint does not fit: {what}. It takes the algo and env of its run, and its version of the code."
        ) from error
    return experiment
