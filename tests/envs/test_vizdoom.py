import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from tests.fakes import RandomAct
from triptych.collect.evaluation import play_episodes
from triptych.envs.gymnasium import Gymnasium
from triptych.envs.vizdoom import Doom
from triptych.types import ConfigurationError

pytest.importorskip("vizdoom", reason="Doom needs vizdoom")

IDS = ["DoomBasic-v0", "DoomHealthGathering-v0", "DoomHealthGatheringSupreme-v0", "DoomMyWayHome-v0"]
NONE, ATTACK = 0, 1
ALL = np.ones(2, bool)


def doom(env_id="DoomBasic-v0", num_envs=1, frame_stack=1, use_processes=False, **make_kwargs):
    return Gymnasium(env_id, num_envs, frame_stack=frame_stack, use_processes=use_processes, make_kwargs=make_kwargs)


@pytest.mark.parametrize("env_id", IDS)
def test_what_the_scenarios_say_of_themselves(env_id):
    game = doom(env_id, frame_stack=4)
    spec = game.spec
    game.close()
    assert (spec.name, spec.observation_shape, spec.observation_dtype) == (env_id, (12, 60, 80), "uint8")
    assert spec.render_fps == pytest.approx(35 / 4)
    assert len(spec.action_names) == spec.num_actions
    assert spec.action_names[NONE] == "none"


def test_actions_hold_buttons():
    assert doom().spec.action_names == ("none", "attack", "move_right", "move_left")
    names = doom(max_buttons=2).spec.action_names
    assert len(names) == 7
    assert "move_left+attack" in names
    assert doom(scenario="deadly_corridor", env_id="Doom-v0").spec.num_actions == 8


@pytest.mark.parametrize("image_size", [(60, 80), (84, 84), (1, 1), (300, 200)])
def test_a_picture_of_any_size_is_the_mean_of_what_doom_draws(image_size):
    means = []
    for use_color in (True, False):
        env = Doom("basic", image_size=image_size, use_color=use_color)
        observation, _ = env.reset(seed=4)
        assert observation.shape == (image_size if not use_color else (*image_size, 3))
        assert env.observation_space.contains(observation)
        assert observation.mean() == pytest.approx(env.render().mean(), abs=1)
        means.append(observation.mean())
        env.close()
    assert means[0] == pytest.approx(means[1], rel=0.2)


def test_stacked_frames_are_the_last_ones():
    game, one = doom("DoomMyWayHome-v0", frame_stack=3), doom("DoomMyWayHome-v0")
    seen = [one.reset(np.array([3]), np.ones(1, bool))[0][0]]
    stacked, _ = game.reset(np.array([3]), np.ones(1, bool))
    for action in (4, 3, 3, 5):
        for each in (game, one):
            each.send(np.array([action]))
        stacked = game.receive().observation
        seen.append(one.receive().observation[0])
    np.testing.assert_array_equal(stacked[0], np.concatenate(seen[-3:]))
    game.close()
    one.close()


def test_time_that_runs_out_is_a_truncation_and_shows_the_last_picture():
    env = Doom("basic", frame_skip=50)
    env.reset(seed=1)
    for _ in range(20):
        before = env.render()
        observation, reward, terminated, truncated, _ = env.step(NONE)
        if terminated or truncated:
            break
    assert (terminated, truncated) == (False, True)
    assert reward < 0
    np.testing.assert_array_equal(env.render(), before)
    assert observation.any()
    env.close()


def test_a_death_is_a_termination():
    env = Doom("health_gathering", frame_skip=35)
    env.reset(seed=1)
    rewards = []
    for _ in range(60):
        _, reward, terminated, truncated, _ = env.step(NONE)
        rewards.append(reward)
        if terminated or truncated:
            break
    assert (terminated, truncated) == (True, False)
    assert rewards[0] == 35
    assert rewards[-1] < -60  # 100 for death, less the tics that were lived
    env.close()


@pytest.mark.parametrize("env_id", IDS[::3])
@pytest.mark.parametrize("use_processes", [False, True])
def test_a_seed_and_actions_are_an_episode(env_id, use_processes):
    """In whichever game, as the first that it plays or a later one, alone or beside others."""
    alone, both = doom(env_id), doom(env_id, 2, use_processes=use_processes)
    both.reset(np.array([3, 4]), ALL)
    generator = np.random.default_rng(0)
    for _ in range(3):
        both.send(generator.integers(3, size=2))
        both.receive()
    one, other = alone.reset(np.array([21]), np.ones(1, bool))[0], both.reset(np.array([20, 21]), ALL)[0]
    np.testing.assert_array_equal(one[0], other[1])
    is_other_start = (other[0] != other[1]).any()
    for action in generator.integers(alone.spec.num_actions, size=40):
        alone.send(np.array([action]))
        both.send(np.array([NONE, action]))
        one, other = alone.receive(), both.receive()
        np.testing.assert_array_equal(one.observation[0], other.observation[1])
        assert (one.reward[0], one.terminated[0]) == (other.reward[1], other.terminated[1])
        if one.terminated[0]:
            break
    assert is_other_start
    alone.close()
    both.close()


def test_health_is_seen_in_the_bar_alone():
    pictures = {}
    for has_bar in (False, True):
        env = Doom("health_gathering_supreme", render_hud=has_bar)
        env.reset(seed=1)
        pictures[has_bar] = [env.step(NONE)[0] for _ in range(20)]  # 80 tics, in which the acid hurts twice
        env.close()
    red = {has_bar: [(one[52:, 14:28, 0] > 100).sum() for one in seen] for has_bar, seen in pictures.items()}
    assert len(set(red[True])) > 1  # other digits
    assert set(red[False]) == {0}


@pytest.mark.parametrize("use_color", [True, False])
def test_an_episode_can_be_shown_again_larger_and_in_colour(use_color):
    game = doom(use_color=use_color)
    (episode,) = play_episodes(game, RandomAct(num_actions=4), [7])
    game.close()
    frames, rewards = zip(*game.replay(episode.seed, episode.actions), strict=True)
    assert sum(rewards) == episode.episode_return
    assert {frame.shape for frame in frames} == {(240, 320, 3)}
    assert all(frame.any() for frame in frames)
    assert (frames[0] != frames[-2]).any()


@pytest.mark.parametrize(
    ("make_kwargs", "words"),
    [
        ({"scenario": "doom3"}, ["scenario=doom3", "basic", "my_way_home"]),
        ({"scenario": "cig"}, ["scenario=cig", "for one player", "deathmatch"]),
        ({"scenario": "multi_duel"}, ["scenario=multi_duel", "for one player"]),
        ({"scenario": "../scenarios/basic"}, ["scenario=../scenarios/basic"]),
        ({"scenario": "basic", "frame_skip": 0}, ["frame_skip=0", "1 to 1,000"]),
        ({"scenario": "basic", "frame_skip": True}, ["frame_skip=True"]),
        ({"scenario": "basic", "max_buttons": 1.5}, ["max_buttons=1.5"]),
        ({"scenario": "basic", "render_hud": "yes"}, ["render_hud=yes", "true or false"]),
        ({"scenario": "basic", "image_size": 84}, ["image_size=84", "[height,width]"]),
        ({"scenario": "basic", "image_size": [0, 80]}, ["image_size=[0, 80]"]),
        ({"scenario": "basic", "image_size": [481, 80]}, ["image_size=[481, 80]", "480"]),
        ({}, ["env.id=Doom-v0", "no env.make_kwargs", "takes scenario, frame_skip"]),
        ({"scenario": "basic", "vizdoom_path": "/bin/true"}, ["env.id=Doom-v0", "vizdoom_path"]),
    ],
)
def test_what_cannot_be_is_told(make_kwargs, words):
    with pytest.raises(ConfigurationError) as error:
        doom("Doom-v0", **make_kwargs)
    for word in words:
        assert word in str(error.value)
    assert "ConfigurationError" not in str(error.value)


def programs(parent):
    """Return the processes of Doom that a process plays."""
    found = subprocess.run(["pgrep", "-P", str(parent), "vizdoom"], capture_output=True, text=True)
    return [int(number) for number in found.stdout.split()]


def wait_until(is_so, seconds=10.0):
    for _ in range(int(seconds / 0.05)):
        if is_so():
            return True
        time.sleep(0.05)
    return False


def test_nothing_is_left_in_the_folder_where_it_is_played(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "scratch").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    game = doom()
    game.reset(np.array([1]), np.ones(1, bool))
    game.send(np.array([ATTACK]))
    game.receive()
    game.close()
    assert list((tmp_path / "here").iterdir()) == []
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_scratch_folder_without_programs_is_told(monkeypatch):
    env = Doom("basic")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ConfigurationError, match="set TMPDIR"):
        env.reset(seed=1)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found as Linux has them")
def test_a_signal_to_all_is_left_to_the_run():
    env = gymnasium.make("DoomBasic-v0")
    env.reset(seed=1)
    (program,) = programs(os.getpid())
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(program, number)
    assert os.getpgid(program) != os.getpgid(0)  # what Ctrl-C reaches
    _, reward, *_ = env.step(NONE)
    assert reward == -4
    env.close()
    assert wait_until(lambda: not programs(os.getpid()))


@pytest.mark.skipif(sys.platform != "linux", reason="processes end with another on Linux only")
def test_doom_ends_with_a_run_that_is_killed():
    code = (
        "import gymnasium, sys, time, triptych.envs.vizdoom; env = gymnasium.make('DoomBasic-v0'); "
        "env.reset(seed=1); print('ready', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout.readline() == "ready\n"
        (program,) = programs(run.pid)
        run.kill()
    assert wait_until(lambda: not Path(f"/proc/{program}").exists())
