"""The page of a game: its data, its size, and that nothing in it comes from elsewhere or is run."""

import itertools
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from triptych.collect.recording import Recording
from triptych.types import ActionCells, Actions, EnvSpec, Episode, Explanation
from triptych.watch.board import Board
from triptych.watch.gif import MAX_NBYTES, stretch_of, write_gif
from triptych.watch.page import MAX_FRAME_NBYTES, MAX_SHEETS, Frames, WatchedGame, html_page, steps_of_sheets
from triptych.watch.pictures import filter_sheet, heat, is_same_scene, newest, packed, sheet
from triptych.watch.thoughts import Thoughts

SPEC = EnvSpec("game", "none", (2, 10, 10), "uint8", num_actions=3, frame_stack=2)
LENGTH = 7
RNG = np.random.default_rng(0)


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])


def make_game(title="a game", spec=SPEC, **said):
    observations = RNG.integers(0, 256, (LENGTH, *spec.observation_shape), dtype=np.uint8)
    rewards = np.array([0, 1, 0, 0, -1, 0, 0], np.float32)
    recording = Recording(Episode(0, 0, 1, actions=Actions([0, 1, 2, 0, 1, 2, 0])), observations, rewards, True)
    said = said or {"value": torch.arange(LENGTH).float(), "q_values": torch.rand(LENGTH, 3)}
    maps = {step: RNG.normal(size=(4, 5, 5)).astype(np.float32) for step in (0, 3, 6)}
    filters = RNG.normal(size=(4, 2, 3, 3)).astype(np.float32)
    thoughts = Thoughts(Explanation(**said), np.abs(RNG.normal(size=(LENGTH, 10, 10))), filters, maps)
    return WatchedGame(title, ["fact"], spec, recording, thoughts)


def frames_of(game):
    frames = Frames(LENGTH + 1)
    for observation in [*game.recording.observations, game.recording.observations[-1]]:
        frames.add(np.repeat(np.kron(observation[-1], np.ones((8, 8), np.uint8))[..., None], 3, axis=-1))
    return frames


def test_the_data_are_those_of_the_game():
    game = make_game()
    data = data_of(html_page(game, frames_of(game)))
    assert data["rewards"] == [0, 1, 0, 0, -1, 0, 0]
    assert data["taken"] == [[0], [1], [2], [0], [1], [2], [0]]
    assert data["curves"] == [{"name": "V(s)", "numbers": list(range(LENGTH))}]
    assert len(data["frames"]) == LENGTH + 1
    assert len(data["seen"]) == len(data["heat"]) == LENGTH
    assert list(data["sheets"]) == ["0", "3", "6"]
    assert data["isSameScene"]
    assert data["liveSeconds"] is None
    q_values = game.thoughts.said.q_values
    np.testing.assert_allclose(data["bars"][0]["numbers"], q_values, rtol=1e-3)


BOARD_SPEC = replace(SPEC, action_cells=ActionCells(1, 2, ((0, 0), (0, 1), None)), num_players=2)


def test_a_board_is_told_with_the_cells_of_its_actions():
    game = make_game(spec=BOARD_SPEC, visit_counts=torch.ones(LENGTH, 3))
    data = data_of(html_page(game, frames_of(game)))
    assert data["board"] == {"rows": 1, "columns": 2, "cells": [[0, 0], [0, 1], None]}
    assert data["isForTwo"]
    other = data_of(html_page(make_game(), frames_of(make_game())))
    assert other["board"] is None
    assert not other["isForTwo"]


def test_a_video_has_shares_in_the_cells_of_a_board():
    shares = torch.tensor([[3.0, 1.0, 2.0]]).repeat(LENGTH, 1)
    game = make_game(spec=BOARD_SPEC, visit_counts=shares)
    frame = np.full((40, 80, 3), 200, np.uint8)
    bare = Board(SPEC, game.recording, game.thoughts, "title").draw(frame, 0)
    board = Board(BOARD_SPEC, game.recording, game.thoughts, "title")
    changed = (board.draw(frame, 0) != bare).any(axis=-1)
    left, right = changed[:160, :165], changed[:160, 165:320]
    assert left.sum() > right.sum() > 0
    assert not changed[:, 330:].any()
    assert (board.draw(frame, LENGTH)[20, 20] == 200).all()  # at the end nobody chooses


def test_of_many_actions_a_video_has_bars_for_the_largest():
    spec = replace(SPEC, num_actions=30)
    visits = torch.zeros(LENGTH, 30)
    visits[:, [7, 25]] = torch.tensor([1.0, 2.0])
    game = make_game(spec=spec, visit_counts=visits)
    board = Board(spec, game.recording, game.thoughts, "title")
    assert board._shown(0)[:2] == [25, 7]
    assert len(board._shown(0)) == 10
    board.draw(np.zeros((80, 80, 3), np.uint8), 0)


def test_a_distribution_is_packed_as_bytes():
    probs = torch.tensor([[[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]]).repeat(LENGTH, 1, 1)
    game = make_game(q_values=torch.zeros(LENGTH, 2), atoms=torch.tensor([-1.0, 0, 1]), atom_probs=probs)
    found = data_of(html_page(game, frames_of(game)))["distribution"]
    assert found["points"] == [-1, 0, 1]
    assert found["probs"].startswith("gIAAAAD/")  # 128 128 0 0 0 255


def test_the_page_is_whole_in_itself_and_runs_nothing_that_a_folder_says():
    hostile = "</script><script>alert(1)</script>"
    game = make_game(title=hostile)._replace(facts=[hostile])
    page = html_page(game, frames_of(game))
    assert page.count("<script") == 2
    assert data_of(page)["title"] == hostile
    assert "default-src 'none'" in page
    assert not re.search(r"""(src|href)\s*=\s*["']?(?!data:)[a-z./]""", re.sub(r"<script>.*", "", page, flags=re.S))
    assert not re.search(r"https?://", page)


def test_numbers_that_are_not_finite_are_shown_as_unknown():
    value = torch.arange(LENGTH).float()
    q_values = torch.rand(LENGTH, 3)
    value[2] = q_values[2, 1] = torch.nan
    q_values[4] = torch.inf
    game = make_game(value=value, q_values=q_values)
    data = data_of(html_page(game, frames_of(game)))
    assert data["curves"][0]["numbers"][2] is None
    assert data["bars"][0]["numbers"][4] == [None] * 3
    board = Board(game.spec, game.recording, game.thoughts, "title")
    for step in range(LENGTH):
        board.draw(np.zeros((80, 80, 3), np.uint8), step)


def test_vectors_have_no_pictures_of_what_is_seen():
    spec = EnvSpec("vector", "none", (4,), "float32", num_actions=3)
    game = make_game(spec=spec)
    game = game._replace(thoughts=Thoughts(game.thoughts.said, None, None, {}))
    data = data_of(html_page(game, frames_of(make_game())))
    assert (data["seen"], data["heat"], data["sheets"], data["filters"]) == ([], [], {}, None)


def test_many_large_frames_become_smaller_ones():
    frames = Frames(4000)
    for _ in range(20):
        frames.add(RNG.integers(0, 256, (300, 300, 3), dtype=np.uint8))
    assert len(frames.uris) == 20
    assert frames.scale < 0.5
    assert sum(map(len, frames.uris)) / 20 * 4000 < 3 * MAX_FRAME_NBYTES
    short = Frames(5)  # shorter than what is looked at first
    for _ in range(5):
        short.add(np.zeros((30, 30, 3), np.uint8))
    assert len(short.uris) == 5


def test_a_long_game_shows_activations_at_every_kth_step():
    assert list(steps_of_sheets(5)) == [0, 1, 2, 3, 4]
    assert len(steps_of_sheets(10_000)) <= MAX_SHEETS
    assert steps_of_sheets(10_000)[-1] > 9900


def test_frames_of_another_scene_are_told_from_those_of_what_is_seen():
    pictures = [RNG.integers(0, 256, (10, 10), dtype=np.uint8) for _ in range(3)]
    frames = [np.kron(one, np.ones((16, 16), np.uint8))[..., None].repeat(3, axis=-1) for one in pictures]
    assert is_same_scene(frames, pictures)
    assert not is_same_scene(frames[::-1], pictures)


def test_the_newest_picture_is_shown():
    observation = np.arange(12, dtype=np.uint8)[:, None, None].repeat(4, axis=1).repeat(4, axis=2)
    assert newest(observation, 12, None).max() == 11
    assert newest(observation, 4, None).shape == (4, 4, 3)
    assert newest(observation, 1, None).tolist() == np.full((4, 4), 11).tolist()
    assert newest(np.full((1, 2, 2), 0.5, np.float32), 1, 1.0).tolist() == [[127, 127], [127, 127]]


def test_sheets_and_heat_are_where_they_belong():
    whole = sheet(np.stack([np.zeros((2, 2)), np.ones((2, 2)), np.ones((2, 2))]), columns=2)
    assert whole.shape == (5, 5)
    assert whole[0, 0] == 0
    assert whole[0, 3] == whole[3, 0] == 255
    weights = np.zeros((3, 2, 4, 4), np.float32)
    weights[1, 0, 2, 2] = -5.0
    found = filter_sheet(weights)
    assert found.shape == (2 * 5 - 1, 3 * 5 - 1)
    assert found[2, 5 + 2] == 0
    assert found[0, 0] == 127
    saliency = np.zeros((9, 9))
    saliency[4, 4] = 1.0
    assert heat(saliency)[4, 4].tolist() == [255, 255, 203]
    assert heat(saliency)[0, 0].tolist() == [0, 0, 0]
    assert heat(np.zeros((9, 9))).max() == 0
    assert packed(heat(saliency))[:4] == b"RIFF"


@pytest.mark.parametrize(
    ("rewards", "stretch"),
    [
        ([0] * 400, (0, 150)),
        ([0] * 300 + [1, 0, -1] + [0] * 97, (177, 327)),
        ([0, 1], (0, 2)),
        ([0] * 9 + [1], (0, 10)),
    ],
)
def test_the_stretch_of_a_gif_lies_around_the_first_point_that_is_lost(rewards, stretch):
    assert stretch_of(np.array(rewards)) == stretch


def test_a_gif_is_made_small_enough(tmp_path):
    pictures = [RNG.integers(0, 256, (200, 300, 3), dtype=np.uint8) for _ in range(120)]
    write_gif(tmp_path / "a.gif", pictures, 15)
    assert (tmp_path / "a.gif").stat().st_size <= MAX_NBYTES
    with Image.open(tmp_path / "a.gif") as found:
        assert found.n_frames > 5


def test_a_board_shows_the_step_that_it_is_asked_for():
    game = make_game()
    board = Board(game.spec, game.recording, game.thoughts, "title")
    pictures = [board.draw(np.zeros((80, 80, 3), np.uint8), step) for step in range(LENGTH + 1)]
    assert pictures[0].shape == (board.size[1], board.size[0], 3)
    assert all(np.any(one != other) for one, other in itertools.pairwise(pictures))
    nothing = game._replace(thoughts=Thoughts(Explanation(), None, None, {}))
    assert Board(*nothing[2:5], "title").draw(np.zeros((80, 80, 3), np.uint8), 0).shape[0] < board.size[1]


@pytest.mark.parametrize("sizes", [(2, 3), (40, 30)])
def test_a_board_shows_choices_and_the_numbers_beside_them(sizes):
    spec = EnvSpec("both", "none", (3,), "float32", None, (4,), (-1.0, 0.0), (1.0, 4.0), action_sizes=sizes)
    actions = Actions(np.array([[step % 2, 2, 0.5, 1.0] for step in range(LENGTH)], np.float32))
    recording = Recording(Episode(0, 0, 1, actions=actions), np.zeros((LENGTH, 3)), np.zeros(LENGTH), True)
    mean = torch.linspace(-1, 1, LENGTH)[:, None].expand(LENGTH, 2)
    still = {"action_probs": torch.full((LENGTH, sum(sizes)), 0.2), "action_std": torch.ones(LENGTH, 2)}
    thoughts = Thoughts(Explanation(action_mean=mean, **still), None, None, {})
    board = Board(spec, recording, thoughts, "title")
    assert board.names[-2:] == ["number 0", "number 1"]
    assert board.names[0] == "0: 0"
    pictures = [board.draw(np.zeros((80, 80, 3), np.uint8), step) for step in (0, 2, 4)]
    assert all(np.any(one != other) for one, other in itertools.pairwise(pictures))  # the means have moved
