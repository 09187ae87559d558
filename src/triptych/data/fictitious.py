"""Off-policy data for fictitious play: play both sides, remember what each of them saw, draw."""

from __future__ import annotations

from triptych.data.replay import ReplayDataModule
from triptych.replay.fictitious import FictitiousBuffer


class FictitiousDataModule(ReplayDataModule):
    """Yields one `ReplayBatch` of `FictitiousSample` per turn; the rhythm is that of `ReplayDataModule`."""

    buffer_class = FictitiousBuffer
