"""Atari 2600 through ale-py's vector environment: emulation and preprocessing run in C++ threads."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import numpy as np
from ale_py import roms
from ale_py.vector_env import AtariVectorEnv
from gymnasium.spaces import Discrete

from triptych.envs.scores import atari_scores
from triptych.types import ConfigurationError, EnvSpec, Received
from triptych.types.bounds import MAX_SEED, Between, Fraction

EMULATOR_FPS = 60  # of the console, whose time a player sees
# These four end the whole process from C++ when the vector environment starts them.
UNPLAYABLE = frozenset({"combat", "joust", "maze_craze", "warlords"})


def games() -> list[str]:
    """Name every ROM that can be played, sorted."""
    return sorted(set(roms.get_all_rom_ids()) - UNPLAYABLE)


class Atari:
    """N copies of one Atari game.

    Args:
        game: ROM name in snake case, ``ms_pacman``.
        num_envs: copies that step together.
        protocol: name of the evaluation protocol, kept on the spec.
        full_action_space: all 18 joystick actions instead of the game's minimal set.
        frame_skip: frames for which an action is held; the last two are max-pooled.
        frame_stack: grey frames in one observation.
        image_size: side of the square observation in pixels.
        repeat_action_prob: sticky actions (Machado et al. 2018, section 5).
        noop_max: most no-ops at the start of an episode (Mnih et al. 2015, Methods).
        fire_on_reset: press FIRE at the start where the game has it.
        max_frames_per_episode: after which an episode is truncated.
        solved_return: mean evaluation return from which the game counts as solved.
        num_threads: emulator threads, 0 for one per core.
    """

    def __init__(
        self,
        game: str,
        num_envs: Annotated[int, Between(1, 10_000)],
        *,
        protocol: str = "nature",
        full_action_space: bool = False,
        frame_skip: Annotated[int, Between(1, 1000)] = 4,
        frame_stack: Annotated[int, Between(1, 255)] = 4,
        image_size: Annotated[int, Between(1, 1024)] = 84,
        repeat_action_prob: Fraction = 0.0,
        noop_max: Annotated[int, Between(0, 10_000)] = 30,
        fire_on_reset: bool = False,
        max_frames_per_episode: Annotated[int, Between(1, MAX_SEED)] = 108_000,
        solved_return: float | None = None,
        num_threads: Annotated[int, Between(0, 1024)] = 0,
    ) -> None:
        if game in UNPLAYABLE:
            raise ConfigurationError(f"env={game} cannot be played: its ROM ends the process. Choose another game.")
        if game not in games():
            raise ConfigurationError(f"env.game={game} is not a ROM; the names are those of env=, such as ms_pacman.")
        # Every setting is written out: the library's own defaults clip rewards and leave sticky actions out.
        self._settings: dict[str, Any] = {
            "full_action_space": full_action_space,
            "frameskip": frame_skip,
            "maxpool": True,
            "repeat_action_probability": repeat_action_prob,
            "noop_max": noop_max,
            "use_fire_reset": fire_on_reset,
            "max_num_frames_per_episode": max_frames_per_episode,
            "reward_clipping": False,
            "episodic_life": False,
            "life_loss_info": False,
            "autoreset_mode": "NextStep",
        }
        self._game = game
        self._envs = AtariVectorEnv(
            game,
            num_envs,
            img_height=image_size,
            img_width=image_size,
            grayscale=True,
            stack_num=frame_stack,
            num_threads=num_threads,
            **self._settings,
        )
        self.num_envs = num_envs
        random_score, human_score = atari_scores().get(game, (None, None))
        assert isinstance(self._envs.single_action_space, Discrete)
        self.spec = EnvSpec(
            name=game,
            protocol=protocol,
            observation_shape=(frame_stack, image_size, image_size),
            observation_dtype="uint8",
            frame_stack=frame_stack,
            num_actions=int(self._envs.single_action_space.n),
            frame_skip=frame_skip,
            random_score=random_score,
            human_score=human_score,
            solved_return=solved_return,
            num_starts=max(noop_max, 1) if repeat_action_prob == 0 else None,
            render_fps=max(EMULATOR_FPS / frame_skip, 1.0),
            action_names=tuple(action.name.lower() for action in self._envs.ale.get_action_set()),
        )

    def start_of(self, seed: int) -> int:
        """Return the no-ops at the start, which are all that a seed decides without sticky actions.

        The emulator draws them from the first 32 bits of a Mersenne twister, as GNU's standard library does.
        """
        bits = int(np.random.RandomState(seed)._bit_generator.random_raw())  # type: ignore[attr-defined]
        return bits * self._settings["noop_max"] >> 32

    def reset(self, seeds: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        observation, info = self._envs.reset(seed=seeds, options={"reset_mask": mask})
        return observation, info["lives"].astype(np.int64)

    def send(self, action: np.ndarray) -> None:
        self._envs.send(action)

    def receive(self) -> Received:
        observation, reward, terminated, truncated, info = self._envs.recv()
        return Received(observation, reward.astype(np.float32), terminated, truncated, info["lives"].astype(np.int64))

    def replay(self, seed: int, actions: Sequence[object]) -> Iterator[tuple[np.ndarray, float]]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            colour = AtariVectorEnv(
                self._game,
                1,
                img_height=210,
                img_width=160,
                grayscale=False,
                stack_num=1,
                num_threads=1,
                **self._settings,
            )
        try:
            observation, _ = colour.reset(seed=np.array([seed]))
            yield observation[0, -1].copy(), 0.0
            for action in actions:
                colour.send(np.array([action], dtype=np.int64))
                observation, reward, *_ = colour.recv()
                yield observation[0, -1].copy(), float(reward[0])
        finally:
            colour.close()

    def measure_frame_skip(self) -> int:
        _, before = self._envs.reset(seed=0)
        self._envs.send(np.zeros(self.num_envs, dtype=np.int64))
        after = self._envs.recv()[-1]
        return int((after["frame_number"] - before["frame_number"])[0])

    def close(self) -> None:
        self._envs.close()
