"""Off-policy data for a network with a memory: play, remember, draw sequences."""

from __future__ import annotations

from typing import Annotated, Any

from triptych.data.replay import ReplayDataModule
from triptych.replay.sequences import SequenceBuffer
from triptych.types.bounds import KeywordsOf


class SequenceReplayDataModule(ReplayDataModule):
    """Yields one `ReplayBatch` of sequences per turn; the rhythm is that of `ReplayDataModule`.

    Args:
        actor: besides playing it keeps ``hidden_states`` of so many numbers, which are remembered with each step.
        The rest: see `ReplayDataModule`.
    """

    buffer_class = SequenceBuffer

    def __init__(
        self,
        make_game: Any,
        actor: Any,
        *args: Any,
        replay: Annotated[dict[str, Any], KeywordsOf("buffer_class")],
        **kwargs: Any,
    ) -> None:
        own = {"state_size": actor.hidden_states.size}
        super().__init__(make_game, actor, *args, replay=replay | own, **kwargs)
