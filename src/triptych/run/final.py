"""The end of a run: the final evaluation of its best checkpoint, and the video."""

from __future__ import annotations

import statistics
import traceback
from pathlib import Path

from triptych.build import Experiment
from triptych.callbacks.video import write_video
from triptych.run.folder import RunFolder
from triptych.run.tracking import Tracking
from triptych.run.words import sentence_of


def play_final(
    experiment: Experiment, folder: RunFolder, tracking: Tracking, identity: str, frames: int, *, has_video: bool
) -> None:
    """Play the final evaluation with the best checkpoint, write what came of it, then the video.

    Args:
        experiment: whose training is over.
        folder: of the run, to whose summary the results go.
        tracking: the loggers, which are told too.
        identity: of the run; a best checkpoint of another is not played.
        frames: of the run.
        has_video: whether a video is drawn.
    """
    trainer, data = experiment.trainer, experiment.data
    trainer.loggers = []  # the final evaluation is of another moment than the last row of the curves
    best = folder.best_checkpoint(identity)
    with experiment.phases.phase(f"final evaluation of the best checkpoint on {data.plan.final_episodes} games"):
        trainer.test(experiment.module, data, ckpt_path=best, weights_only=True, verbose=False)
    returns = [episode.episode_return for episode in data.evaluator.episodes]
    mean = statistics.fmean(returns)
    metrics = trainer.callback_metrics  # of other ways to play too, such as a planner's without its search
    scores = {name: float(metrics[name]) for name in metrics if name.startswith("eval/")}
    others = {name.replace("/", "_"): score for name, score in scores.items() if name.startswith("eval/return_mean_")}
    folder.update_summary(
        eval_return_mean=mean,
        eval_return_std=statistics.pstdev(returns),
        eval_returns=returns,
        human_normalized_score=experiment.spec.human_normalized_score(mean),
        **others,
    )
    tracking.log_scores({name.replace("eval/", "final/", 1): score for name, score in scores.items()}, frames)
    video = None
    if has_video:
        with experiment.phases.phase("drawing the video"):
            video = _draw(experiment, folder)
    tracking.log_files(video, best, frames)


def _draw(experiment: Experiment, folder: RunFolder) -> Path | None:
    """Write the video of the median episode and return its path; a run ends well without one."""
    episodes = sorted(experiment.data.evaluator.episodes, key=lambda episode: episode.episode_return)
    game, path = experiment.data.evaluator.make_evaluation_game(1), folder.path / "videos" / "evaluation.mp4"
    try:
        write_video(path, game, episodes[len(episodes) // 2])
    except Exception as error:  # every renderer has errors of its own
        folder.log(f"No video could be made: {sentence_of(error)}")
        folder.note(traceback.format_exc())
        return None
    finally:
        game.close()
    return path
