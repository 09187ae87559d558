"""Any Gymnasium environment with a Box observation, stepped by Gymnasium's own vector environments."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import FrameStackObservation, TransformObservation

import triptych.envs.catch  # noqa: F401  (registers Catch-v0)
from triptych.types import ConfigurationError, EnvSpec, Received


class Gymnasium:
    """N copies of a Gymnasium environment.

    Args:
        id: as registered with Gymnasium, ``CartPole-v1``; ``module:Name-v0`` imports the module first.
        num_envs: copies that step together.
        frame_stack: last frames that make one observation; for images ``[H, W]`` without a channel axis.
        use_processes: one process per copy (`AsyncVectorEnv`); pays only for slow environments.
        solved_return: mean evaluation return from which the environment counts as solved; by default the
            ``reward_threshold`` of its registration.
        make_kwargs: further keywords of ``gymnasium.make``.
    """

    def __init__(
        self,
        id: str,
        num_envs: int,
        *,
        frame_stack: int = 1,
        use_processes: bool = False,
        solved_return: float | None = None,
        make_kwargs: dict[str, Any] | None = None,
    ) -> None:
        self._id, self._frame_stack, self._make_kwargs = id, frame_stack, dict(make_kwargs or {})
        try:
            module, _, name = id.rpartition(":")
            if module:
                importlib.import_module(module)
            threshold = gymnasium.spec(name).reward_threshold
            single = gymnasium.make(id, **self._make_kwargs)
        except (gymnasium.error.Error, ImportError, TypeError) as error:
            raise ConfigurationError(f"env.id={id} cannot be made by Gymnasium: {error}") from error
        single_space = single.observation_space
        single.close()
        if frame_stack > 1 and not _is_plain_frame(single_space):
            raise ConfigurationError(
                f"env.frame_stack={frame_stack} is for images without a channel axis, but env.id={id} shows "
                f"{single_space}; use env.frame_stack=1."
            )
        vector_class = AsyncVectorEnv if use_processes else SyncVectorEnv
        self._envs = vector_class([self._make] * num_envs, autoreset_mode=AutoresetMode.NEXT_STEP)
        self.num_envs = num_envs
        self._sent: np.ndarray | None = None

        observation_space, action_space = self._envs.single_observation_space, self._envs.single_action_space
        if not isinstance(observation_space, Box):
            raise ConfigurationError(
                f"env.id={id} has observations of type {type(observation_space).__name__}; only Box is supported. "
                "Wrap it with gymnasium.wrappers.FlattenObservation under an id of your own."
            )
        is_image = observation_space.dtype == np.uint8 and len(observation_space.shape) == 3
        if isinstance(action_space, Discrete):
            if action_space.start != 0:
                raise ConfigurationError(
                    f"env.id={id} numbers its actions from {action_space.start}; only 0 is supported."
                )
            actions: dict[str, Any] = {"num_actions": int(action_space.n)}
        elif isinstance(action_space, Box):
            actions = {
                "num_actions": None,
                "action_shape": action_space.shape,
                "action_low": tuple(float(x) for x in action_space.low.ravel()),
                "action_high": tuple(float(x) for x in action_space.high.ravel()),
            }
        else:
            raise ConfigurationError(
                f"env.id={id} has actions of type {type(action_space).__name__}; use Discrete or Box."
            )
        self._dtype = np.dtype(np.uint8 if is_image else np.float32)
        self.spec = EnvSpec(
            name=name,
            protocol="none",
            observation_shape=tuple(observation_space.shape),
            observation_dtype=self._dtype.name,
            frame_stack=frame_stack if is_image else 1,
            solved_return=threshold if solved_return is None else solved_return,
            **actions,
        )

    def _make(self) -> gymnasium.Env:
        env = gymnasium.make(self._id, **self._make_kwargs)
        if _is_plain_frame(env.observation_space):
            env = FrameStackObservation(env, self._frame_stack)
        elif _has_channels_last(env.observation_space):
            env = _channels_first(env)
        return env

    def reset(self, seeds: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        all_seeds: list[int | None] = [None] * self.num_envs
        for env_index, seed in zip(np.flatnonzero(mask), seeds, strict=True):
            all_seeds[env_index] = int(seed)
        observation, info = self._envs.reset(seed=all_seeds, options={"reset_mask": mask.copy()})
        return observation.astype(self._dtype), self._lives(info)

    def send(self, action: np.ndarray) -> None:
        if isinstance(self._envs, AsyncVectorEnv):
            self._envs.step_async(action)
        else:
            self._sent = action

    def receive(self) -> Received:
        if isinstance(self._envs, AsyncVectorEnv):
            observation, reward, terminated, truncated, info = self._envs.step_wait()
        else:
            observation, reward, terminated, truncated, info = self._envs.step(self._sent)
        return Received(
            observation.astype(self._dtype),
            reward.astype(np.float32),
            terminated,
            truncated,
            self._lives(info),
        )

    def _lives(self, info: dict[str, Any]) -> np.ndarray:
        return np.asarray(info.get("lives", np.zeros(self.num_envs)), dtype=np.int64)

    def replay(self, seed: int, actions: Sequence[object]) -> Iterator[tuple[np.ndarray, float]]:
        env = gymnasium.make(self._id, render_mode="rgb_array", **self._make_kwargs)
        try:
            env.reset(seed=seed)
            yield np.asarray(env.render()), 0.0
            for action in actions:
                _, reward, *_ = env.step(action)
                yield np.asarray(env.render()), float(reward)
        finally:
            env.close()

    def measure_frame_skip(self) -> int:
        return 1

    def close(self) -> None:
        self._envs.close()


def _is_plain_frame(space: gymnasium.Space) -> bool:
    return isinstance(space, Box) and space.dtype == np.uint8 and len(space.shape) == 2


def _has_channels_last(space: gymnasium.Space) -> bool:
    if not isinstance(space, Box) or space.dtype != np.uint8 or len(space.shape) != 3:
        return False
    return space.shape[2] <= 4 < space.shape[0]


def _channels_first(env: gymnasium.Env) -> gymnasium.Env:
    space = env.observation_space
    assert isinstance(space, Box)
    turned = Box(np.moveaxis(space.low, -1, 0), np.moveaxis(space.high, -1, 0), dtype=np.uint8)
    return TransformObservation(env, lambda observation: np.moveaxis(observation, -1, 0), turned)
