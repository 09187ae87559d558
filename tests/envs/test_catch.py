import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import triptych.envs.gymnasium  # noqa: F401  (registers Catch-v0)
from triptych.envs.catch import Catch

LEFT, STAY, RIGHT = 0, 1, 2


def ball_and_paddle(observation):
    """Return the ball's row and column, and the paddle's column."""
    rows, columns = np.nonzero(observation)
    return int(rows[0]), int(columns[0]), int(columns[-1])


def reset_with_ball_at(env, column):
    for seed in range(1000):
        observation, _ = env.reset(seed=seed)
        if ball_and_paddle(observation)[1] == column:
            return observation
    raise AssertionError(f"no episode starts at column {column}")


@pytest.mark.filterwarnings("ignore")
def test_passes_gymnasiums_own_check():
    check_env(gymnasium.make("Catch-v0", render_mode="rgb_array").unwrapped)


def test_the_first_frame_by_hand():
    observation = reset_with_ball_at(Catch(rows=4, columns=5), 3)
    expected = np.zeros((4, 5), np.uint8)
    expected[0, 3] = expected[3, 2] = 255
    np.testing.assert_array_equal(observation, expected)


def test_a_caught_ball_by_hand():
    env = Catch(rows=4, columns=5)
    reset_with_ball_at(env, 3)
    played = [env.step(action) for action in (STAY, RIGHT, STAY)]
    assert [ball_and_paddle(observation) for observation, *_ in played[:2]] == [(1, 3, 2), (2, 3, 3)]
    assert np.count_nonzero(played[2][0]) == 1
    assert [step[1:4] for step in played] == [(0, False, False), (0, False, False), (1, True, False)]


def test_a_missed_ball_by_hand():
    env = Catch(rows=4, columns=5)
    reset_with_ball_at(env, 3)
    played = [env.step(action) for action in (STAY, RIGHT, RIGHT)]
    assert [step[1:4] for step in played] == [(0, False, False), (0, False, False), (-1, True, False)]
    assert ball_and_paddle(played[2][0]) == (3, 3, 4)


@pytest.mark.parametrize(("action", "columns"), [(LEFT, [4, 3, 2, 1, 0, 0, 0]), (RIGHT, [6, 7, 8, 9, 9, 9, 9])])
def test_the_paddle_stops_at_the_walls(action, columns):
    env = Catch()
    env.reset(seed=0)
    assert [int(np.flatnonzero(env.step(action)[0][-1])[0]) for _ in columns] == columns


@pytest.mark.parametrize("column", [0, 4, 9])
def test_every_ball_can_be_caught_in_nine_steps(column):
    env = Catch()
    observation, rewards = reset_with_ball_at(env, column), []
    terminated = False
    while not terminated:
        _, ball, paddle = ball_and_paddle(observation)
        observation, reward, terminated, _, _ = env.step(int(np.sign(ball - paddle)) + 1)
        rewards.append(reward)
    assert rewards == [0] * 8 + [1]


def test_balls_fall_from_every_column_equally_often():
    env = Catch()
    counts = np.bincount([ball_and_paddle(env.reset(seed=seed)[0])[1] for seed in range(2000)], minlength=10)
    assert np.abs(counts - 200).max() < 5 * np.sqrt(2000 * 0.1 * 0.9)


def test_a_seed_names_an_episode():
    first, second = Catch(), Catch()
    second.reset(seed=1)
    for seed in range(20):
        np.testing.assert_array_equal(first.reset(seed=seed)[0], second.reset(seed=seed)[0])


def test_the_picture_shows_the_observation():
    env = Catch(rows=4, columns=5)
    observation, _ = env.reset(seed=0)
    picture = env.render()
    assert (picture.shape, picture.dtype) == ((64, 80, 3), np.uint8)
    np.testing.assert_array_equal(picture[8::16, 8::16, 1], observation)
