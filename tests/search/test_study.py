"""The loop of a search, with an objective that is no run: kills, failures, scores that are no number, pruning."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("optuna")

from optuna.trial import TrialState

from triptych.search.plan import Dimension, Plan
from triptych.search.study import MAX_STARTS, Pruned, Search, TooManyFailures, TrialFailed
from triptych.types import ConfigurationError

SPACE = {"x": Dimension((), 0.0, 4.0), "n": Dimension((), 1, 5), "kind": Dimension(("a", "b"))}


def plan_of(num_trials=8, prune_after_trials=None, space=SPACE):
    return Plan(["algo=dqn"], space, num_trials, [1], 7, 3, prune_after_trials, None)


def objective(name, values, report):
    return -((values["x"] - 2) ** 2) - 0.1 * values["n"] + (values["kind"] == "a")


def search(folder, play=objective, plan=None):
    found = Search(folder, plan or plan_of(), ["env=catch"])
    try:
        found.run(play, lambda line: None)
    finally:
        found.close()
    return found


def tried(found):
    trials = found.trials(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    return sorted((trial.user_attrs["name"], trial.params, trial.value) for trial in trials)


class Killed(BaseException):
    """Stands for the end of the process: nothing is told of the trial."""


def test_a_search_that_was_killed_tries_what_it_would_have_tried(tmp_path):
    whole = search(tmp_path / "whole")
    assert len(tried(whole)) == 8
    starts = []

    def play(name, values, report):
        starts.append(name)
        if len(starts) in (2, 5, 6):
            raise Killed
        return objective(name, values, report)

    for _ in range(3):
        with pytest.raises(Killed):
            search(tmp_path / "killed", play)
    killed = search(tmp_path / "killed", play)
    assert tried(killed) == tried(whole)
    assert killed.num_killed == 3
    assert starts == [f"trial-000{number}" for number in (1, 2, 2, 3, 4, 4, 4, 5, 6, 7, 8)]


def test_a_process_that_is_really_killed(tmp_path):
    code = (
        "import os, signal; from tests.search.test_study import *\n"
        "def play(name, values, report):\n"
        "    if name == 'trial-0003': os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return objective(name, values, report)\n"
        f"search(Path({str(tmp_path)!r}), play)"
    )
    ended = subprocess.run([sys.executable, "-c", f"from pathlib import Path; {code}"], env=os.environ, check=False)
    assert ended.returncode == -9
    with (tmp_path / "journal.log").open("a") as journal:
        journal.write('{"op_code": 4, "wor')  # half a line
    (tmp_path / "journal.log.lock").symlink_to("journal.log")  # the journal's own lock
    found = search(tmp_path)
    assert (len(found.trials(TrialState.COMPLETE)), found.num_killed) == (8, 1)


def test_a_trial_that_ends_its_process_each_time_is_not_started_for_ever(tmp_path):
    starts = []

    def play(name, values, report):
        starts.append(name)
        raise Killed

    for _ in range(MAX_STARTS):
        with pytest.raises(Killed):
            search(tmp_path, play)
    given_up = search(tmp_path)
    assert starts == ["trial-0001"] * MAX_STARTS
    (error,) = [trial.user_attrs["error"] for trial in given_up.trials(TrialState.FAIL)]
    assert f"its process ended {MAX_STARTS} times" in error
    assert len(given_up.trials(TrialState.COMPLETE)) == 8


def test_a_search_may_be_stopped_as_often_as_one_likes(tmp_path):
    def play(name, values, report):
        raise KeyboardInterrupt

    for _ in range(MAX_STARTS + 1):
        with pytest.raises(KeyboardInterrupt):
            search(tmp_path / "stopped", play)
    assert tried(search(tmp_path / "stopped")) == tried(search(tmp_path / "whole"))


def test_failures_and_scores_that_are_no_number_are_passed_over(tmp_path):
    def play(name, values, report):
        if name == "trial-0002":
            raise TrialFailed("it broke")
        return (
            math.nan if name == "trial-0003" else math.inf if name == "trial-0004" else objective(name, values, report)
        )

    found = search(tmp_path, play)
    assert len(found.trials(TrialState.COMPLETE)) == 8
    errors = [trial.user_attrs["error"] for trial in found.trials(TrialState.FAIL)]
    assert errors == ["it broke", "its score is nan", "its score is inf"]
    assert found.num_killed == 0
    assert found.study.best_trial.user_attrs["name"] not in ("trial-0002", "trial-0003", "trial-0004")


def test_a_search_in_which_everything_fails_ends(tmp_path):
    def play(name, values, report):
        raise TrialFailed("no luck")

    with pytest.raises(TooManyFailures, match=r"8 trials failed, the last: no luck"):
        search(tmp_path, play)


def test_a_trial_below_the_median_is_ended_early(tmp_path):
    ended = []

    def play(name, values, report):
        number = int(name.removeprefix("trial-"))
        score = -1.0 if number % 2 == 0 and number > 4 else float(number)
        for step in (1, 2, 3):
            if report(step, score):
                ended.append((name, step))
                raise Pruned
        return score

    found = search(tmp_path, play, plan_of(prune_after_trials=4))
    assert ended == [("trial-0006", 1), ("trial-0008", 1)]
    assert len(found.trials(TrialState.PRUNED)) == 2
    assert len(found.trials(TrialState.COMPLETE)) == 6


def test_a_larger_number_of_trials_searches_further(tmp_path):
    first = tried(search(tmp_path, plan=plan_of(4)))
    assert tried(search(tmp_path, plan=plan_of(6)))[:4] == first
    assert tried(search(tmp_path, plan=plan_of(6))) == tried(search(tmp_path / "at_once", plan=plan_of(6)))


def test_a_folder_of_another_search_or_of_one_that_goes_on_is_refused(tmp_path):
    going_on = Search(tmp_path, plan_of(), ["env=catch"])
    with pytest.raises(ConfigurationError, match="in use"):
        Search(tmp_path, plan_of(), ["env=catch"])
    going_on.close()
    with pytest.raises(ConfigurationError, match=r"another search \(settings differ\)"):
        Search(tmp_path, plan_of(), ["env=pong"])
    with pytest.raises(ConfigurationError, match=r"another search \(space differ\)"):
        Search(tmp_path, plan_of(space={"x": SPACE["x"]}), ["env=catch"])


def test_a_journal_with_a_damaged_line_is_told_and_one_that_is_cut_short_is_mended(tmp_path):
    first = tried(search(tmp_path, plan=plan_of(3)))
    journal = tmp_path / "journal.log"
    journal.write_bytes(journal.read_bytes() + b'{"op_code": 4, "wor')
    assert tried(search(tmp_path, plan=plan_of(3))) == first
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join([lines[0], "garbage\n", *lines[2:]]))
    with pytest.raises(ConfigurationError, match=r"line 2 of its journal\.log is damaged; choose another folder"):
        search(tmp_path, plan=plan_of(3))


@pytest.mark.parametrize("line", ["null", '{"op_code": 99}', '{"op_code": 4}'])
def test_a_line_that_optuna_did_not_write_is_told(line, tmp_path):
    search(tmp_path)
    with (tmp_path / "journal.log").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(ConfigurationError, match=r"its journal\.log is not as Optuna writes it; choose another folder"):
        search(tmp_path)


def test_trials_of_nobody_knows_which_search_are_not_gone_on_with(tmp_path):
    search(tmp_path)
    (tmp_path / "search.json").unlink()
    with pytest.raises(ConfigurationError, match=r"it has trials and no search\.json"):
        search(tmp_path)


def test_a_folder_that_cannot_be_one_is_told():
    with pytest.raises(ConfigurationError, match=r"search\.folder=/dev/null cannot be used .*; choose a folder"):
        search(Path("/dev/null"))
