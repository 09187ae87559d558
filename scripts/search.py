"""Search for settings with Optuna; every trial is an ordinary run in a folder of its own.

python scripts/search.py sweep=optuna_dqn env=catch                         what conf/sweep/optuna_dqn.yaml says
python scripts/search.py sweep=optuna_ppo env=cartpole total_frames=50000 search.num_trials=30
python scripts/search.py sweep=optuna_ppo env=catch search.seeds=[1,2,3]    a trial's score is the mean of three runs

The same command again goes on, after a kill too, and a larger search.num_trials searches further. At the end the best
settings are an experiment in the search's folder, searches/<sweep>-<env> or search.folder=...
"""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import Any

from triptych.command.fixed import as_override, experiment_text, parse_fixed
from triptych.command.main import CONF, in_own_names
from triptych.command.search_path import own_folders, split
from triptych.files import write_text
from triptych.provenance.code import write_measurement
from triptych.run.arguments import ScriptParser
from triptych.run.exit_codes import exit_code_of
from triptych.run.naming import BY_ID
from triptych.search.plan import Plan, read_plan
from triptych.types import ConfigurationError, ExitCode


def read_arguments(words: list[str], config_dir: Path | None) -> tuple[str, Plan, list[str], list[str]]:
    """Return the name of the sweep, its plan, the flags, and the overrides of every trial.

    Raises:
        ConfigurationError: one sentence about what cannot be meant.
    """
    flags = [f"--config-dir={config_dir}"] if config_dir is not None else []
    given = [word for word in words if not word.startswith(("sweep=", "search."))]
    names = [word.removeprefix("sweep=") for word in words if word.startswith("sweep=")]
    folders = [CONF, *own_folders(split([*flags, *given]), CONF)]
    options = sorted({path.stem for folder in folders for path in (folder / "sweep").glob("optuna_*.yaml")})
    if len(names) != 1:
        raise ConfigurationError(f"sweep=... chooses what is searched, one of {', '.join(options)}.")
    path = next((one for folder in folders if (one := folder / "sweep" / f"{names[0]}.yaml").is_file()), None)
    if path is None or names[0] not in options:
        raise ConfigurationError(f"sweep={names[0]} is not there; there are {', '.join(options)}.")
    changes = {one.key_or_group: one.value() for one in parse_fixed([w for w in words if w.startswith("search.")])}
    plan = read_plan(path, {key.removeprefix("search."): value for key, value in changes.items()})
    fixed = in_own_names([*flags, *plan.overrides, *given])[len(flags) :]
    chosen = {one.key_or_group: one for one in parse_fixed(fixed)}
    decided = [chosen[key].input_line for key in chosen if key in (*plan.space, "seed", "run_dir", "fresh")]
    decided += [key for key in ("seed", "run_dir", "fresh") if key in plan.space]
    if decided:
        raise ConfigurationError(
            f"{decided[0]} is what the search decides: it takes search.seeds=[...], search.folder=... and the space of "
            "its file."
        )
    return names[0], plan, flags, fixed


def label_of(overrides: list[str], plan: Plan) -> str:
    """Name what is played: the last ``env=``, its id where it is any environment, or that several are tried."""
    if "env" in plan.space:
        return "envs"
    chosen = dict(word.split("=", 1) for word in overrides if "=" in word)
    name = chosen["env.id"] if chosen.get("env") in BY_ID and "env.id" in chosen else chosen.get("env", "pong")
    return "".join(letter if letter.isalnum() or letter in "_-." else "_" for letter in name)


def describe(search: Any, seconds: float) -> dict[str, Any]:
    """Tell what a search found."""
    from optuna.trial import TrialState

    trials = search.trials(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    best = search.study.best_trial
    return {
        "best": {"name": best.user_attrs["name"], "score": best.value, "values": best.params},
        "complete": len(search.trials(TrialState.COMPLETE)),
        "pruned": len(search.trials(TrialState.PRUNED)),
        "failed": len(search.trials(TrialState.FAIL)),
        "killed_and_continued": search.num_killed,
        "seconds_of_this_start": round(seconds, 1),
        "trials": [
            {
                "name": trial.user_attrs["name"],
                "state": trial.state.name.lower(),
                "score": trial.value if trial.state == TrialState.COMPLETE else None,
                "values": trial.params,
                "evaluations": [value for _, value in sorted(trial.intermediate_values.items())],
                "error": trial.user_attrs.get("error"),
            }
            for trial in trials
        ],
    }


def run_search(arguments: list[str]) -> ExitCode:
    """Search, print and write the best settings; `ExitCode.FAILED` where too many trials failed.

    Raises:
        ConfigurationError: an argument cannot be used.
    """
    parser = ScriptParser(__doc__)
    parser.add_argument(
        "overrides", nargs="+", metavar="key=value", help="as train.py takes them, and search.key=value"
    )
    parser.add_argument("--config-dir", type=Path, help="a folder of your own, as train.py takes it")
    parser.add_out()
    options = parser.parse_args(arguments)
    try:
        import optuna  # noqa: F401
    except ModuleNotFoundError:
        parser.error('A search needs Optuna: pip install -c requirements.lock -e ".[optuna]".')
    started = time.monotonic()
    try:
        name, plan, flags, fixed = read_arguments(options.overrides, options.config_dir)
        title = f"{name}-{label_of(fixed, plan)}"
        folder = Path(plan.folder) if plan.folder else Path("searches", title)
        from triptych.run.folder import run_above  # torch is slow to import
        from triptych.search.runs import Runs
        from triptych.search.study import Search, TooManyFailures

        runs = Runs([*flags, *fixed], CONF, folder / "trials", plan)
        runs.check()
        run = run_above(folder / "trials")
        if run is not None:
            raise ConfigurationError(
                f"search.folder={folder} lies in the folder of a run, {run}; choose one beside it."
            )
        search = Search(folder, plan, fixed)
    except OSError as error:
        raise ConfigurationError(str(error)) from error
    command = shlex.join(["python", "scripts/search.py", *arguments])
    try:
        search.run(runs.play, lambda line: print(line, flush=True))
        found = describe(search, time.monotonic() - started)
    except TooManyFailures as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.FAILED
    except KeyboardInterrupt:
        print(f"Stopped; go on with: {command}")
        return ExitCode.INTERRUPTED
    finally:
        search.close()
    tell(found, folder, title, fixed, command, flags)
    if options.out is not None:
        write_measurement(options.out, Path(__file__).name, sys.argv[1:], found)
    return ExitCode.DONE


def tell(found: dict[str, Any], folder: Path, title: str, fixed: list[str], command: str, flags: list[str]) -> None:
    """Write the best settings as an experiment, and print how it is run."""
    best = found["best"]
    overrides = [*fixed, *(as_override(key, value) for key, value in best["values"].items())]
    comment = f"The best of {found['complete'] + found['pruned']} trials, score {best['score']:.4g}, by\n{command}"
    write_text(folder / "conf" / "experiment" / f"{title}.yaml", experiment_text(overrides, comment))
    print(f"{found['complete']} trials complete, {found['pruned']} ended early, {found['failed']} failed")
    print(f"best {best['name']}: score {best['score']:.4g}, {best['values']}")
    own = [f"hydra.searchpath=['file://{flag.removeprefix('--config-dir=')}']" for flag in flags]
    words = ["python", "train.py", f"--config-dir={folder / 'conf'}", *own, f"experiment={title}"]
    print(f"run it: {shlex.join(words)}")


def main(arguments: list[str]) -> int:
    """Search and return the exit code."""
    return exit_code_of(lambda: run_search(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
