"""What a video shows, how fast, and that it shows the game that was played."""

from types import SimpleNamespace

import imageio_ffmpeg
import numpy as np
import pytest

from tests.front_door import train
from triptych.callbacks.video import with_caption, write_video
from triptych.envs.atari import Atari
from triptych.envs.gymnasium import Gymnasium, _render_fps
from triptych.types import Actions, EnvSpec, Episode, NoPicture

COLOUR = 90, 20, 140  # which no text has


class Film:
    """A game of grey pictures whose rewards are its actions."""

    def __init__(self, shape=(40, 60), luck=0.0, **about):
        self.shape, self.luck = shape, luck
        self.spec = EnvSpec("Film-v0", "none", (2,), "float32", 3, **about)

    def replay(self, seed, actions):
        yield np.full((*self.shape, 3), 90, np.uint8), 0.0
        for action in actions:
            yield np.full((*self.shape, 3), 90, np.uint8), float(action) + self.luck


def episode_of(actions):
    return Episode(0, 0, 7, len(actions), float(sum(actions)), actions=Actions(actions))


@pytest.mark.parametrize("fps", [5.0, 15.0, 62.5])
def test_a_video_has_the_environments_own_time(tmp_path, fps):
    path = tmp_path / "videos" / "evaluation.mp4"
    path.parent.mkdir()
    write_video(path, Film(render_fps=fps), episode_of([1, 0, 2] * 10))
    about = next(imageio_ffmpeg.read_frames(str(path)))
    assert about["fps"] == pytest.approx(fps, abs=0.01)
    assert imageio_ffmpeg.count_frames_and_secs(str(path))[0] == 31
    assert all(side % 2 == 0 for side in about["size"])


@pytest.mark.parametrize("shape", [(10, 10), (16, 400), (210, 160), (211, 161), (480, 480), (900, 1600)])
def test_the_caption_is_below_the_picture_and_large_enough(shape):
    height, width = shape
    shown = with_caption(np.full((*shape, 3), COLOUR, np.uint8), "return -12345.67   step 26999 of 27000").astype(int)
    is_picture = (shown == COLOUR).all(axis=2)
    factor = max(-(-210 // height), 1)
    assert is_picture.sum() == height * width * factor**2  # nothing is drawn over it
    assert is_picture[: height * factor].any(axis=0).sum() == width * factor
    rows, columns = np.nonzero(shown[height * factor :].max(axis=2) > 200)
    assert rows.max() - rows.min() >= 0.02 * shown.shape[1]  # tall enough to be read
    assert columns.min() > 0
    assert columns.max() < shown.shape[1] - 1  # and whole
    assert shown.shape[0] % 2 == shown.shape[1] % 2 == 0


def test_pictures_of_another_game_are_not_shown_and_an_old_video_does_not_stay(tmp_path):
    path, episode = tmp_path / "evaluation.mp4", episode_of([1, 0, 2])
    write_video(path, Film(), episode)
    with pytest.raises(NoPicture, match=r"return 6 instead of 3"):
        write_video(path, Film(luck=1.0), episode)
    assert list(tmp_path.iterdir()) == []


def test_a_run_says_in_one_sentence_that_its_environment_does_not_repeat_a_game(tmp_path):
    result = train("env=gym", "env.id=tests.broken_env:Lucky-v0", "algo=ppo", "debug=tiny", "total_frames=512",
                   "trainer.num_threads=1", f"run_dir={tmp_path / 'run'}")  # fmt: skip
    assert result.returncode == 0, result.stderr
    (line,) = [line for line in result.stdout.splitlines() if "video" in line]
    assert "Lucky-v0 does not repeat a game" in line
    assert not list((tmp_path / "run").glob("videos/*.mp4"))


def test_a_long_game_is_cut(tmp_path):
    path = tmp_path / "evaluation.mp4"
    write_video(path, Film(luck=1.0), episode_of([1] * 100), max_frames=20)  # whose end is not seen
    assert imageio_ffmpeg.count_frames_and_secs(str(path))[0] == 20


def test_games_say_how_fast_they_are_shown():
    games = [Gymnasium("CartPole-v1", 1), Gymnasium("tests.broken_env:Broken-v0", 1),
             Gymnasium("tests.broken_env:Uneven-v0", 1), Atari("pong", 1), Atari("pong", 1, frame_skip=1)]  # fmt: skip
    found = [game.spec.render_fps for game in games]
    for game in games:
        game.close()
    assert found == [50, 5, 30, 15, 60]


@pytest.mark.parametrize("metadata", [None, {}, {"render_fps": None}, {"render_fps": "fast"}, {"render_fps": 0}])
def test_an_environment_that_does_not_say_is_shown_at_the_usual_speed(metadata):
    assert _render_fps(SimpleNamespace(metadata=metadata)) == 30
