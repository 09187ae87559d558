"""Off-policy data: play, remember, draw."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from torch import Tensor

from triptych import ranks
from triptych.data.datamodule import EnvironmentDataModule
from triptych.data.room import Needs
from triptych.data.turns import make_turn
from triptych.replay.buffer import ReplayBuffer
from triptych.replay.frame_replay import FrameReplay, check_holds
from triptych.replay.hindsight import HindsightBuffer
from triptych.replay.room import frame_nbytes, replay_nbytes
from triptych.replay.saves import prune, saved_frame_nbytes
from triptych.types import ConfigurationError, ReplayBatch, chance_seed
from triptych.types.bounds import Between, Count, CountOrZero, Fraction, KeywordsOf

# The buffers' own defaults, which are asked for before one is made.
USUAL: dict[str, Any] = {"storage": "memory", "prioritized": False}


class ReplayDataModule(EnvironmentDataModule):
    """Yields one `ReplayBatch` per turn, drawn from what a collector plays.

    The order within a turn is fixed: receive what the last actions led to, remember it, choose new actions
    with the parameters as they are now, send them; then draw. So the emulators run while the learner updates,
    and the actions of turn k+1 use the parameters after turn k.

    Args:
        batch_size: transitions per update.
        env_steps_per_update: env steps, over all environments, that earn one update.
        learning_starts_env_steps: before which turns only fill the replay; counted anew where a run goes on whose
            replay was not kept.
        replay: keywords of `ReplayBuffer` but for those that the run decides. ``None``, or without a
            ``capacity_env_steps``, there is no replay: every update learns from the ``batch_size`` newest transitions.
        hindsight_ratio: probability that a transition is learned from as if what was reached later had been the goal.
        The rest: see `EnvironmentDataModule`.
    """

    buffer_class: type[FrameReplay] = ReplayBuffer
    shared: tuple[str, ...] = ("capacity_env_steps",)  # keywords of which each process of a run has its share
    lost = ""  # what is said besides where the replay was not kept

    def __init__(
        self,
        *args: Any,
        num_envs: Count,
        batch_size: Count,
        env_steps_per_update: Annotated[float, Between(0.001, 1e6)],
        learning_starts_env_steps: CountOrZero,
        replay: Annotated[dict[str, Any] | None, KeywordsOf("buffer_class")],
        hindsight_ratio: Fraction = 0.0,
        **kwargs: Any,
    ) -> None:
        turn = make_turn(num_envs, env_steps_per_update)
        super().__init__(*args, num_envs=num_envs, turn=turn, **kwargs)
        self.batch_size, self.learning_starts_env_steps = batch_size // ranks.size(), learning_starts_env_steps
        self.has_replay = replay is not None and replay.get("capacity_env_steps") is not None
        if replay is not None:
            replay = USUAL | replay
        if hasattr(self.actor, "largest_return"):
            replay = (replay or {}) | {"largest_return": self.actor.largest_return}
        self.replay_keywords = replay if replay is not None and self.has_replay else self._newest(replay, batch_size)
        self.hindsight_ratio = hindsight_ratio
        if hindsight_ratio:
            self._look_back()
        self._replay: Any = None
        self._replay_name: str | None = None  # under which the checkpoint saved it
        self._replay_begins = 0  # the env steps at which it was empty
        self._is_cut = False  # the games that run have begun before it
        self._drawn = np.zeros(0, dtype=np.int64)

    def _look_back(self) -> None:
        """Draw with goals in hindsight.

        Raises:
            ConfigurationError: there are no goals, or no transitions to draw.
        """
        setting = f"algo.hindsight_ratio={self.hindsight_ratio:g} does not fit"
        if self.buffer_class is not ReplayBuffer:
            raise ConfigurationError(f"{setting} an algorithm that does not learn from transitions; leave it out.")
        if self.spec.goals is None:
            raise ConfigurationError(
                f"{setting} env={self.spec.name}, which shows no goals: it takes an env whose observations are a Dict "
                "with achieved_goal and desired_goal and whose compute_reward does without infos; leave it out."
            )
        self.buffer_class = HindsightBuffer
        own = {"hindsight_ratio": self.hindsight_ratio, "clip_rewards": self.clip_rewards}
        self.replay_keywords = self.replay_keywords | own

    def _newest(self, replay: dict[str, Any] | None, batch_size: int) -> dict[str, Any]:
        """Return the keywords of a buffer that holds the newest transitions and little else.

        Raises:
            ConfigurationError: the algorithm cannot do without replay.
        """
        replay = replay or {}
        if not issubclass(self.buffer_class, ReplayBuffer) or replay.get("prioritized"):
            what = "algo.prioritized=true" if replay.get("prioritized") else "an algorithm that learns from segments"
            raise ConfigurationError(f"algo.replay=null does not fit {what}, which draws from replay; leave one out.")
        reach = self.spec.frame_stack + self.buffer_class.reach(**replay) + 1
        num_rows = reach * (1 + batch_size // self.num_envs)  # were every episode one step long
        own = {"capacity_env_steps": self.num_envs * num_rows, "num_newest": batch_size // ranks.size()}
        return USUAL | replay | own

    @property
    def replay(self) -> Any:
        """The replay, made (and read back) when training first asks for it: evaluation never reads it."""
        if self._replay is None:
            assert self.trainer is not None
            share = {name: self.replay_keywords[name] // ranks.size() for name in self.shared}
            self._replay = self.buffer_class(
                self.spec,
                self.num_own_envs,
                seed=chance_seed(self.seed, "minibatches", ranks.rank()),
                device=self.trainer.strategy.root_device,
                directory=self.directory,
                **self.replay_keywords | share,
            )
            if self._replay_name is not None:
                self._replay.load(self.directory, self._replay_name)
            elif self.clock.env_steps:
                self._is_cut = True
                self.say(
                    "The replay was not kept (checkpoint.keep_replay=true keeps it): "
                    f"{self.learning_starts_env_steps:,} env steps are played to fill it before learning goes on."
                    f"{self.lost}"
                )
        return self._replay

    @property
    def learning_begins_env_steps(self) -> int:
        """The env steps from which turns are learned from."""
        return self._replay_begins + self.learning_starts_env_steps

    @property
    def is_filling(self) -> bool:
        return self.clock.env_steps < self.learning_begins_env_steps

    def describe(self) -> dict[str, str]:
        if not self.has_replay:
            return {"replay": f"none, every update learns from the {self.batch_size} newest transitions"}
        capacity, storage = self.replay_keywords["capacity_env_steps"], self.replay_keywords["storage"]
        nbytes = sum(self._nbytes(capacity).values())
        goals = f", {self.hindsight_ratio:.0%} with goals in hindsight" if self.hindsight_ratio else ""
        return {"replay": f"{capacity:,} env steps, {nbytes / 1e9:.2f} GB when full, in {storage}{goals}"}

    def needs(self, save_period_frames: int) -> Needs:
        capacity = self.replay_keywords["capacity_env_steps"]
        check_holds(capacity, self.num_envs, self.spec, self.buffer_class.reach(**self.replay_keywords))
        period = self._save_period(save_period_frames)
        minibatch = Needs("algo.batch_size", self.batch_size, lambda count: self._needed(capacity, period, count))
        replay = Needs("algo.replay.capacity_env_steps", capacity, lambda count: self._needed(count, period))
        return replay._replace(others=(minibatch,))

    def _needed(
        self, capacity_env_steps: int, save_period_env_steps: int, batch_size: int | None = None, **replay: Any
    ) -> dict[str, int]:
        """Return the bytes of the replay and of what is drawn for a turn, which comes all at once."""
        needed = self._nbytes(capacity_env_steps, save_period_env_steps, **replay)
        observation_nbytes = frame_nbytes(self.spec) * self.spec.frame_stack
        count = self.batch_size if batch_size is None else batch_size
        place = "device" if self.replay_keywords["storage"] == "device" else "memory"
        num_drawn = count * self.buffer_class.num_drawn(**self.replay_keywords | replay)
        needed[place] += self.clock.turn.updates * num_drawn * observation_nbytes
        return needed

    def _save_period(self, frames: int) -> int:
        """Return the env steps between two saves."""
        return max(frames // self.spec.frame_skip, 1)

    def _nbytes(self, capacity_env_steps: int, save_period_env_steps: int = 0, **replay: Any) -> dict[str, int]:
        nbytes = replay_nbytes(
            self.buffer_class,
            self.spec,
            self.num_envs,
            capacity_env_steps=capacity_env_steps,
            storage=self.replay_keywords["storage"],
            prioritized=self.replay_keywords["prioritized"],
            save_period_env_steps=save_period_env_steps,
            total_env_steps=self.clock.total_frames // self.spec.frame_skip,
            more_row_nbytes=self.buffer_class.row_nbytes(**self.replay_keywords),
            more_nbytes=self.buffer_class.more_nbytes(self.spec, **self.replay_keywords | replay),
        )
        return nbytes | {"device": nbytes["device"] // ranks.size()}  # each process has its own

    def play_turn(self) -> ReplayBatch:
        replay, collector, turn = self.replay, self.collector, self.clock.turn
        for _ in range(turn.vector_steps - self.clock.vector_steps):  # a stop may have left a turn begun
            self.stop_if_asked()
            step, episodes = collector.receive()
            if self._is_cut:  # what is remembered of a game begins here, with all frames of the observation
                step, self._is_cut = step._replace(is_first=np.ones_like(step.is_first)), False
            replay.add(step)
            self.ended_episodes += episodes
            collector.send()
            self.clock.vector_steps += 1
        self.clock.end_turn()
        env_steps = self.clock.env_steps
        is_learning = env_steps >= self.learning_begins_env_steps and ranks.agree(len(replay) > 0)
        updates = turn.updates if is_learning else 0
        draw = replay.sample(updates * self.batch_size, env_steps)
        self._drawn = draw.indices
        leading = (updates, self.batch_size)
        fields = (field.view(*leading, *field.shape[1:]) for field in draw.sample)
        return ReplayBatch(type(draw.sample)(*fields), draw.weight.view(leading), env_steps)

    def update_priorities(self, priorities: Tensor) -> None:
        """Send the priorities ``[K, B]`` of the latest turn's samples back to replay."""
        if self.replay_keywords["prioritized"]:
            self.replay.update_priorities(self._drawn, priorities.flatten().cpu().numpy())

    def put_off(self) -> None:
        self.clock.reopen_turn()
        self.replay.undo_draw()

    def save_data(self) -> None:
        """Save the replay beside a checkpoint that is about to be written."""
        self._replay_name = str(self.clock.env_steps)
        self.replay.save(self.directory, self._replay_name)

    def check_saved(self, state_dict: dict[str, Any]) -> None:
        name = state_dict.get("replay")
        saved, here = name and saved_frame_nbytes(self.directory, name), frame_nbytes(self.spec)
        if saved and saved != here:
            raise ConfigurationError(
                f"The replay of the run in {self.directory.parents[1]} cannot be read: an observation of "
                f"env={self.spec.name} has {saved} bytes in it and {here} in this version of the code; go on with the "
                "version that wrote it, or start over with fresh=true."
            )

    def prune_data(self, env_steps: set[int]) -> None:
        """Delete the replay files that checkpoints at these ``env_steps`` do not need."""
        prune(self.directory, {str(count) for count in env_steps})

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"replay": self._replay_name, "replay_begins": self._replay_begins}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._replay_name = state_dict["replay"]
        self._replay_begins = state_dict.get("replay_begins", 0) if self._replay_name else self.clock.env_steps
