"""The front door.

python train.py algo=dqn env=pong                             one run
python train.py -m algo=dqn,double_dqn env=pong seed=1,2,3    a sweep
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

# Before torch starts its threads. A learner thread that waits yields its core to the emulators in the end; one that
# yields at once waits long to get it back where other processes want it too.
os.environ.setdefault("GOMP_SPINCOUNT", "100000")

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from triptych.config import check_command_line, register_games
from triptych.types import ConfigurationError

ROOT = Path(__file__).resolve().parent
BAD_INPUT, INTERRUPTED = 2, 130  # exit codes


def main(arguments: list[str]) -> int:
    """Check the command line, run its jobs, return the worst exit code."""
    register_games(ROOT / "conf")
    asks_hydra = any(argument.startswith("-") and argument not in ("-m", "--multirun") for argument in arguments)
    if not asks_hydra:
        try:
            check_command_line(arguments, ROOT / "conf")
        except ConfigurationError as error:
            print(f"error: {error}", file=sys.stderr)
            return BAD_INPUT
    # Torch is slow to import: names first.
    from triptych.run import FINISHED, folder_of, identity_of, quiet_lightning, run

    quiet_lightning()
    exit_codes: dict[str, int] = {}
    budgets: dict[tuple[Path, str], int] = {}  # of the jobs that ran, by their folder and identity

    @hydra.main(version_base="1.3", config_path=str(ROOT / "conf"), config_name="train")
    def job(cfg: DictConfig) -> None:
        hydra_cfg = HydraConfig.get()
        # The command that goes on with this run: `fresh` would start it over once more.
        kept = [override for override in hydra_cfg.overrides.task if override.partition("=")[0].strip("+") != "fresh"]
        command = shlex.join(["python", "train.py", *kept])
        choices = dict(hydra_cfg.runtime.choices)
        folder, identity = folder_of(cfg, choices), identity_of(cfg)
        if budgets.get((folder, identity)) == cfg.total_frames:
            print(
                f"error: {command}: a job before it ran in {folder}, and what tells them apart is no part of a run's "
                "identity; give each a run_dir of its own.",
                file=sys.stderr,
            )
            exit_codes[f"{command} (again)"] = BAD_INPUT
            return
        budgets[folder, identity] = cfg.total_frames
        code = run(cfg, choices, command)
        exit_codes[command] = code
        if code == INTERRUPTED:
            raise KeyboardInterrupt  # the rest of a sweep is not started

    try:
        job()
    except KeyboardInterrupt:
        if {"-m", "--multirun"} & set(arguments):
            sweep = shlex.join(["python", "train.py", *(one for one in arguments if not one.startswith("fresh="))])
            print(f"The rest of the sweep was not started; go on with: {sweep}")
        return INTERRUPTED
    if len(exit_codes) > 1:
        print(
            "\n".join(f"{'ok' if code == FINISHED else f'exit {code}':>8}  {name}" for name, code in exit_codes.items())
        )
    return max(exit_codes.values(), default=FINISHED)


if __name__ == "__main__":
    try:
        exit_code = main(sys.argv[1:])
    except KeyboardInterrupt:  # before anything ran
        print("Interrupted before the start.", file=sys.stderr)
        exit_code = INTERRUPTED
    sys.exit(exit_code)
