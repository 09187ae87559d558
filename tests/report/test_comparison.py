"""What runs that may be compared came to."""

import math
from pathlib import Path

import numpy as np
import pytest

from tests.report.run_folders import write_evaluations, write_run
from triptych.report import comparison, statistics
from triptych.report.blocks import Charts
from triptych.report.comparison import FRAMES, SECONDS, Entry, make_entries
from triptych.report.published import published_scores, scores_beside
from triptych.report.runs import find_runs
from triptych.report.sections import normalized_blocks
from triptych.report.wording import tell_envs

LONG = [(100, 10, 0.0), (200, 20, 4.0), (300, 30, 6.0)]
SHORT = [(100, 5, 2.0), (200, 10, 6.0)]


def entries_in(folder: Path) -> list[Entry]:
    return make_entries(find_runs([folder])[0])


def two_seeds(folder: Path) -> Entry:
    write_evaluations(write_run(folder / "a", seed=1), LONG)
    write_evaluations(write_run(folder / "b", seed=2), SHORT)
    (entry,) = entries_in(folder)
    return entry


def test_a_curve_is_the_mean_as_far_as_every_seed_has_come(tmp_path: Path) -> None:
    entry = two_seeds(tmp_path)
    against_frames = comparison.band(entry.evaluations, FRAMES)
    assert against_frames is not None
    assert against_frames.x.tolist() == [100, 200]
    assert against_frames.middle.tolist() == [1.0, 5.0]
    assert against_frames.ends is not None
    assert np.all(against_frames.ends[0] <= against_frames.middle)
    assert np.all(against_frames.ends[1] >= against_frames.middle)
    against_time = comparison.band(entry.evaluations, SECONDS)
    assert against_time is not None
    assert against_time.x.tolist() == [10]  # the second seed ends where the first begins
    assert against_time.middle.tolist() == [3.0]


def test_seeds_without_a_common_stretch_have_no_mean(tmp_path: Path) -> None:
    write_evaluations(write_run(tmp_path / "a", seed=1), LONG)
    write_evaluations(write_run(tmp_path / "b", seed=2), [(50, 1, 0.0)])
    (entry,) = entries_in(tmp_path)
    assert comparison.band(entry.evaluations, FRAMES) is None
    assert comparison.common_frames([entry]) is None


def test_rows_without_numbers_are_no_evaluations(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a")
    write_evaluations(folder, [*LONG, (400, 40, math.nan), (500, 50, math.inf), (600, 60, 1e300)])
    (entry,) = entries_in(tmp_path)
    assert entry.evaluations[0][:, FRAMES].tolist() == [100, 200, 300]


def test_the_way_to_a_threshold_is_that_of_each_seed(tmp_path: Path) -> None:
    entry = two_seeds(tmp_path)
    assert comparison.ways(entry, 5.0) == [(300, 30), (200, 10)]
    assert comparison.ways(entry, 6.5) == [comparison.NEVER] * 2


def test_a_run_that_goes_on_may_still_come_to_a_threshold(tmp_path: Path) -> None:
    for seed, status in ((1, "finished"), (2, "running"), (3, "running")):
        last = 9.0 if seed == 3 else 1.0
        write_evaluations(write_run(tmp_path / str(seed), seed=seed, status=status), [(100, 10, 0.0), (200, 20, last)])
    (entry,) = entries_in(tmp_path)
    assert comparison.ways(entry, 5.0) == [comparison.NEVER, (200, 20)]


def test_returns_are_compared_where_most_algorithms_were_evaluated(tmp_path: Path) -> None:
    for algo, last in (("a2c", 300), ("dqn", 200), ("ppo", 40)):
        write_evaluations(write_run(tmp_path / algo, algo=algo), [(last // 4, 1, 0.0), (last, 2, 8.0)])
    entries = entries_in(tmp_path)
    assert comparison.common_frames(entries) == 200
    found = {entry.algo: comparison.returns_at(entry, 200).tolist() for entry in entries}
    assert found == {"a2c": [pytest.approx(8 * 125 / 225)], "dqn": [8.0], "ppo": []}


def test_what_a_sweep_lacks_is_told(tmp_path: Path) -> None:
    write_run(tmp_path / "a", algo="dqn", seed=1)
    write_run(tmp_path / "b", algo="dqn", seed=2, status="running")
    write_run(tmp_path / "c", algo="ppo", seed=1)
    write_run(tmp_path / "d", algo="a2c", env="breakout", seed=3)
    told = {(entry.algo, entry.env): words for entry, words in comparison.missing(entries_in(tmp_path))}
    assert told == {
        ("dqn", "pong"): ["seed 2 is running at 40,000 frames"],
        ("ppo", "pong"): ["no run of seed 2, which another algorithm has"],
    }


def test_algorithms_are_compared_where_both_have_several_seeds(tmp_path: Path) -> None:
    for algo, seeds in (("dqn", 3), ("ppo", 2), ("a2c", 1)):
        for seed in range(seeds):
            write_run(tmp_path / f"{algo}{seed}", algo=algo, seed=seed, mean=seed)
    (found,) = comparison.improvements(entries_in(tmp_path))
    assert (found.algo, found.other, found.envs) == ("dqn", "ppo", ["pong"])
    assert found.probability == pytest.approx((0.5 + 0 + 1 + 0.5 + 1 + 1) / 6)
    assert found.ends is not None


def test_the_normalised_curve_is_the_iqm_over_all_games(tmp_path: Path) -> None:
    for env in ("pong", "breakout"):
        for seed in (1, 2):
            folder = write_run(tmp_path / f"{env}{seed}", env=env, seed=seed)
            write_evaluations(folder, [(100, 1, 0.0), (200, 2, 5.0 * seed)])
    entries = entries_in(tmp_path)
    band = comparison.normalized_band(entries)
    assert band is not None
    assert band.x.tolist() == [100, 200]
    tasks = [(np.array([5.0, 10.0]) - random) / (human - random) for random, human in ((-20.7, 14.6), (1.7, 30.5))]
    assert band.middle[1] == pytest.approx(statistics.iqm(tasks))
    assert band.ends is not None
    assert band.ends[:, 1] == pytest.approx(statistics.interval(statistics.iqm, tasks), rel=0.05)


def test_the_solved_return_is_that_of_the_settings_or_of_the_registration(tmp_path: Path) -> None:
    ids = {"CartPole-v1": 475.0, "no_such_module:Game-v0": None, "Nothing-v0": None}
    for number, (name, solved) in enumerate(ids.items()):
        folder = write_run(tmp_path / str(number), env="game", protocol="none")
        config = (folder / "config.yaml").read_text()
        (folder / "config.yaml").write_text(config.replace("game: game", f"id: {name}"))
        (run,) = find_runs([folder])[0]
        assert run.solved_return == solved
        (folder / "config.yaml").write_text(config.replace("game: game", f"id: {name}\n  solved_return: 7.5"))
        (run,) = find_runs([folder])[0]
        assert run.solved_return == 7.5


def test_every_published_score_has_its_source() -> None:
    scores = published_scores()
    assert len(set(scores)) == len(scores) > 0
    for score in scores:
        assert score.source, score
        assert score.measured, score
        assert score.frames > 0
        assert math.isfinite(score.score)
        assert bool(score.environment) == (score.protocol == "none"), score


def test_published_scores_stand_beside_runs_of_their_protocol_alone(tmp_path: Path) -> None:
    settings = "protocol:\n  name: nature\n  repeat_action_prob: {}\nenv:\n  game: pong\n  repeat_action_prob: {}\n"
    for name, prob, protocol in (("stock", 0.0, "nature"), ("sticky", 0.25, "nature"), ("other", 0.0, "own")):
        folder = write_run(tmp_path / name, protocol=protocol)
        (folder / "config.yaml").write_text(settings.format(prob, prob))
        found = scores_beside(find_runs([folder])[0])
        assert {(score.env, score.protocol) for score in found} == ({("pong", "nature")} if name == "stock" else set())


def test_an_env_is_solved_at_the_highest_mark_of_its_runs(tmp_path: Path) -> None:
    for number, mark in enumerate(("null", "3.0", "4.0")):
        folder = write_run(tmp_path / str(number), seed=number)
        config = (folder / "config.yaml").read_text()
        (folder / "config.yaml").write_text(config.replace("game: pong", f"game: pong\n  solved_return: {mark}"))
    entries = entries_in(tmp_path)
    assert len(entries) == 3
    assert comparison.solved_return(entries) == 4.0
    assert comparison.solved_return(entries[:0]) is None


def test_many_games_are_told_by_those_that_are_missing() -> None:
    games = [f"game{number}" for number in range(6)]
    assert tell_envs(games, set(games)) == "all 6"
    assert tell_envs(games[1:], set(games)) == "all 6 but game0"
    assert tell_envs(games[:2], set(games)) == "game0, game1"


def test_a_curve_is_told_with_the_runs_that_it_shows(tmp_path: Path) -> None:
    for seed, status in ((1, "finished"), (2, "finished"), (3, "running")):
        folder = write_run(tmp_path / str(seed), seed=seed, status=status)
        write_evaluations(folder, [(100, 10, 0.0), (200, 20, 1.0), (300, 30, 2.0)])
    _, charts = normalized_blocks(entries_in(tmp_path))
    assert isinstance(charts, Charts)
    assert "(3 runs, 95% interval)" in charts.charts[0].series[0].label
