"""Watch a game of a run: a page to go through it step by step, with what the network thinks, and a video.

python scripts/watch.py outputs/dqn/pong/nature/seed1-1234abcd
python scripts/watch.py outputs/muzero/catch/none/seed1-1234abcd --step 4

They go to the run's folder, watch/episode-<n>.html and .mp4; of a planner, --step draws its search tree at one step.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

from triptych.run.arguments import MOST_SIMULATIONS, ScriptParser, picture_file, whole_number
from triptych.run.asked import Asked, EpisodeName
from triptych.run.exit_codes import exit_code_of
from triptych.run.quiet import quiet_lightning
from triptych.run.restore import checkpoint_name
from triptych.run.watching import Watch, follow

TREE_OPTIONS = ("num_simulations", "out")


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line.

    Raises:
        ConfigurationError: a number is out of range, or options exclude each other.
    """
    parser = ScriptParser(__doc__)
    parser.add_argument("run_folder", type=Path)
    parser.add_argument(
        "--episode",
        type=episode_name,
        default="0",
        help="which game: n of the evaluation stream (default: 0), or ENV_INDEX/EPISODE_INDEX of episodes.csv, as it "
        "was played in training",
    )
    parser.add_argument(
        "--checkpoint",
        help="best (default), last (default with --live, and where there is no best yet) or the path of a .ckpt file",
    )
    parser.add_argument(
        "--max-steps", type=whole_number(1), default=2000, help="env steps that are shown (default: 2000)"
    )
    parser.add_argument("--live", action="store_true", help="follow a run that is training, until it ends or Ctrl-C")
    parser.add_argument(
        "--gif",
        type=stretch,
        nargs="?",
        const="0:0",
        metavar="FROM:TO",
        help="a GIF under 3 MB of these steps, or of a lost point",
    )
    parser.add_trust()
    tree = parser.add_argument_group("a planner's tree")
    tree.add_argument("--step", type=whole_number(0), help="draw only the tree that is searched at this step")
    tree.add_argument(
        "--num-simulations",
        type=whole_number(1, MOST_SIMULATIONS),
        help="of the search (default: as in training)",
    )
    tree.add_argument(
        "--out", type=picture_file, help="picture to write (default: tree-<step>.png in the run's folder)"
    )
    options = parser.parse_args(arguments)
    if options.step is None:
        for name in TREE_OPTIONS:
            if getattr(options, name) is not None:
                parser.error(f"--{name.replace('_', '-')} is of the tree that --step draws; add --step 0.")
    elif options.live or options.gif:
        parser.error("--step draws one picture of a tree; leave --live and --gif out.")
    if options.live and options.gif:
        parser.error("--live writes the page alone; leave --gif out, and make it when the run has ended.")
    return options


def episode_name(text: str) -> EpisodeName:
    """Read the name of an episode, of the evaluation stream or of training.

    Raises:
        argparse.ArgumentTypeError: it is neither.
    """
    found = re.fullmatch(r"(?:([0-9]{1,9})/)?([0-9]{1,9})", text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{text} is not allowed: it takes n for the n-th game of the evaluation stream, from 0, or "
            "ENV_INDEX/EPISODE_INDEX for a training episode in episodes.csv."
        )
    return EpisodeName(None if found[1] is None else int(found[1]), int(found[2]))


def stretch(text: str) -> tuple[int, int]:
    """Read two steps, ``FROM:TO``; 0:0 is a stretch that is looked for.

    Raises:
        argparse.ArgumentTypeError: they are not, or the second is not the greater.
    """
    found = re.fullmatch(r"([0-9]{1,9}):([0-9]{1,9})", text)
    if found is None or (int(found[1]) >= int(found[2]) and text != "0:0"):
        raise argparse.ArgumentTypeError(f"{text} is not allowed: it takes FROM:TO, two steps, the first the smaller.")
    return int(found[1]), int(found[2])


def watch(options: argparse.Namespace, scratch: Path) -> None:
    """Write what is asked for and say where it is.

    Raises:
        ConfigurationError: the folder, its config, its checkpoint, the episode or the step cannot be used.
    """
    checkpoint = checkpoint_name(options.run_folder, options.checkpoint or ("last" if options.live else None))
    asked = Asked(options.run_folder, options.episode, checkpoint, options.max_steps, options.trust)
    if options.live:
        follow(asked, scratch, lambda line: print(line, flush=True))
        return
    found = Watch(asked, scratch)
    if options.step is not None:
        path = options.out or options.run_folder / f"tree-{options.step}.png"
        found.draw_tree(path, options.step, options.num_simulations)
        print(f"The tree is in {path}.")
        return
    shown = found.show(gif=options.gif)
    print(f"{shown.game.title}: {', '.join(shown.game.facts)}.")
    for suffix, what in ((".html", "page"), (".mp4", "video"), *([(".gif", "GIF")] if options.gif else [])):
        print(f"The {what} is in {found.path(suffix)}.")


def main(arguments: list[str]) -> int:
    """Write the page or the picture, and return the exit code: 2 for input that cannot be used."""
    quiet_lightning()
    with tempfile.TemporaryDirectory() as scratch:
        return exit_code_of(lambda: watch(parse_arguments(arguments), Path(scratch)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
