"""Random and human scores of 57 Atari games, as used since Wang et al. 2016 (Dueling Networks, appendix)."""

import csv
from functools import cache
from importlib.resources import files


@cache
def atari_scores() -> dict[str, tuple[float, float]]:
    """Map each game's name to its ``(random, human)`` mean return."""
    text = files("triptych.envs").joinpath("atari_scores.csv").read_text()
    return {row["game"]: (float(row["random"]), float(row["human"])) for row in csv.DictReader(text.splitlines())}
