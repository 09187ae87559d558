"""Off-policy data for models: play with search, remember, draw stretches of episodes."""

from __future__ import annotations

from typing import Annotated, Any

from triptych.data.replay import ReplayDataModule
from triptych.replay.segments import SegmentBuffer
from triptych.types.bounds import KeywordsOf


class SegmentDataModule(ReplayDataModule):
    """Yields one `ReplayBatch` of segments per turn; the rhythm is that of `ReplayDataModule`.

    Args:
        actor: besides playing it says how large the rewards and values are that it can learn, as ``largest_reward`` and
            ``largest_value``.
        The rest: see `ReplayDataModule`.
    """

    buffer_class = SegmentBuffer

    def __init__(
        self,
        make_game: Any,
        actor: Any,
        *args: Any,
        replay: Annotated[dict[str, Any], KeywordsOf("buffer_class")],
        **kwargs: Any,
    ) -> None:
        limits = {"largest_reward": actor.largest_reward, "largest_value": actor.largest_value}
        super().__init__(make_game, actor, *args, replay=replay | limits, **kwargs)
