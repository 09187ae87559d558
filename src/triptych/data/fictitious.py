"""Off-policy data for fictitious play: play both sides, remember what each of them saw, draw."""

from __future__ import annotations

from typing import Any

from triptych.data.replay import ReplayDataModule
from triptych.data.room import Needs
from triptych.replay.fictitious import FictitiousBuffer
from triptych.types import ConfigurationError


class FictitiousDataModule(ReplayDataModule):
    """Yields one `ReplayBatch` of `FictitiousSample` per turn; the rhythm is that of `ReplayDataModule`."""

    buffer_class = FictitiousBuffer
    shared = (*ReplayDataModule.shared, "reservoir_capacity")
    lost = " The average that is learned leaves out what was played before."

    def _newest(self, replay: dict[str, Any] | None, batch_size: int) -> dict[str, Any]:
        """Refuse to do without replay: from turn to turn of one player goes further than the newest transitions.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError(
            "algo.replay=null or without capacity_env_steps does not fit an algorithm that learns an average of all "
            "that was played; leave it out."
        )

    def needs(self, save_period_frames: int) -> Needs:
        needs, keywords = super().needs(save_period_frames), self.replay_keywords
        period = self._save_period(save_period_frames)
        reservoir = Needs(
            "algo.replay.reservoir_capacity",
            keywords["reservoir_capacity"],
            lambda count: self._needed(needs.size, period, reservoir_capacity=count),
        )
        return needs._replace(others=(*needs.others, reservoir))
