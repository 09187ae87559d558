"""What was probably meant by a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


def unknown(text: str, name: str, known: Sequence[str], what: str = "an option") -> str:
    """Return a sentence that says what ``text`` is not, and which of the known names are near ``name``."""
    leaf = name.rpartition(".")[2]
    near = [key for key in known if key.rpartition(".")[2] == leaf and key != name][:3]  # the right leaf elsewhere
    if not near:  # what the keys have in common with all their neighbours says nothing
        leaves = {key.rpartition(".")[2]: key for key in known}
        near = [leaves[one] for one in difflib.get_close_matches(leaf, leaves, n=3, cutoff=0.6)]
    beside = [key for key in known if key.rpartition(".")[0] == name.rpartition(".")[0]] or known
    end = ", ..." if len(beside) > 12 else "."
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(beside)[:12])}{end}"
    return f"{text} is not {what}; {hint}"
