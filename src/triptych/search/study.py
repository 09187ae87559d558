"""The loop of a search on Optuna: ask, play, tell, and go on after a kill as if there had been none."""

from __future__ import annotations

import fcntl
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from triptych.files import read_json, write_text
from triptych.search.plan import Plan
from triptych.types import ConfigurationError

Report = Callable[[int, float], bool]  # number of an evaluation, its mean; returns whether the trial is to end
# Name and settings of a trial, and whom to tell of evaluations; returns the score.
Play = Callable[[str, dict[str, Any], Report], float]
MAX_STARTS = 3  # of a trial whose process is killed: it may itself be the reason
JOURNAL = "journal.log"


class Pruned(Exception):
    """A trial was ended early, being worse than others were at that point."""


class TrialFailed(RuntimeError):
    """A trial has no score; the message says why."""


class TooManyFailures(RuntimeError):
    """As many trials failed as were to come to an end."""


class Search:
    """A search in its folder, locked while this object lives.

    Args:
        folder: of the search; it holds the journal of trials.
        plan: what is searched.
        settings: what else decides the scores; with other ones, it is another search.

    Raises:
        ConfigurationError: the folder holds another search, or one that is going on.
    """

    def __init__(self, folder: Path, plan: Plan, settings: list[str]) -> None:
        self.folder, self.plan = folder, plan
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = (folder / ".lock").open("a")
        except OSError as error:
            raise ConfigurationError(
                f"search.folder={folder} cannot be used ({error.strerror}); choose a folder that can be written."
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigurationError(
                f"search.folder={folder} is in use by another process; wait for its end."
            ) from error
        self._check_same(settings)
        self._mend_journal()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        backend = JournalFileBackend(str(folder / JOURNAL))
        pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
        if plan.prune_after_trials is not None:
            pruner = optuna.pruners.MedianPruner(n_startup_trials=plan.prune_after_trials)
        try:
            self.study = optuna.create_study(
                study_name="search",
                storage=optuna.storages.JournalStorage(backend),
                load_if_exists=True,
                direction="maximize",
                pruner=pruner,
            )
        except (KeyError, TypeError, ValueError, AssertionError, AttributeError) as error:  # of lines that are JSON
            raise self._damaged(f"its {JOURNAL} is not as Optuna writes it") from error
        self._mend_trials()

    def close(self) -> None:
        """Let others use the folder."""
        self._lock.close()

    def run(self, play: Play, say: Callable[[str], None] = print) -> None:
        """Play trials until as many as were asked for have come to an end, complete or pruned.

        Raises:
            TooManyFailures: as many have failed.
        """
        while len(self.trials(TrialState.COMPLETE, TrialState.PRUNED)) < self.plan.num_trials:
            failed = self.trials(TrialState.FAIL)
            if len(failed) >= self.plan.num_trials:
                raise TooManyFailures(f"{len(failed)} trials failed, the last: {failed[-1].user_attrs['error']}")
            self._one(play, say)

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Return the trials of these states, those whose process was killed and which were started again left out."""
        found = self.study.get_trials(deepcopy=False, states=states)
        return [trial for trial in found if trial.state != TrialState.FAIL or "error" in trial.user_attrs]

    @property
    def num_killed(self) -> int:
        """How often a trial was cut off by the end of its process."""
        return len(self.study.get_trials(deepcopy=False, states=[TrialState.FAIL])) - len(self.trials(TrialState.FAIL))

    def _one(self, play: Play, say: Callable[[str], None]) -> None:
        # Drawn by the number of trials that count, so that a search which was killed draws what it would have drawn.
        number = len(self.trials(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
        seed = int(np.random.SeedSequence([self.plan.sampler_seed, number]).generate_state(1)[0])
        self.study.sampler = optuna.samplers.TPESampler(n_startup_trials=self.plan.random_trials, seed=seed)
        trial = self.study.ask()
        name = trial.user_attrs.get("name", f"trial-{number + 1:04}")
        trial.set_user_attr("name", name)
        values = {key: dimension.suggest(trial, key) for key, dimension in self.plan.space.items()}
        say(f"{name}: {', '.join(f'{key}={shown(value)}' for key, value in values.items())}")

        def report(number: int, mean: float) -> bool:
            if number not in self._frozen(trial).intermediate_values:
                trial.report(mean, number)
            return trial.should_prune()

        try:
            score = play(name, values, report)
            if not math.isfinite(score):
                raise TrialFailed(f"its score is {score}")
        except KeyboardInterrupt:  # no fault of the trial's
            self._start_again(self._frozen(trial), trial.user_attrs.get("starts", 1))
            raise
        except Pruned:
            self.study.tell(trial, state=TrialState.PRUNED)
            say(f"{name}: ended early, being below the median of the others")
        except TrialFailed as error:
            trial.set_user_attr("error", str(error))
            self.study.tell(trial, state=TrialState.FAIL)
            say(f"{name}: failed: {error}")
        else:
            self.study.tell(trial, score)
            say(f"{name}: score {score:.4g}; the best so far is {self.study.best_value:.4g}")

    def _frozen(self, trial: optuna.Trial) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[trial.number]

    def _check_same(self, settings: list[str]) -> None:
        plan = self.plan._asdict()
        decides = {key: plan[key] for key in ("space", "seeds", "sampler_seed", "random_trials", "prune_after_trials")}
        now = json.loads(json.dumps(decides | {"settings": settings}))
        path = self.folder / "search.json"
        if not path.exists() and (self.folder / JOURNAL).exists():
            raise self._damaged("it has trials and no search.json, which says of which search")
        try:
            before = read_json(path) if path.exists() else now
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{path} cannot be read ({error}); choose another search.folder.") from error
        if before != now:
            differing = [key for key in now if before.get(key) != now[key]]
            raise ConfigurationError(
                f"search.folder={self.folder} holds another search ({', '.join(differing)} differ); choose another "
                "search.folder."
            )
        write_text(path, json.dumps(now, indent=2) + "\n")

    def _mend_journal(self) -> None:
        """Cut off a line that a kill left half written, and take away the journal's own lock of a process gone.

        Raises:
            ConfigurationError: another line is damaged.
        """
        path = self.folder / JOURNAL
        (self.folder / f"{JOURNAL}.lock").unlink(missing_ok=True)
        if path.is_file() and not path.is_symlink():
            whole = path.read_bytes()
            os.truncate(path, whole.rfind(b"\n") + 1)
            for number, line in enumerate(whole.split(b"\n")[:-1], start=1):
                try:
                    json.loads(line)
                except ValueError as error:
                    raise self._damaged(f"line {number} of its {JOURNAL} is damaged") from error

    def _damaged(self, why: str) -> ConfigurationError:
        return ConfigurationError(f"search.folder={self.folder} cannot go on: {why}; choose another folder.")

    def _mend_trials(self) -> None:
        """Put the settings of trials that a kill cut off first in line again; their runs go on where they were."""
        for trial in self.study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            starts = trial.user_attrs.get("starts", 1)
            if starts < MAX_STARTS:
                self._start_again(trial, starts + 1)
            else:
                self._give_up(trial, f"its process ended {starts} times; it may be the reason")

    def _start_again(self, trial: FrozenTrial, starts: int) -> None:
        again = {one.user_attrs.get("again") for one in self.study.get_trials(deepcopy=False)}
        is_whole = trial.params.keys() == self.plan.space.keys() and "name" in trial.user_attrs
        if is_whole and trial.number not in again:
            attributes = {"name": trial.user_attrs["name"], "again": trial.number, "starts": starts}
            self.study.enqueue_trial(trial.params, user_attrs=attributes)
        self.study.tell(trial.number, state=TrialState.FAIL)

    def _give_up(self, trial: FrozenTrial, error: str) -> None:
        failed = optuna.trial.create_trial(
            state=TrialState.FAIL,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs=trial.user_attrs | {"error": error},
        )
        self.study.add_trial(failed)
        self.study.tell(trial.number, state=TrialState.FAIL)


def shown(value: Any) -> str:
    """Write a value as short as it may be read."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
