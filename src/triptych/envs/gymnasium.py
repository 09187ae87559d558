"""Any Gymnasium environment, stepped by Gymnasium's own vector environments."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import triptych.envs.catch
import triptych.envs.maze
import triptych.envs.recommender
import triptych.envs.vizdoom  # noqa: F401  (they register theirs)
from triptych.envs import masks, mujoco, robotics
from triptych.envs.extras import require_extra
from triptych.envs.goals import goal_rule
from triptych.envs.interface import what_is_wrong
from triptych.envs.making import told_by_setting
from triptych.envs.nested_actions import as_numbers_of
from triptych.envs.off_screen import off_screen
from triptych.envs.plain import Plain
from triptych.envs.processes import ProcessVectorEnv
from triptych.envs.spaces import Layout, action_rule, observation_rule
from triptych.envs.tables import num_states, table_model
from triptych.envs.wrappers import find_wrapper, stack_channels
from triptych.types import (
    ConfigurationError,
    EnvSpec,
    GoalRule,
    NoPicture,
    ObservationParts,
    Received,
    TableModel,
)
from triptych.types.bounds import Between


class _Seen(NamedTuple):
    """What one environment says of itself."""

    registration: Any
    space: gymnasium.Space  # with its wrappers
    render_fps: float
    model: TableModel | None  # of one of numbered states without wrappers
    action_names: tuple[str, ...]
    has_mask: bool  # it says which actions are allowed
    goals: GoalRule | None
    actions: gymnasium.Space


class Gymnasium:
    """N copies of a Gymnasium environment.

    What observations and actions of each kind of space become is told in `triptych.envs.spaces`. Continuous actions,
    ``[N, *action_shape]`` float32, are clipped to the bounds of the action space before they are played, here and in
    `replay`, so a Gaussian policy may send any finite number. Nested actions come as flat rows
    (`triptych.envs.nested_actions`).

    Args:
        id: as registered with Gymnasium, ``CartPole-v1``; with the module that registers it where that is not
            Gymnasium itself, ``minigrid:MiniGrid-FourRooms-v0``.
        num_envs: copies that step together.
        observations: what they are, where the rule cannot know or is wrong: ``vector``, ``channels_first`` or
            ``channels_last``.
        wrappers: what is put around each copy, the first one innermost: dotted names, such as
            ``gymnasium.wrappers.FlattenObservation``, or dicts of a name as ``_target_`` and further keywords.
        frame_stack: last pictures that make one observation, ``[frame_stack · C, H, W]``.
        use_processes: one process per copy (`ProcessVectorEnv`); pays only for slow environments.
        solved_return: mean evaluation return from which the environment counts as solved; by default the
            ``reward_threshold`` of its registration.
        make_kwargs: further keywords of ``gymnasium.make``.
        action_masks: whether ``info["action_mask"]`` says which actions are allowed. ``None``: where there is one, but
            not in environments of numbered states, whose tables have no place for it.
    """

    def __init__(
        self,
        id: str,
        num_envs: Annotated[int, Between(1, 10_000)],
        *,
        observations: Layout = "auto",
        wrappers: Sequence[str | dict[str, Any]] = (),
        frame_stack: Annotated[int, Between(1, 255)] = 1,
        use_processes: bool = False,
        solved_return: float | None = None,
        make_kwargs: dict[str, Any] | None = None,
        action_masks: bool | None = None,
    ) -> None:
        for key, value, kind in (("make_kwargs", make_kwargs or {}, dict), ("wrappers", wrappers, list | tuple)):
            if not isinstance(value, kind):
                named = "[]" if value is None else f"[{value}]"
                form = "a node of keywords, as env.make_kwargs.x=1" if kind is dict else f"a list, {named}"
                raise ConfigurationError(
                    f"env.{key}={'null' if value is None else value} is not allowed: it takes {form}."
                )
        self._id, self._frame_stack, self._make_kwargs = id, frame_stack, dict(make_kwargs or {})
        mode = self._make_kwargs.pop("render_mode", None)  # drawing is for `replay`
        if mode not in (None, "rgb_array"):
            raise ConfigurationError(
                f"env.make_kwargs.render_mode={mode} is not allowed: games are not shown while they are played; "
                "scripts/watch.py shows those of a run, callbacks.video=true films the last evaluation."
            )
        self._action_masks = action_masks
        self._wrappers = [find_wrapper(name) for name in wrappers]
        registration, space, render_fps, model, names, self._has_mask, goals, actions_seen = self._look_at_one()
        rule = observation_rule(space, observations, id)
        if frame_stack > 1 and rule.pixel_max is None:
            raise ConfigurationError(
                f"env.frame_stack={frame_stack} is for pictures, but env.id={id} shows {rule.sentence}; "
                "use env.frame_stack=1."
            )
        self._rule, self._actions = rule, action_rule(actions_seen, id)
        vector_class = ProcessVectorEnv if use_processes else SyncVectorEnv
        self._envs = vector_class([self._make] * num_envs, autoreset_mode=AutoresetMode.NEXT_STEP)
        self.num_envs = num_envs
        self._sent: np.ndarray | None = None
        actions = self._actions.spec
        shape, dtype = self._envs.single_observation_space.shape, self._envs.single_observation_space.dtype
        self._dtype = np.dtype(np.uint8 if rule.pixel_max is not None and dtype == np.uint8 else np.float32)
        parts = ObservationParts(self._shape_without_mask(), actions["num_actions"]) if self._has_mask else None
        self.spec = EnvSpec(
            name=registration.id,
            protocol="none",
            observation_shape=tuple(shape or ()),
            observation_dtype=self._dtype.name,
            pixel_max=rule.pixel_max,
            frame_stack=1 if self._has_mask else frame_stack,
            solved_return=registration.reward_threshold if solved_return is None else solved_return,
            reading=rule.sentence
            + (f", the last {frame_stack} of them" if frame_stack > 1 else "")
            + (", and which actions are allowed" if self._has_mask else ""),
            parts=parts,
            render_fps=render_fps,
            num_states=num_states(space),
            model=model,
            action_names=names if len(names) == actions.get("num_actions") else (),
            goals=goals,
            **actions,
        )

    def _look_at_one(self) -> _Seen:
        """Make one environment and return what it says of itself.

        Raises:
            ConfigurationError: it cannot be made, or its wrappers do not fit it.
        """
        with told_by_setting(self._id, self._make_kwargs):
            single = self._make_plain()
        registration = single.spec
        self._check_interface(single.unwrapped)
        try:
            single = self._wrap(single)
        except Exception as error:  # every wrapper has errors of its own
            raise ConfigurationError(f"env.wrappers do not fit env.id={self._id}: {error}") from error
        if self._wrappers:
            self._check_interface(single)
        model = None if self._wrappers else table_model(single)
        is_wanted, space = self._action_masks, single.observation_space
        is_wanted = num_states(space) is None if is_wanted is None else is_wanted
        names, has_mask = _action_names(single), is_wanted and masks.gives_mask(single, self._id)
        if self._action_masks and not has_mask:
            raise ConfigurationError(
                f'env.action_masks=true does not fit env.id={self._id}: its infos have no "action_mask" with a number '
                "for each of its discrete actions; leave it null."
            )
        goals = None if has_mask else goal_rule(single)
        spaces, fps = (single.observation_space, single.action_space), _render_fps(single)
        seen = _Seen(registration, spaces[0], fps, model, names, has_mask, goals, spaces[1])
        single.close()
        return seen

    def _check_interface(self, env: gymnasium.Env) -> None:
        wrong = what_is_wrong(env)
        if wrong is not None:
            raise ConfigurationError(f"env.id={self._id} does not keep to Gymnasium's interface: {wrong}.")

    def _make_plain(self, **more: Any) -> gymnasium.Env:
        """Make one copy as Gymnasium has it, with ``more`` keywords."""
        extra = require_extra(self._id)
        if extra in ("mujoco", "robotics"):
            mujoco.warn_through_python()
        if extra == "robotics":
            robotics.name_joints_by_number()
        return gymnasium.make(self._id, **self._make_kwargs, **more)

    def _wrap(self, env: gymnasium.Env) -> gymnasium.Env:
        for wrapper in self._wrappers:
            env = wrapper(env)
        return env

    def _make(self) -> gymnasium.Env:
        inner = self._wrap(self._make_plain())
        env = self._rule.wrap(self._actions.wrap(Plain(inner, self._has_mask)))
        env = stack_channels(env, self._frame_stack) if self._frame_stack > 1 else env
        return masks.MaskedObservation(env) if self._has_mask else env

    def _shape_without_mask(self) -> tuple[int, ...]:
        """Return the shape of what a network sees where a mask follows it."""
        env = self._make()
        assert isinstance(env, masks.MaskedObservation)
        shape = tuple(env.env.observation_space.shape or ())
        env.close()
        return shape

    def reset(self, seeds: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        all_seeds: list[int | None] = [None] * self.num_envs
        for env_index, seed in zip(np.flatnonzero(mask), seeds, strict=True):
            all_seeds[env_index] = int(seed)
        observation, info = self._envs.reset(seed=all_seeds, options={"reset_mask": mask.copy()})
        return observation.astype(self._dtype), self._lives(info)

    def send(self, action: np.ndarray) -> None:
        action = self._as_played(action)
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

    def _as_played(self, action: Any) -> Any:
        """Clip continuous actions ``[..., *action_shape]`` to their bounds; number discrete ones as they are there.

        Both get the type of their space, and numbers of a space of whole ones are rounded.

        Raises:
            ValueError: an action is infinite or not a number.
        """
        bounds, first = self._actions.bounds, self._actions.first
        if bounds is None:
            return np.asarray(action + first if first else action).astype(self._envs.single_action_space.dtype)[()]
        if not np.isfinite(action).all():
            raise ValueError(f"{self.spec.name} was sent an action that is infinite or not a number: {action}")
        return as_numbers_of(bounds, action)

    def _lives(self, info: dict[str, Any]) -> np.ndarray:
        return np.asarray(info.get("lives", np.zeros(self.num_envs)), dtype=np.int64)

    def replay(self, seed: int, actions: Sequence[object]) -> Iterator[tuple[np.ndarray, float]]:
        with self._drawing():
            plain = self._make_plain(render_mode="rgb_array")
            modes = plain.metadata.get("render_modes") if isinstance(plain.metadata, dict) else None
            if isinstance(modes, list) and "rgb_array" not in modes:
                raise ValueError(f"its metadata say render_modes={modes}")
            env = self._actions.wrap(Plain(self._wrap(plain)))
        try:
            env.reset(seed=seed)
            with off_screen():
                first = self._picture(env)
            yield first, 0.0
            for action in actions:
                _, reward, *_ = env.step(self._as_played(action))
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


def _render_fps(env: gymnasium.Env) -> float:
    """Return how many pictures an environment shows in a second, the usual number where it does not say."""
    metadata = getattr(env, "metadata", None)
    value: Any = metadata.get("render_fps") if isinstance(metadata, dict) else None
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return float(value) if is_number and 1 <= value <= 1000 else EnvSpec.render_fps


def _action_names(env: gymnasium.Env) -> tuple[str, ...]:
    """Return what an environment calls its actions, as ale-py and MiniGrid do; nothing where it does not say."""
    inner: Any = env.unwrapped
    try:
        meanings = getattr(inner, "get_action_meanings", None)
        return tuple(str(name).lower() for name in meanings()) if meanings else tuple(one.name for one in inner.actions)
    except Exception:  # an attribute of that name may be anything
        return ()
