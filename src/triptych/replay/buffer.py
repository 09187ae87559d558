"""Replay: an accumulator that closes windows, a store of frames, and a sampler that chooses among them."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from triptych.replay.accumulator import NStepAccumulator
from triptych.replay.frame_store import FrameStore
from triptych.replay.samplers import PrioritizedSampler, Sampler, UniformSampler
from triptych.replay.sum_tree import SumTree
from triptych.types import ConfigurationError, EnvSpec, Segment, Step, Transition

NUM_SAVES = 3  # on disk at once: the last, the one before it, and the next until it is whole


class Draw(NamedTuple):
    """What was drawn from replay; leading axis B."""

    sample: Transition | Segment
    weight: Tensor  # [B] importance weights
    indices: np.ndarray  # [B] where to send their priorities


def rows_per_env(capacity_env_steps: int, num_envs: int) -> int:
    """Return how many frames each environment's ring holds."""
    return math.ceil(capacity_env_steps / num_envs)


def frames_nbytes(capacity_env_steps: int, num_envs: int, spec: EnvSpec) -> int:
    """Return the bytes that the frames of a replay of this capacity take."""
    frame_size = math.prod(spec.observation_shape) // spec.frame_stack
    itemsize = np.dtype(spec.observation_dtype).itemsize
    return rows_per_env(capacity_env_steps, num_envs) * num_envs * frame_size * itemsize


def saved_steps(capacity_env_steps: int, save_period_env_steps: int) -> int:
    """Return the env steps whose frames lie on disk at most, where no two saves are more than a period apart.

    A save reaches back over the capacity, its oldest file by up to a period more, and two saves come after it. Each
    episode adds the ``frame_stack`` rows of its first stack.
    """
    return capacity_env_steps + NUM_SAVES * min(save_period_env_steps, capacity_env_steps)


def check_holds(capacity_env_steps: int, num_envs: int, spec: EnvSpec, reach: int) -> None:
    """Raise `ConfigurationError` if no environment's ring could hold all that one draw needs."""
    num_rows, smallest = rows_per_env(capacity_env_steps, num_envs), spec.frame_stack + reach + 1
    if num_rows < smallest:
        raise ConfigurationError(
            f"algo.replay.capacity_env_steps={capacity_env_steps} leaves {num_rows} steps for each of "
            f"{num_envs} environments, which need {smallest}; it takes more than {(smallest - 1) * num_envs} in all."
        )


class FrameReplay:
    """Remembers the last ``capacity_env_steps`` steps of N environments: one frame a row, and what is known of it.

    Args:
        spec: of the environments.
        num_envs: N.
        capacity_env_steps: steps remembered over all environments.
        reach: steps beyond an observation that belong to what is drawn with it.
        seed: of the draws.
        is_prioritized: draw in proportion to priority instead of uniformly.
        priority_exponent, importance_exponent_start, importance_anneal_env_steps: see `PrioritizedSampler`.
        storage: ``memory``, ``disk`` (memory-mapped under ``directory``) or ``device``.
        device: for ``storage=device``.
        directory: for ``storage=disk``.
    """

    def __init__(
        self,
        spec: EnvSpec,
        num_envs: int,
        *,
        capacity_env_steps: int,
        reach: int,
        seed: int,
        is_prioritized: bool = False,
        priority_exponent: float = 0.6,
        importance_exponent_start: float = 0.4,
        importance_anneal_env_steps: int = 1_000_000,
        storage: str = "memory",
        device: str | torch.device = "cpu",
        directory: Path | None = None,
    ) -> None:
        num_rows = rows_per_env(capacity_env_steps, num_envs)
        check_holds(capacity_env_steps, num_envs, spec, reach)
        if storage == "disk" and directory is None:
            raise ValueError("storage=disk needs a directory.")
        self.num_envs, self.rows_per_env = num_envs, num_rows
        self.store = FrameStore(
            num_envs,
            num_rows,
            spec.observation_shape,
            spec.observation_dtype,
            spec.frame_stack,
            device=device if storage == "device" else "cpu",
            path=directory / "ring.bin" if storage == "disk" and directory is not None else None,
        )
        size = num_envs * num_rows
        self.sampler: Sampler = (
            PrioritizedSampler(
                size,
                seed,
                priority_exponent=priority_exponent,
                importance_exponent_start=importance_exponent_start,
                importance_anneal_env_steps=importance_anneal_env_steps,
            )
            if is_prioritized
            else UniformSampler(num_envs, num_rows, seed)
        )
        self.arrays = {name: np.zeros((size, *shape), dtype) for name, (shape, dtype) in self.fields(spec).items()}
        self._all_envs = np.arange(num_envs)
        self._saved_cursor = np.zeros(num_envs, dtype=np.int64)
        self._chunks: list[dict[str, Any]] = []

    @classmethod
    def fields(cls, spec: EnvSpec) -> dict[str, tuple[tuple[int, ...], Any]]:
        """Name what is known of each row beside its frame, with shape and type; a subclass adds to it."""
        action_dtype = np.float32 if spec.num_actions is None else np.int64
        return {"action": (spec.action_shape, action_dtype), "reward": ((), np.float32), "discount": ((), np.float32)}

    @classmethod
    def nbytes(cls, capacity_env_steps: int, num_envs: int, spec: EnvSpec, is_prioritized: bool = False) -> int:
        """Return all bytes that a full replay of this capacity takes."""
        num_rows = rows_per_env(capacity_env_steps, num_envs) * num_envs
        per_row = sum(math.prod(shape) * np.dtype(dtype).itemsize for shape, dtype in cls.fields(spec).values())
        sampler = SumTree.nbytes(num_rows) if is_prioritized else num_rows
        return frames_nbytes(capacity_env_steps, num_envs, spec) + num_rows * per_row + sampler

    @staticmethod
    def reach(**replay: Any) -> int:
        """Return the steps beyond an observation that belong to what is drawn with it, for these keywords."""
        raise NotImplementedError

    def __len__(self) -> int:
        """Count what can be drawn."""
        return self.sampler.num_enabled

    def _add_frames(self, step: Step) -> np.ndarray:
        """Store the frames of one vector step and its actions; return the rows ``[N]`` of its observations."""
        (first,) = np.nonzero(step.is_first)
        if len(first):
            self._forget_open(first)  # where a new collector took over, nobody closed what was open
            # Each frame of the first stack takes a row; nothing starts at any but the last of them.
            stack = step.observation[first] if self.store.frame_stack > 1 else step.observation[first][:, None]
            for position in range(stack.shape[1]):
                self._append(first, stack[:, position])
        row = (self.store.cursor - 1) % self.rows_per_env
        self.arrays["action"][self._all_envs * self.rows_per_env + row] = step.action
        self._append(self._all_envs, self.store.newest_frame(step.next_observation))
        return row

    def _append(self, env_index: np.ndarray, frames: np.ndarray) -> None:
        row = self.store.append(env_index, frames)
        # A stack that used to end up to frame_stack - 1 rows later has lost a frame.
        lost = (row[:, None] + np.arange(self.store.frame_stack)) % self.rows_per_env
        self.sampler.disable((env_index[:, None] * self.rows_per_env + lost).ravel())

    def _forget_open(self, env_index: np.ndarray | slice) -> None:
        """Forget what was still waiting for later steps of some environments."""
        raise NotImplementedError

    def update_priorities(self, index: np.ndarray, priorities: np.ndarray) -> None:
        """Set the priorities ``[B]`` of what was drawn at ``index [B]``."""
        self.sampler.update(index, priorities)

    def save(self, directory: Path, name: str) -> None:
        """Save incrementally: the rows since the last save go to a new file, the small arrays to an index file.

        Nothing that an earlier save wrote is touched; `prune` removes what no checkpoint needs.
        """
        directory.mkdir(parents=True, exist_ok=True)
        chunk_path = directory / f"frames-{name}.bin"
        if (self.store.cursor > self._saved_cursor).any():
            self._chunks.append(self.store.save_new_rows(chunk_path, self._saved_cursor))
            self._saved_cursor = self.store.cursor.copy()
        oldest = self.store.cursor - self.rows_per_env
        self._chunks = [chunk for chunk in self._chunks if (np.array(chunk["last"]) > oldest).any()]
        state = {
            "shape": [self.num_envs, self.rows_per_env],
            "cursor": self.store.cursor.tolist(),
            "chunks": json.dumps(self._chunks),
            "sampler": self.sampler.state_dict(),
            **{array_name: torch.from_numpy(array) for array_name, array in self.arrays.items()},
            **self._state(),
        }
        temporary = directory / f"index-{name}.tmp"
        torch.save(state, temporary)
        temporary.replace(directory / f"index-{name}.pt")

    def load(self, directory: Path, name: str) -> None:
        """Restore what `save` wrote under this name. What was open then is dropped.

        Raises:
            OSError: a file is missing or cut short.
            ValueError: it was saved from a replay of another shape.
        """
        state = _read_index(directory / f"index-{name}.pt")
        if state["shape"] != [self.num_envs, self.rows_per_env]:
            raise ValueError(
                f"The saved replay has {state['shape'][0]} rings of {state['shape'][1]} rows, "
                f"this one {self.num_envs} of {self.rows_per_env}."
            )
        self._chunks = json.loads(state["chunks"])
        for chunk in self._chunks:
            self.store.load_rows(directory / chunk["file"], chunk)
        self.store.cursor[:] = state["cursor"]
        self._saved_cursor = self.store.cursor.copy()
        for array_name, array in self.arrays.items():
            array[...] = state[array_name].numpy()
        self.sampler.load_state_dict(state["sampler"])
        self._load_state(state)
        self._forget_open(slice(None))

    def _state(self) -> dict[str, Any]:
        """Return what a subclass saves besides."""
        return {}

    def _load_state(self, state: dict[str, Any]) -> None:
        """Take back what `_state` returned."""


class ReplayBuffer(FrameReplay):
    """Remembers transitions.

    Args:
        n_step: longest window.
        discount: γ.
        The rest: see `FrameReplay`.
    """

    def __init__(self, spec: EnvSpec, num_envs: int, *, n_step: int, discount: float, **kwargs: Any) -> None:
        super().__init__(spec, num_envs, reach=self.reach(n_step=n_step), **kwargs)
        self.accumulator = NStepAccumulator(num_envs, n_step, discount)

    @classmethod
    def fields(cls, spec: EnvSpec) -> dict[str, tuple[tuple[int, ...], Any]]:
        return super().fields(spec) | {"num_steps": ((), np.uint8)}

    @staticmethod
    def reach(**replay: Any) -> int:
        return replay["n_step"]

    def _forget_open(self, env_index: np.ndarray | slice) -> None:
        self.accumulator.reset(env_index)

    def add(self, step: Step) -> None:
        """Add one vector step."""
        row = self._add_frames(step)
        windows = self.accumulator.add(step.reward, step.discount, step.is_last)
        opened = (row[windows.env_index] + 1 - windows.num_steps) % self.rows_per_env
        index = windows.env_index * self.rows_per_env + opened
        self.arrays["reward"][index] = windows.reward
        self.arrays["discount"][index] = windows.discount
        self.arrays["num_steps"][index] = windows.num_steps
        self.sampler.enable(index)

    def sample(self, batch_size: int, env_steps: int) -> Draw:
        """Draw transitions, with replacement; ``env_steps`` is the clock of the importance exponent."""
        index, weight = self.sampler.draw(batch_size, env_steps)
        row = index % self.rows_per_env
        next_index = index - row + (row + self.arrays["num_steps"][index]) % self.rows_per_env
        transition = Transition(
            observation=self.store.gather(torch.from_numpy(index)),
            action=torch.from_numpy(self.arrays["action"][index]),
            reward=torch.from_numpy(self.arrays["reward"][index]),
            discount=torch.from_numpy(self.arrays["discount"][index]),
            next_observation=self.store.gather(torch.from_numpy(next_index)),
        )
        return Draw(transition, torch.from_numpy(weight), index)


def prune(directory: Path, names: set[str]) -> None:
    """Delete the replay files that none of the saves ``names`` refers to."""
    needed = set()
    for name in names:
        index = directory / f"index-{name}.pt"
        if index.exists():
            needed.add(index.name)
            needed |= {chunk["file"] for chunk in json.loads(_read_index(index)["chunks"])}
    for pattern in ("index-*", "frames-*"):
        for path in directory.glob(pattern):
            if path.name not in needed:
                path.unlink()


def check_saved(directory: Path, name: str) -> None:
    """Raise `OSError` if a file of the save ``name`` is missing or cut short."""
    for chunk in json.loads(_read_index(directory / f"index-{name}.pt")["chunks"]):
        if (directory / chunk["file"]).stat().st_size != chunk["nbytes"]:
            raise OSError(f"{directory / chunk['file']} is cut short")


def _read_index(path: Path) -> dict[str, Any]:
    try:
        return torch.load(path, weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise OSError(f"{path} is cut short") from error
