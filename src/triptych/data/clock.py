"""Where a run stands: the turns it has played, in frames, env steps and evaluation periods."""

from __future__ import annotations

import math

from triptych.data.turns import Turn
from triptych.types.bounds import Count


class Clock:
    """Counts turns; everything else follows from their number.

    An epoch is one evaluation period. Budget and period are rounded up to whole turns.

    Args:
        turn: env steps and updates of one turn.
        frame_skip: emulator frames per env step.
        total_frames: the budget.
        period_frames: between two evaluations.

    Attributes:
        turns: played so far.
        vector_steps: of the turn after them, as far as it is played; above 0 only within a turn.
        evaluated_turns: when the latest evaluation during training was played.
    """

    def __init__(self, turn: Turn, frame_skip: int, *, total_frames: Count, period_frames: Count) -> None:
        self.turn, self.frame_skip = turn, frame_skip
        frames_per_turn = turn.env_steps * frame_skip
        self.total_turns = math.ceil(total_frames / frames_per_turn)
        self.turns_per_epoch = math.ceil(period_frames / frames_per_turn)
        self.turns = self.vector_steps = self.evaluated_turns = 0

    @property
    def env_steps(self) -> int:
        """Agent decisions so far, over all environments."""
        return self.turns * self.turn.env_steps + self.vector_steps * self.turn.env_steps // self.turn.vector_steps

    def end_turn(self) -> None:
        """Count a whole turn instead of its vector steps."""
        self.turns, self.vector_steps = self.turns + 1, 0

    def reopen_turn(self) -> None:
        """Count the latest turn as played, but not as learned from."""
        self.turns, self.vector_steps = self.turns - 1, self.turn.vector_steps

    @property
    def frames(self) -> int:
        """Emulator frames so far, over all environments."""
        return self.env_steps * self.frame_skip

    @property
    def total_frames(self) -> int:
        """The budget, rounded up to whole turns."""
        return self.total_turns * self.turn.env_steps * self.frame_skip

    @property
    def is_finished(self) -> bool:
        return self.turns >= self.total_turns

    @property
    def owes_evaluation(self) -> bool:
        """Whether an epoch has ended without its evaluation: a run was stopped just then."""
        is_end = self.turns % self.turns_per_epoch == 0 or self.is_finished
        return is_end and self.turns > 0 and self.evaluated_turns != self.turns

    @property
    def turns_left_in_epoch(self) -> int:
        """The turns from now to the next evaluation or the end."""
        next_end = (self.turns // self.turns_per_epoch + 1) * self.turns_per_epoch
        return max(min(next_end, self.total_turns) - self.turns, 0)

    def state_dict(self) -> dict[str, int]:
        return {"turns": self.turns, "vector_steps": self.vector_steps, "evaluated_turns": self.evaluated_turns}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.turns, self.evaluated_turns = state["turns"], state["evaluated_turns"]
        self.vector_steps = state.get("vector_steps", 0)
