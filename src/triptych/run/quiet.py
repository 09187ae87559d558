"""What Lightning says that no reader of a run needs."""

from __future__ import annotations

import logging
import warnings


def quiet_lightning() -> None:
    """Keep Lightning's tips, and its warnings about what is done on purpose, from the reader."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    done_on_purpose = (
        "LeafSpec",
        "`IterableDataset` has `__len__`",
        "does not have many workers",
        "isinstance.treespec",
        "have no logger configured",
        "sync_dist=True",
        "will run with no optimizer",
    )
    for message in done_on_purpose:
        warnings.filterwarnings("ignore", f".*{message}.*")
