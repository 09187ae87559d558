"""Play at random: the floor that a learner has to leave, for environments without published scores.

python scripts/random_play.py catch hopper half_cheetah --episodes 200 --out docs/results/random_play.json
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from hydra import initialize_config_dir

from triptych.build import make_game_factory
from triptych.collect.evaluation import play_episodes
from triptych.collect.random_play import RandomActor
from triptych.command.compose import compose_config, register_options
from triptych.provenance.code import write_measurement
from triptych.run.arguments import ScriptParser, whole_number
from triptych.run.exit_codes import exit_code_of

ROOT = Path(__file__).resolve().parents[1]


def measure(arguments: list[str]) -> None:
    """Play, print and write JSON.

    Raises:
        ConfigurationError: an argument cannot be used.
    """
    parser = ScriptParser(__doc__)
    parser.add_argument(
        "envs", nargs="+", metavar="ENV", type=lambda text: text.removeprefix("env="), help="as in env=..."
    )
    parser.add_argument("--episodes", type=whole_number(1), default=200)
    parser.add_seed(1, "what is played; the games have the seeds 0, 1, 2, ...")
    parser.add_out()
    options = parser.parse_args(arguments)
    register_options(ROOT / "conf")
    returns: dict[str, dict[str, float]] = {}
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        for env in options.envs:
            game = make_game_factory(compose_config([f"env={env}"], ROOT / "conf"))(min(options.episodes, 16))
            try:
                episodes = play_episodes(game, RandomActor(game.spec, options.seed), range(options.episodes))
            finally:
                game.close()
            values = [episode.episode_return for episode in episodes]
            returns[env] = {"return_mean": statistics.fmean(values), "return_std": statistics.pstdev(values)}
            print(f"{env}: {returns[env]['return_mean']:.2f} ± {returns[env]['return_std']:.2f}", flush=True)
    write_measurement(options.out, "random_play.py", arguments, {"episodes": options.episodes, "returns": returns})


def main(arguments: list[str]) -> int:
    """Play and return the exit code."""
    return exit_code_of(lambda: measure(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
