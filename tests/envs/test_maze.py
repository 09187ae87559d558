from collections import deque

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from triptych.envs.maze import COLOURS, LAYOUT, MOVES, PLAYER, Maze

UP, RIGHT, DOWN, LEFT = range(4)
START, GOAL = 18, 8


@pytest.mark.filterwarnings("ignore")
def test_passes_gymnasiums_own_check():
    check_env(gymnasium.make("Maze-v0", render_mode="rgb_array").unwrapped)


def test_walls_and_edges_hold_the_player():
    env = Maze()
    assert env.reset(seed=0)[0] == START
    assert env.step(LEFT)[0] == START
    assert [env.step(RIGHT)[0], env.step(RIGHT)[0]] == [START + 1, START + 1]  # the wall is beyond
    assert [env.step(UP)[0] for _ in range(3)] == [10, 1, 1]


def shortest_way():
    """Search in breadth with `step`'s own rules read from the layout."""
    waiting, came_from = deque([(2, 0)]), {(2, 0): ()}
    while waiting:
        row, column = place = waiting.popleft()
        for action, (down, right) in enumerate(MOVES):
            there = row + down, column + right
            is_inside = 0 <= there[0] < len(LAYOUT) and 0 <= there[1] < len(LAYOUT[0])
            if is_inside and LAYOUT[there[0]][there[1]] != "#" and there not in came_from:
                came_from[there] = (*came_from[place], action)
                waiting.append(there)
    return came_from[0, 8]


def test_the_shortest_way_takes_fourteen_steps_and_is_rewarded_at_its_end():
    env, way = Maze(), shortest_way()
    env.reset(seed=0)
    played = [env.step(action) for action in way]
    assert len(way) == 14
    assert [step[1] for step in played] == [0.0] * 13 + [1.0]
    assert [step[2] for step in played] == [False] * 13 + [True]
    assert played[-1][0] == GOAL


def test_the_picture_shows_walls_and_the_player():
    env = Maze(render_mode="rgb_array")
    env.reset(seed=0)
    env.step(UP)
    picture = env.render()[8::16, 8::16]
    assert picture.shape == (6, 9, 3)
    assert tuple(picture[1, 0]) == PLAYER
    assert tuple(picture[1, 2]) == COLOURS["#"]
    assert np.all(picture == PLAYER, axis=-1).sum() == 1
