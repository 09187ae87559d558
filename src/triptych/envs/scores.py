"""Known returns: from where a registered environment counts as solved, and random and human scores of 57 Atari games.

These are as used since Wang et al. 2016 (Dueling Networks, appendix).
"""

import csv
from functools import cache
from importlib.resources import files


@cache
def atari_scores() -> dict[str, tuple[float, float]]:
    """Map each game's name to its ``(random, human)`` mean return."""
    text = files("triptych.envs").joinpath("atari_scores.csv").read_text()
    return {row["game"]: (float(row["random"]), float(row["human"])) for row in csv.DictReader(text.splitlines())}


def registered_solved_return(environment_id: str) -> float | None:
    """Return from which return on an environment counts as solved by its registration; ``None`` where nothing is said.

    The id is looked up and no more: a module that it names is not imported.
    """
    import gymnasium

    registration = gymnasium.registry.get(environment_id)
    return None if registration is None else registration.reward_threshold
