"""Write docs/habits.md: what users of other projects type, and what becomes of it here.

python scripts/habits.py            writes the table
python scripts/habits.py --check    exits with 1 where the table is not what the code does

Each command line is composed and checked as before a run; nothing is played.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from triptych.command.main import check, in_own_names
from triptych.files import write_text
from triptych.run.arguments import ScriptParser
from triptych.run.exit_codes import exit_code_of
from triptych.types import ConfigurationError, ExitCode

PAGE = Path(__file__).resolve().parents[1] / "docs" / "habits.md"
OPENING = """# Habitual command lines

What is typed after `python train.py`, or `triptych`, and what the check before a run says of it. `scripts/habits.py`
writes this page, and a test compares it with the code. What only the run can know, such as whether there is a GPU or a
checkpoint, is said when it starts. Keys of other projects are in [a table of their own](coming_from.md).
"""

LINES = {
    "One run": [
        "algo=dqn env=pong",
        "algo=DQN env=PongNoFrameskip-v4",
        "algo=PPO env=ALE/Breakout-v5",
        "algo=impala env=pong",
        "algo=sac env=HalfCheetah-v5",
        "env=CartPole-v1",
        "env=Acrobot-v1",
        "env=gym env.id=MountainCar-v0",
        "env=gym",
        "env=Pong-ram-v5",
        "env=montezuma",
        "algo=ppo env=HalfCheetah-v5",
        "algo=ppo env=Humanoid-v5",
        "algo=ppo env=MiniGrid-Empty-5x5-v0",
        "algo=muzero env=ms_pacman",
        "experiment=pong_fast",
        "experiment=example",
        "env=pong protocol=machado",
        "env=catch protocol=machado",
        "env=pong env.frame_stack=1",
    ],
    "Numbers": [
        "total_frames=1e6",
        "total_timesteps=1e6",
        "total_frames=0",
        "seed=42",
        "seed=null",
        "algo.learning_rate=3e-4",
        "algo.lr=3e-4",
        "lr=3e-4",
        "algo.gamma=0.99",
        "algo.batch_size=128",
        "algo.batch_size=12.5",
        "algo.buffer_size=1e5",
        "algo.n_step=3 algo.dueling=true algo.double_q=true",
        "+algo.bonus=0.1",
        "algo=ppo algo.n_steps=128",
        "algo=ppo algo.rollout_length=128 algo.clip_range=0.1",
        "num_envs=16",
        "env.num_envs=16 env.use_processes=true",
    ],
    "The trainer": [
        "trainer=gpu",
        "trainer=cpu",
        "trainer=mps",
        "trainer=ddp",
        "trainer.accelerator=gpu trainer.precision=bf16-mixed",
        "trainer.devices=1",
        "trainer.max_epochs=10",
        "trainer.max_steps=1000",
        "trainer.max_time=00:01:00:00",
        "trainer.gradient_clip_val=0.5",
        "trainer.deterministic=true",
        "+trainer.fast_dev_run=true",
        "+trainer.overfit_batches=1",
        "+trainer.limit_train_batches=0.1",
        "trainer.profiler=simple",
    ],
    "Debugging": [
        "debug=default",
        "debug=fdr env=catch",
        "debug=limit env=catch",
        "debug=overfit env=catch",
        "debug=overfit env=catch algo=ppo",
        "debug=profiler env=catch",
    ],
    "Callbacks and loggers": [
        "logger=wandb tags=[first,try] task_name=trial",
        "logger=csv",
        "logger=tensorboard",
        "logger=mlflow",
        "logger=neptune",
        "logger=[wandb,tensorboard]",
        "logger=null",
        "callbacks=none",
        "callbacks=early_stopping",
        "callbacks=early_stoping",
        "tags=dev",
        "callbacks.model_checkpoint.monitor=val/acc",
        "callbacks.early_stopping.patience=5",
    ],
    "Checkpoints": [
        "ckpt_path=outputs/dqn/pong/nature/seed1-1234abcd",
        "train=false ckpt_path=outputs/dqn/pong/nature/seed1-1234abcd/checkpoints/best.ckpt",
        "train=false",
        "test=false",
        "train=false test=false",
        "fresh=true",
        "run_dir=my_run",
        "hydra.run.dir=my_run",
        "paths.output_dir=my_run",
    ],
    "Sweeps": [
        "-m seed=1,2,3 algo=dqn,ppo env=catch",
        "--multirun algo.learning_rate=1e-3,1e-4",
        "-m seed=range(1,6)",
        "seed=1,2,3",
        "-m seed=1,2 run_dir=my_run",
        "-m algo.learning_rate=interval(1e-5,1e-3)",
        "hparams_search=catch_optuna",
    ],
    "Configuration of one's own": [
        "--config-dir=examples/my_lab/conf env=corridor",
        "hydra.searchpath=[file://examples/my_lab/conf] env=corridor",
        "hydra.searchpath=[file://nowhere]",
        "--config-name=eval",
        "--config-path=my_conf",
    ],
}


def outcome(line: str) -> str:
    """Say what becomes of a command line."""
    try:
        check(in_own_names(shlex.split(line)), with_environments=False)
    except ConfigurationError as error:
        return str(error)
    return "works"


def page() -> str:
    """Write the page."""
    parts = [OPENING]
    for title, lines in LINES.items():
        rows = [f"| `{line}` | {_cell(outcome(line))} |" for line in lines]
        parts.append("\n".join([f"## {title}", "", "| Typed | What becomes of it |", "|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def _cell(text: str) -> str:
    return text if text == "works" else "refused: " + text.replace("|", "\\|").replace("<", "&lt;")


def main(arguments: list[str]) -> int:
    """Write the page, or compare it, and return the exit code."""
    return exit_code_of(lambda: write_or_compare(arguments))


def write_or_compare(arguments: list[str]) -> ExitCode:
    """Do what the arguments say.

    Raises:
        ConfigurationError: an argument cannot be used.
    """
    parser = ScriptParser(__doc__)
    parser.add_argument("--check", action="store_true", help="compare the table with the code, and write nothing")
    options = parser.parse_args(arguments)
    text = page().replace(f"{PAGE.parents[1]}/", "")
    if options.check:
        is_same = PAGE.is_file() and PAGE.read_text() == text
        print("docs/habits.md is what the code does." if is_same else "docs/habits.md is out of date: run this script.")
        return ExitCode.DONE if is_same else ExitCode.FAILED
    write_text(PAGE, text)
    print(f"Written to {PAGE}.")
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
