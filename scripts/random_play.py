"""Play at random: the floor that a learner has to leave, for environments without published scores.

python scripts/random_play.py catch hopper half_cheetah --episodes 200 --out docs/results/random_play.json
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

from hydra import initialize_config_dir

from triptych.build import make_game_factory
from triptych.collect.evaluation import play_episodes
from triptych.collect.random_play import RandomActor
from triptych.command.compose import compose_config, register_options
from triptych.provenance.code import write_measurement
from triptych.run.arguments import result_file
from triptych.types import ConfigurationError

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: list[str]) -> int:
    """Play, print and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("envs", nargs="+", metavar="ENV", help="as in env=...")
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=result_file, metavar="FILE")
    options = parser.parse_args(arguments)
    if options.episodes < 1 or options.seed < 0:
        parser.error("--episodes takes a whole number from 1 up, --seed one from 0 up.")
    if options.out is not None and not options.out.resolve().parent.is_dir():
        parser.error(f"--out {options.out}: there is no folder {options.out.parent}.")

    register_options(ROOT / "conf")
    returns: dict[str, dict[str, float]] = {}
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        for env in options.envs:
            try:
                game = make_game_factory(compose_config([f"env={env}"], ROOT / "conf"))(min(options.episodes, 16))
            except ConfigurationError as error:
                print(f"error: {error}", file=sys.stderr)
                return 2
            try:
                episodes = play_episodes(game, RandomActor(game.spec, options.seed), range(options.episodes))
            finally:
                game.close()
            values = [episode.episode_return for episode in episodes]
            returns[env] = {"return_mean": statistics.fmean(values), "return_std": statistics.pstdev(values)}
            print(f"{env}: {returns[env]['return_mean']:.2f} ± {returns[env]['return_std']:.2f}", flush=True)
    write_measurement(options.out, "random_play.py", arguments, {"episodes": options.episodes, "returns": returns})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
