"""Any Gymnasium environment with a Box observation, stepped by Gymnasium's own vector environments."""

from __future__ import annotations

import contextlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import FrameStackObservation, TransformObservation

import triptych.envs.catch  # noqa: F401  (registers Catch-v0)
from triptych.envs import mujoco
from triptych.envs.extras import require_extra
from triptych.envs.off_screen import off_screen
from triptych.envs.processes import ProcessVectorEnv
from triptych.types import ConfigurationError, EnvSpec, NoPicture, Received
from triptych.types.bounds import Between

Wrapper = Callable[[gymnasium.Env], gymnasium.Env]


class Gymnasium:
    """N copies of a Gymnasium environment.

    Continuous actions, ``[N, *action_shape]`` float32, are clipped to the bounds of the action space before they are
    played, here and in `replay`, so a Gaussian policy may send any finite number.

    Args:
        id: as registered with Gymnasium, ``CartPole-v1``; with the package that registers it where that is not
            Gymnasium itself, ``minigrid:MiniGrid-FourRooms-v0``.
        num_envs: copies that step together.
        wrappers: dotted names of what is put around each copy, the first one innermost, such as
            ``gymnasium.wrappers.FlattenObservation``; each is called with the environment alone.
        frame_stack: last frames that make one observation, for images: ``[frame_stack, H, W]`` of grey ones without a
            channel axis, ``[frame_stack · C, H, W]`` of others.
        use_processes: one process per copy (`ProcessVectorEnv`); pays only for slow environments.
        solved_return: mean evaluation return from which the environment counts as solved; by default the
            ``reward_threshold`` of its registration.
        make_kwargs: further keywords of ``gymnasium.make``.
    """

    def __init__(
        self,
        id: str,
        num_envs: Annotated[int, Between(1, 10_000)],
        *,
        wrappers: Sequence[str] = (),
        frame_stack: Annotated[int, Between(1, 255)] = 1,
        use_processes: bool = False,
        solved_return: float | None = None,
        make_kwargs: dict[str, Any] | None = None,
    ) -> None:
        self._id, self._frame_stack, self._make_kwargs = id, frame_stack, dict(make_kwargs or {})
        if require_extra(id) == "mujoco":
            mujoco.warn_through_python()
        try:
            single = gymnasium.make(id, **self._make_kwargs)
        except (gymnasium.error.Error, ImportError, TypeError) as error:
            raise ConfigurationError(f"env.id={id} cannot be made by Gymnasium: {error}") from error
        registration = single.spec
        assert registration is not None
        self._wrappers = [_find_wrapper(name) for name in _as_names(wrappers)]
        try:
            single = self._wrap(single)
        except Exception as error:  # every wrapper has errors of its own
            raise ConfigurationError(f"env.wrappers={wrappers} do not fit env.id={id}: {error}") from error
        single_space = single.observation_space
        single.close()
        if frame_stack > 1 and not _is_image(single_space):
            raise ConfigurationError(
                f"env.frame_stack={frame_stack} is for images, but env.id={id} shows {single_space}; "
                "use env.frame_stack=1."
            )
        vector_class = ProcessVectorEnv if use_processes else SyncVectorEnv
        self._envs = vector_class([self._make] * num_envs, autoreset_mode=AutoresetMode.NEXT_STEP)
        self.num_envs = num_envs
        self._sent: np.ndarray | None = None
        self._bounds: Box | None = None  # of continuous actions

        observation_space, action_space = self._envs.single_observation_space, self._envs.single_action_space
        if not isinstance(observation_space, Box):
            raise ConfigurationError(
                f"env.id={id} has observations of type {type(observation_space).__name__}; only Box is supported. "
                "Try env.wrappers=[gymnasium.wrappers.FlattenObservation]."
            )
        is_image = observation_space.dtype == np.uint8 and len(observation_space.shape) == 3
        if isinstance(action_space, Discrete):
            if action_space.start != 0:
                raise ConfigurationError(
                    f"env.id={id} numbers its actions from {action_space.start}; only 0 is supported."
                )
            actions: dict[str, Any] = {"num_actions": int(action_space.n)}
        elif isinstance(action_space, Box):
            self._bounds = action_space
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
            name=registration.id,
            protocol="none",
            observation_shape=tuple(observation_space.shape),
            observation_dtype=self._dtype.name,
            frame_stack=frame_stack if is_image else 1,
            solved_return=registration.reward_threshold if solved_return is None else solved_return,
            **actions,
        )

    def _wrap(self, env: gymnasium.Env) -> gymnasium.Env:
        for wrapper in self._wrappers:
            env = wrapper(env)
        return env

    def _make(self) -> gymnasium.Env:
        env = self._wrap(gymnasium.make(self._id, **self._make_kwargs))
        if _is_plain_frame(env.observation_space):
            return FrameStackObservation(env, self._frame_stack)
        if _has_channels_last(env.observation_space):
            env = _channels_first(env)
        return _stack_channels(env, self._frame_stack) if self._frame_stack > 1 else env

    def reset(self, seeds: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        all_seeds: list[int | None] = [None] * self.num_envs
        for env_index, seed in zip(np.flatnonzero(mask), seeds, strict=True):
            all_seeds[env_index] = int(seed)
        observation, info = self._envs.reset(seed=all_seeds, options={"reset_mask": mask.copy()})
        return observation.astype(self._dtype), self._lives(info)

    def send(self, action: np.ndarray) -> None:
        action = self._within_bounds(action)
        if isinstance(self._envs, ProcessVectorEnv):
            self._envs.step_async(action)
        else:
            self._sent = action

    def receive(self) -> Received:
        if isinstance(self._envs, ProcessVectorEnv):
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

    def _within_bounds(self, action: Any) -> Any:
        """Clip continuous actions ``[..., *action_shape]`` to their bounds; leave discrete ones as they are.

        Raises:
            ValueError: an action is infinite or not a number.
        """
        if self._bounds is None:
            return action
        if not np.isfinite(action).all():
            raise ValueError(f"{self.spec.name} was sent an action that is infinite or not a number: {action}")
        return np.clip(action, self._bounds.low, self._bounds.high).astype(self._bounds.dtype)

    def _lives(self, info: dict[str, Any]) -> np.ndarray:
        return np.asarray(info.get("lives", np.zeros(self.num_envs)), dtype=np.int64)

    def replay(self, seed: int, actions: Sequence[object]) -> Iterator[tuple[np.ndarray, float]]:
        with self._drawing():
            env = self._wrap(gymnasium.make(self._id, **self._make_kwargs, render_mode="rgb_array"))
        try:
            env.reset(seed=seed)
            with off_screen():
                first = self._picture(env)
            yield first, 0.0
            for action in actions:
                _, reward, *_ = env.step(self._within_bounds(action))
                yield self._picture(env), float(np.float32(reward))  # as rounded as in `receive`
        finally:
            env.close()

    def _picture(self, env: gymnasium.Env) -> np.ndarray:
        with self._drawing():
            picture = np.asarray(env.render())
            if picture.ndim != 3:
                raise ValueError(f"render() returns no picture [H, W, 3] but {picture}")
            return picture

    @contextlib.contextmanager
    def _drawing(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # every renderer has errors of its own
            sentence = (str(error).strip().splitlines() or ["no message"])[0]
            raise NoPicture(f"{self.spec.name} cannot be drawn here: {type(error).__name__}: {sentence}") from error

    def measure_frame_skip(self) -> int:
        return 1

    def close(self) -> None:
        self._envs.close()


def _as_names(wrappers: Sequence[str]) -> Sequence[str]:
    if isinstance(wrappers, str):
        raise ConfigurationError(f"env.wrappers={wrappers} must be a list: env.wrappers=[{wrappers}].")
    return wrappers


def _find_wrapper(name: str) -> Wrapper:
    try:
        return pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"env.wrappers={name} cannot be imported: {error}") from error


def _is_plain_frame(space: gymnasium.Space) -> bool:
    return isinstance(space, Box) and space.dtype == np.uint8 and len(space.shape) == 2


def _is_image(space: gymnasium.Space) -> bool:
    return isinstance(space, Box) and space.dtype == np.uint8 and len(space.shape) in (2, 3)


def _has_channels_last(space: gymnasium.Space) -> bool:
    if not isinstance(space, Box) or space.dtype != np.uint8 or len(space.shape) != 3:
        return False
    return space.shape[2] <= 4 < space.shape[0]


def _channels_first(env: gymnasium.Env) -> gymnasium.Env:
    space = env.observation_space
    assert isinstance(space, Box)
    turned = Box(np.moveaxis(space.low, -1, 0), np.moveaxis(space.high, -1, 0), dtype=np.uint8)
    return TransformObservation(env, lambda observation: np.moveaxis(observation, -1, 0), turned)


def _stack_channels(env: gymnasium.Env, frame_stack: int) -> gymnasium.Env:
    """Show the last frames ``[C, H, W]`` as one image ``[frame_stack · C, H, W]``."""
    stacked = FrameStackObservation(env, frame_stack)
    space = stacked.observation_space
    assert isinstance(space, Box)
    shape = (-1, *space.shape[2:])
    joined = Box(space.low.reshape(shape), space.high.reshape(shape), dtype=np.uint8)
    return TransformObservation(stacked, lambda observation: np.reshape(observation, shape), joined)
