"""Elo ratings beside what they must be."""

import numpy as np
import pytest

from triptych.report.elo import GameResult, rate


def games(first, second, won, drawn, lost):
    return [
        GameResult(first, second, score) for score, count in ((1, won), (0.5, drawn), (0, lost)) for _ in range(count)
    ]


def elos(num_players, played):
    return np.array([rating.elo for rating in rate(num_players, played)])


def test_a_share_of_the_games_is_a_difference_of_points():
    """Elo: 400 points are ten to one."""
    first, second = elos(2, games(0, 1, 10_000, 0, 1_000))
    assert first - second == pytest.approx(400, abs=1)
    first, second = elos(2, games(0, 1, 6_000, 2_000, 2_000))  # 70 %
    assert first - second == pytest.approx(400 * np.log10(7 / 3), abs=1)


def test_who_drew_all_games_is_equal_and_the_mean_is_zero():
    assert elos(3, games(0, 1, 0, 9, 0) + games(1, 2, 4, 0, 4)) == pytest.approx([0, 0, 0])


def test_seats_do_not_matter():
    assert elos(2, games(0, 1, 7, 1, 2)) == pytest.approx(elos(2, games(1, 0, 2, 1, 7)))


def test_the_ratings_make_the_games_the_likeliest():
    played = games(0, 1, 5, 0, 3) + games(1, 2, 6, 0, 2) + games(0, 2, 7, 0, 1)
    ratings = elos(3, played) / (400 / np.log(10))

    def likelihood(rating):
        def log_chance(points):
            return -np.log1p(np.exp(-points))

        total = 0.0
        for first, second, score in played:
            points = rating[first] - rating[second]
            total += score * log_chance(points) + (1 - score) * log_chance(-points)
        centre = rating - np.mean(rating)  # the imagined draws are with a player at the mean
        return total + sum(0.5 * log_chance(points) + 0.5 * log_chance(-points) for points in centre)

    best = likelihood(ratings)
    for index in range(3):
        for change in (-0.3, 0.3):
            other = ratings.copy()
            other[index] += change
            assert likelihood(other) < best


def test_whoever_won_every_game_keeps_a_finite_rating_and_an_interval():
    best, worst = rate(2, games(0, 1, 20, 0, 0))
    assert 200 < best.elo < 2000
    assert best.high - best.low > 100
    assert worst.low < worst.elo < worst.high


def test_intervals_are_narrower_with_more_games():
    few, many = (rate(2, games(0, 1, 6 * count, 0, 4 * count))[0] for count in (2, 50))
    assert many.high - many.low < (few.high - few.low) / 2
    assert many.low < many.elo < many.high


@pytest.mark.parametrize("chance", [0.5, 0.8])
def test_the_truth_lies_in_an_interval_nineteen_times_of_twenty(chance):
    generator, truth = np.random.default_rng(0), 200 * np.log10(chance / (1 - chance))
    inside = 0
    for won in generator.binomial(100, chance, size=400).tolist():
        first = rate(2, games(0, 1, won, 0, 100 - won))[0]
        inside += first.low <= truth <= first.high
    assert 0.92 <= inside / 400 <= 0.98
