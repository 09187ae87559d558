"""A game of a run, shown step by step: found, played with a checkpoint, and written to the run's folder."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from triptych.build import Experiment
from triptych.callbacks.video import write_pictures
from triptych.collect.recording import Recording, play, record
from triptych.data.starts import EVALUATE_STREAM
from triptych.files import read_json, write_text
from triptych.report.trees import TreePicture, draw_tree
from triptych.run.asked import Asked, training_episode
from triptych.run.lock import is_running
from triptych.run.restore import find_in_run, load_checkpoint, load_config, prepare
from triptych.run.weights import read_state
from triptych.types import EVALUATE, ConfigurationError, Game
from triptych.watch.board import Board
from triptych.watch.gif import stretch_of, write_gif
from triptych.watch.page import Frames, WatchedGame, html_page, steps_of_sheets
from triptych.watch.thoughts import think

LIVE_S = 5.0  # between two looks for a newer checkpoint, and of the page for a newer page


class Watch:
    """A run's environments and its module, with the weights of a checkpoint, on the CPU.

    Args:
        asked: what is to be watched.
        scratch: a folder for whatever the experiment might write; the run's own folder is only read.

    Raises:
        ConfigurationError: the folder, its config, the checkpoint or the episode cannot be used.
    """

    def __init__(self, asked: Asked, scratch: Path) -> None:
        self.asked = asked
        cfg = load_config(asked.folder, is_trusted=asked.is_trusted)
        self.trained = training_episode(asked) if asked.name.env_index is not None else None
        self.checkpoint, state = load_checkpoint(asked.folder, asked.checkpoint, cfg)
        self.experiment: Experiment = prepare(cfg, state, scratch, num_episodes=1, num_envs=1, accelerator="cpu")
        self.module, self.spec = self.experiment.module.cpu().eval(), self.experiment.spec
        summary = {}
        with contextlib.suppress(OSError, ValueError):
            summary = read_json(asked.folder / "summary.json")
        self.algo = str(summary.get("algo", type(self.module).__name__))

    def reload(self) -> None:
        """Take the weights that the checkpoint has now."""
        self.module.load_state_dict(read_state(self.checkpoint))

    def record(self, game: Game, max_steps: int) -> Recording:
        """Play the game, or a training episode again, in a game of one environment; ``max_steps`` at most."""
        self.module.on_test_start()
        episode = self.trained
        self.num_random_actions = 0
        if episode is None:
            evaluator = self.experiment.data.evaluator
            start = evaluator.starts(game, EVALUATE_STREAM, self.asked.name.episode_index + 1)[-1]
            most = min(max_steps, evaluator.plan.max_episode_steps)
            self.num_random_actions = start.num_random_actions
            episode = play(game, self._act, start.seed, start.num_random_actions, most)
        return record(game, episode, max_steps)

    @torch.no_grad()
    def _act(self, observation: np.ndarray) -> np.ndarray:
        return self.module.act(torch.from_numpy(observation), EVALUATE).action.numpy()

    def title(self) -> str:
        """Name the game."""
        kind = "training episode"
        if self.trained is None:
            kind = "game" if self.spec.num_players == 2 else "evaluation game"
        return f"{self.spec.name}, {kind} {self.asked.name}"

    def facts(self, recording: Recording) -> list[str]:
        """Return what is to be known of a game before it is looked at."""
        episode, total, steps = recording.episode, float(recording.rewards.sum()), len(recording.rewards)
        weights = f"{self.checkpoint.name} of {self.module.env_steps * self.spec.frame_skip:,} frames"
        of = " of who moved first" if self.spec.num_players == 2 else ""
        shown = f"return {total:g}{of} in {steps:,} steps" + ("" if recording.is_over else ", then cut")
        if self.trained is None:
            opening = f", after {self.num_random_actions} random actions" if self.num_random_actions else ""
            sides = " both sides" if self.spec.num_players == 2 else ""
            return [f"{self.algo} plays{sides} with {weights}{opening}", shown]
        played = f"as {self.algo} played it while learning, up to frame {episode.frames:,}"
        return [played, f"values and policies of {weights}", shown]

    def path(self, suffix: str) -> Path:
        """Return where a file about the game goes."""
        return self.asked.folder / "watch" / f"episode-{str(self.asked.name).replace('/', '-')}{suffix}"

    def show(self, *, has_video: bool = True, gif: tuple[int, int] | None = None, live_s: float | None = None) -> Shown:
        """Play and write the page, and the video; ``gif`` says of which steps there is to be one, ``(0, 0)`` to choose.

        Raises:
            NoPicture: nothing can be drawn, or the environment does not repeat its games.
        """
        game = self.experiment.data.make_game(1)
        try:
            recording = self.record(game, self.asked.max_steps)
            steps = steps_of_sheets(len(recording.rewards))
            self.module.on_test_start()
            thoughts = think(self.module, recording.observations, self.spec.is_image, steps)
            about = WatchedGame(self.title(), self.facts(recording), self.spec, recording, thoughts, live_s)
            frames = Frames(len(recording.rewards) + 1)
            drawn = self._frames(game, recording, frames)
            if has_video or gif is not None:
                self._write_videos(about, drawn, gif)
            else:
                deque(drawn, maxlen=0)
        finally:
            game.close()
        shown = Shown(about, frames)
        write_text(self.path(".html"), html_page(*shown))
        return shown

    def _frames(self, game: Game, recording: Recording, frames: Frames) -> Iterator[np.ndarray]:
        actions = recording.episode.actions[: len(recording.rewards)]
        for frame, _ in game.replay(recording.episode.seed, actions):
            frames.add(frame)
            yield frame

    def _write_videos(self, about: WatchedGame, drawn: Iterator[np.ndarray], gif: tuple[int, int] | None) -> None:
        parts, title = about[2:5], f"{self.algo}, {self.spec.name}"
        num_steps = len(about.recording.rewards)
        start, end = (stretch_of(about.recording.rewards) if gif == (0, 0) else gif) or (0, 0)
        if start > num_steps:
            raise ConfigurationError(f"--gif {start}:{end} is beyond the end: this game has {num_steps} steps.")
        board = Board(*parts, title)
        of_gif = Board(*parts, title, (start, min(end, num_steps))) if gif is not None else board
        kept: list[np.ndarray] = []

        def pictures() -> Iterator[np.ndarray]:
            for step, frame in enumerate(drawn):
                if start <= step < end:
                    kept.append(of_gif.draw(frame, step))
                yield board.draw(frame, step)

        write_pictures(self.path(".mp4"), pictures(), self.spec.render_fps)
        if kept:
            write_gif(self.path(".gif"), kept, self.spec.render_fps)

    @torch.no_grad()
    def draw_tree(self, path: Path, step: int, num_simulations: int | None) -> None:
        """Draw the tree that a planner searches at a step of the game.

        Raises:
            ConfigurationError: the game is shorter, or the algorithm plans nothing.
        """
        plan = getattr(self.module, "plan", None)
        if plan is None:
            raise ConfigurationError(
                f"--step draws the tree of a planner, and {type(self.module).__name__} plans nothing; leave --step "
                "out, or give the folder of a run with algo=muzero."
            )
        game = self.experiment.data.make_game(1)
        try:
            recording = self.record(game, step + 1)
            if len(recording.rewards) <= step:
                raise ConfigurationError(
                    f"--step {step} is beyond the end: this game has {len(recording.rewards)} steps."
                )
            seen = torch.from_numpy(recording.observations[step : step + 1])
            output = plan(seen, num_simulations or self.module.num_simulations, EVALUATE)
            actions = recording.episode.actions[:step]
            frame, _ = deque(game.replay(recording.episode.seed, actions), maxlen=1)[0]
        finally:
            game.close()
        tree = output.search_tree
        picture = TreePicture(
            parents=tree.parents[0].numpy(),
            actions=tree.action_from_parent[0].numpy(),
            visits=tree.node_visits[0].numpy(),
            values=tree.node_values[0].numpy(),
            chosen_action=int(output.action[0]),
            action_weights=output.action_weights[0].numpy(),
            action_names=self.spec.action_names,
        )
        draw_tree(path, picture, frame, f"{self.spec.name}, step {step}")


class Shown(NamedTuple):
    """A page that was written."""

    game: WatchedGame
    frames: Frames


def follow(asked: Asked, scratch: Path, say: Callable[[str], None], pause_s: float = LIVE_S) -> None:
    """Write the page, and write it anew whenever the checkpoint is a newer one, until the run ends.

    The run's lock is not taken and none of its files is touched but those in ``watch``.

    Raises:
        ConfigurationError: the folder or its config cannot be used, or the run has ended without a checkpoint.
    """
    watch, shown, written = None, None, None
    is_told = False
    for _ in itertools.count():
        is_live = is_running(asked.folder)
        try:
            stamp = find_in_run(asked.folder, asked.checkpoint).stat().st_mtime_ns
        except (ConfigurationError, FileNotFoundError):  # none yet, or just between two names
            if not is_live:
                raise
            stamp = None
            if not is_told:
                say("Waiting for the first checkpoint.")
                is_told = True
        if stamp is not None and stamp != written:
            if watch is None:
                watch = Watch(asked, scratch)
            else:
                watch.reload()
            shown = watch.show(has_video=False, live_s=pause_s if is_live else None)
            written = stamp
            say(f"{', '.join(shown.game.facts)}: {watch.path('.html')}")
        elif not is_live:
            break
        else:
            time.sleep(pause_s)
    if watch is not None and shown is not None:
        write_text(watch.path(".html"), html_page(shown.game._replace(live_s=None), shown.frames))
        say("The run has ended.")
