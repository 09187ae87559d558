"""What every replay is: a store of frames, what is known of each row, and a sampler that chooses among the rows."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from triptych.files import replacing, seal
from triptych.replay.frame_store import FrameStore
from triptych.replay.samplers import NewestSampler, PrioritizedSampler, Sampler, UniformSampler
from triptych.replay.saves import read_index
from triptych.types import ConfigurationError, EnvSpec, FictitiousSample, Segment, Step, StoredSequence, Transition
from triptych.types.bounds import Count, Fraction


class Draw(NamedTuple):
    """What was drawn from replay; leading axis B."""

    sample: Transition | Segment | StoredSequence | FictitiousSample
    weight: Tensor  # [B] importance weights
    indices: np.ndarray  # [B] where to send their priorities


def rows_per_env(capacity_env_steps: int, num_envs: int) -> int:
    """Return how many frames each environment's ring holds."""
    return math.ceil(capacity_env_steps / num_envs)


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
        history: rows before an observation that belong to it too.
        seed: of the draws.
        prioritized: draw in proportion to priority instead of uniformly.
        priority_exponent, importance_exponent_start, importance_anneal_env_steps, divide_importance_by_largest: see
            `PrioritizedSampler`.
        storage: ``memory``, ``disk`` (memory-mapped under ``directory``) or ``device``.
        device: for ``storage=device``.
        directory: for ``storage=disk``.
        num_newest: draw these many that came last, over and over, instead; ``None`` draws among all.
    """

    def __init__(
        self,
        spec: EnvSpec,
        num_envs: int,
        *,
        capacity_env_steps: Count | None,
        reach: int,
        seed: int,
        history: int = 0,
        prioritized: bool = False,
        priority_exponent: Fraction = 0.6,
        importance_exponent_start: Fraction = 0.4,
        importance_anneal_env_steps: Count = 1_000_000,
        divide_importance_by_largest: bool = True,
        storage: Literal["memory", "disk", "device"] = "memory",
        device: str | torch.device = "cpu",
        directory: Path | None = None,
        num_newest: int | None = None,
    ) -> None:
        if capacity_env_steps is None:
            raise ValueError("A replay needs a capacity; the data module says what null stands for.")
        num_rows = rows_per_env(capacity_env_steps, num_envs)
        check_holds(capacity_env_steps, num_envs, spec, reach + history)
        if storage == "disk" and directory is None:
            raise ValueError("storage=disk needs a directory.")
        self.num_envs, self.rows_per_env, self.history = num_envs, num_rows, history
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
        self.sampler: Sampler
        if num_newest is not None:
            self.sampler = NewestSampler(num_newest, seed)
        elif prioritized:
            self.sampler = PrioritizedSampler(
                size,
                seed,
                priority_exponent=priority_exponent,
                importance_exponent_start=importance_exponent_start,
                importance_anneal_env_steps=importance_anneal_env_steps,
                divide_importance_by_largest=divide_importance_by_largest,
            )
        else:
            self.sampler = UniformSampler(num_envs, num_rows, seed)
        self.arrays = {name: np.zeros((size, *shape), dtype) for name, (shape, dtype) in self.fields(spec).items()}
        self._all_envs = np.arange(num_envs)
        self._saved_cursor = np.zeros(num_envs, dtype=np.int64)
        self._chunks: list[dict[str, Any]] = []
        self._chance: list[Any] = []

    @classmethod
    def fields(cls, spec: EnvSpec) -> dict[str, tuple[tuple[int, ...], Any]]:
        """Name what is known of each row beside its frame, with shape and type; a subclass adds to it."""
        action = (spec.action_shape, spec.action_dtype)
        return {"action": action, "reward": ((), np.float32), "discount": ((), np.float32)}

    @staticmethod
    def reach(**replay: Any) -> int:
        """Return the steps beyond an observation that belong to what is drawn with it, for these keywords."""
        raise NotImplementedError

    @staticmethod
    def num_drawn(**replay: Any) -> int:
        """Return the observations that are drawn with each sample, for these keywords."""
        return 2

    @staticmethod
    def row_nbytes(**replay: Any) -> int:
        """Return the bytes of what is kept of each row beside its frame and its `fields`, for these keywords."""
        return 0

    @classmethod
    def more_nbytes(cls, spec: EnvSpec, **replay: Any) -> int:
        """Return the bytes of what is kept beside the rows, for these keywords."""
        return 0

    def __len__(self) -> int:
        """Count what can be drawn."""
        return self.sampler.num_enabled

    def _add_frames(self, step: Step) -> np.ndarray:
        """Store the frames of one vector step and its actions; return the rows ``[N]`` of its observations."""
        (first,) = np.nonzero(step.is_first)
        if len(first):
            self._forget_open(first)  # where a new collector took over, nobody closed what was open
            # Each frame of the first stack takes a row; nothing starts at any but the last of them.
            frames = self.store.frames_of(step.observation[first])
            for position in range(self.store.frame_stack):
                self._append(first, frames[:, position])
        row = (self.store.cursor - 1) % self.rows_per_env
        self.arrays["action"][self._all_envs * self.rows_per_env + row] = step.action
        self._append(self._all_envs, self.store.newest_frame(step.next_observation))
        return row

    def _append(self, env_index: np.ndarray, frames: np.ndarray) -> None:
        row = self.store.append(env_index, frames)
        # A stack that used to end up to frame_stack - 1 rows later has lost a frame, and what followed its history.
        lost = (row[:, None] + np.arange(self.store.frame_stack + self.history)) % self.rows_per_env
        self.sampler.disable((env_index[:, None] * self.rows_per_env + lost).ravel())

    def _forget_open(self, env_index: np.ndarray) -> None:
        """Forget what was still waiting for later steps of some environments."""
        raise NotImplementedError

    def update_priorities(self, index: np.ndarray, priorities: np.ndarray) -> None:
        """Set the priorities ``[B]`` of what was drawn at ``index [B]``."""
        self.sampler.update(index, priorities)

    def _remember_chance(self) -> None:
        """Keep where the generators stand before a draw."""
        self._chance = [generator.bit_generator.state for generator in self._generators()]

    def _generators(self) -> list[np.random.Generator]:
        return [self.sampler.generator]

    def undo_draw(self) -> None:
        """Let the next draw be the latest one again, if nothing is added or given another priority until then."""
        for generator, state in zip(self._generators(), self._chance, strict=True):
            generator.bit_generator.state = state

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
        with replacing(directory / f"index-{name}.pt") as temporary:
            torch.save(state, temporary)
            seal(temporary)

    def load(self, directory: Path, name: str) -> None:
        """Restore what `save` wrote under this name, with what was open then.

        Raises:
            OSError: a file is missing or cut short.
            ValueError: it was saved from a replay of another shape.
        """
        state = read_index(directory / f"index-{name}.pt")
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

    def _state(self) -> dict[str, Any]:
        """Return what a subclass saves besides."""
        raise NotImplementedError

    def _load_state(self, state: dict[str, Any]) -> None:
        """Take back what `_state` returned."""
        raise NotImplementedError
