"""Folders of runs, as train.py writes them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml


def write_run(
    folder: Path,
    *,
    algo: str = "dqn",
    env: str = "pong",
    protocol: str = "nature",
    seed: int = 1,
    mean: float = 10.0,
    status: str = "finished",
    experiment: str | None = None,
    **algo_settings: Any,
) -> Path:
    """Write a run's folder as train.py does."""
    folder.mkdir(parents=True)
    summary: dict[str, Any] = {"status": status, "protocol": protocol, "seed": seed}
    summary |= {"algo": algo, "env": env, "experiment": experiment}
    if status == "finished":
        summary |= {
            "frames": 40_000,
            "wall_time_s": 120.0,
            "eval_return_mean": mean,
            "frames_per_second": 333.3,
        }
    (folder / "summary.json").write_text(json.dumps(summary))
    config = {
        "algo": {
            "batch_size": 32,
            "module": "triptych.algos.dqn.DQN",
            "data": "triptych.data.replay.ReplayDataModule",
            "replay": {"storage": "memory"},
        }
        | algo_settings,
        "env": {"game": env},
        "protocol": {"name": protocol},
        "seed": seed,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "metrics.csv").write_text(
        "frames,env_steps,updates,wall_time_s,collect/return_mean,eval/return_mean\n"
        "20000,5000,100,60,-20,\n"
        "20000,5000,100,60,,-19\n"
        "40000,10000,200,120,0.5,\n"
        "40000,10000,200,120,,10\n"
        "60000,150"  # cut short by a kill
    )
    return folder


def write_evaluations(folder: Path, points: Sequence[tuple[float, float, float]]) -> Path:
    """Replace a run's metrics by evaluations: frames, seconds, mean return."""
    rows = [f"{frames},{frames},1,{seconds},{mean}" for frames, seconds, mean in points]
    (folder / "metrics.csv").write_text("\n".join(["frames,env_steps,updates,wall_time_s,eval/return_mean", *rows, ""]))
    return folder
